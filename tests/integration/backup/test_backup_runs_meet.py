"""Runs that meet each other, that were killed, and that live through a clock which is not in order."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import preflight, preparing
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Skip
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import LockBusy, Snapshot
from support.backup_bench import Bench, make_keys, make_older
from support.backup_runs import ModuleProcess, backup
from support.fake_programs import FakePrograms
from support.lab import PostgresServer, RcloneRemote, S3Server, wait_until
from support.processes import children, is_running
from support.small_sets import lay, small_set

MIB = 1024 * 1024
UTC = timezone.utc


def test_a_second_backup_of_a_database_fails_at_once_and_names_the_first(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    with bench.held(postgres17, database, hold_after=0) as (programs, first):
        # The first one stands still until it is let go.
        with pytest.raises(LockBusy, match=r"another backup of 'db_\w+' is running \(pid \d+.*since 20\d\d-"):
            bench.backup(postgres17, database, label="other-label", pg_bin_dir=programs)
        assert not first.done()
        assert len(programs.runs) == 1
        programs.open()
        report = first.result(60)
    assert {Path(name).parts[0] for name in bench.files()} == {"shop"}
    assert bench.stored(report).names >= {"manifest.json", "manifest.json.sig"}


def test_a_second_backup_of_a_database_is_skipped_where_that_is_wanted(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    with bench.held(postgres17, database, hold_after=0) as (programs, first):
        report = bench.backup(postgres17, database, if_running="skip", pg_bin_dir=programs)
        assert report["changed"] is False
        assert re.match(r"another backup of 'db_\w+' is running \(pid \d+", report["skipped_because"])
        assert "no backup was made" in report["summary"][0]
        # It can be heard of: as a warning, and in the location for the daily check, wherever that runs.
        [warning] = report["warnings"]
        assert "SELECT pg_terminate_backend(" in warning
        [note] = [name for name in bench.files() if name.endswith("/skipped.json")]
        assert Skip.parse((bench.root / note).read_bytes()).reason.startswith("lock the database: another backup of")
        assert bench.backup(postgres17, database, if_running="skip", check_mode=True, pg_bin_dir=programs)["warnings"]
        assert [name for name in bench.files() if name.endswith("/skipped.json")] == [note]
        assert len(programs.runs) == 1
        programs.open()
        assert first.result(60)["copies"] == 1
    assert bench.backup(postgres17, database, if_running="skip")["changed"] is True


def test_a_skip_that_cannot_be_noted_is_still_no_failure(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    with Snapshot(ConnectionOptions.parse(postgres17.login(database))):
        bench.root.mkdir(parents=True)
        (bench.root / "shop").touch()
        report = bench.backup(
            postgres17, database, if_running="skip", min_copies=1, locations=[bench.location("b"), bench.location()]
        )
    assert "could not be noted: " in report["warnings"][1]
    assert len(report["warnings"]) == 2
    assert [name.rpartition("/")[2] for name in bench.files("b")] == ["skipped.json"]


def test_who_could_make_no_backup_keeps_none_from_being_made(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    # Fault 56.
    postgres17.query(database, "CREATE TABLE t ()")
    role = f"guest_{database}"
    password = postgres17.create_role(role)
    with closing(postgres17.connect(database, user=role, password=password)) as session:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(1836016245, 1)")
        report = bench.backup(postgres17, database, if_running="skip")
        told = f"held by a session that cannot make one, and was ignored: (pid {session.info.backend_pid}"
    assert report["copies"] == 1
    assert any(told in warning and f"role '{role}'" in warning for warning in report["warnings"])
    finding = {one["check"]: one for one in report["findings"]}["backup_lock"]
    assert finding["status"] == "warning" and told in finding["message"]
    assert {one["status"] for one in bench.backup(postgres17, database)["findings"]} == {"passed"}


def test_backups_of_two_databases_of_one_server_do_not_wait_for_each_other(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    with (
        postgres17.database() as other,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        bench.under_way(postgres17, database, pg_bin_dir=programs) as first,
    ):
        programs.wait_until_held()
        assert bench.backup(postgres17, other, label="other")["copies"] == 1
        assert not first.done()
        programs.open()
        assert first.result(60)["copies"] == 1


def test_two_databases_under_one_label_in_one_second_never_mix_in_one_set(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, datetime(2026, 11, 22, tzinfo=UTC))
    with (
        postgres17.database() as other,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        bench.under_way(postgres17, database, pg_bin_dir=programs) as first,
        bench.under_way(postgres17, other, pg_bin_dir=programs) as whole_seconds,
    ):
        # On a busy machine one of them may find its name taken by the other's roles before its pg_dump has begun.
        wait_until(lambda: len(programs.runs) == 2 or first.done() or whole_seconds.done(), what="both to be under way")
        programs.open()
        outcomes = [future.exception(60) or future.result() for future in (first, whole_seconds)]
    good = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    assert all(isinstance(outcome, dict | BackupError) for outcome in outcomes)
    for report in good:
        stored = bench.stored(report)
        assert {artifact["name"]: stored.digest(artifact["name"]) for artifact in report["artifacts"]} == {
            artifact["name"]: artifact["sha256"] for artifact in report["artifacts"]
        }
    assert len([name for name in bench.files() if name.endswith("manifest.json")]) == len(good)


def run_and_kill(
    bench: Bench,
    options: dict[str, Any],
    programs: FakePrograms,
    directory: Path,
    reached: Callable[[], object],
) -> None:
    """Start the module in a process of its own, and SIGKILL it within the dump, once it has *reached* that."""
    directory.mkdir()
    with ModuleProcess(directory, options) as module:
        programs.wait_until_held()
        wait_until(reached, what="the run to come so far")
        left = children(module.pid)
        module.process.send_signal(signal.SIGKILL)
        module.process.wait()
        programs.open()
        wait_until(lambda: not any(map(is_running, left)), what="the children of a killed module to end")


@pytest.mark.usefixtures("age")
def test_what_a_killed_run_left_is_removed_by_a_run_a_day_later_and_not_before(
    postgres17: PostgresServer, big_database: str, bench: Bench, tmp_path: Path, rclone_config: RcloneRemote
) -> None:
    locations = [bench.location(), rclone_config.location("Backups")]
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=6 * MIB) as programs:
        options = bench.options(
            postgres17, big_database, locations=locations, compress="none", jobs=3, pg_bin_dir=programs
        )
        run_and_kill(bench, options, programs, tmp_path / "module", bench.files)
        left = bench.files()
        assert not any(name.endswith("manifest.json") for name in left)
        # Neither the lock nor the snapshot outlives the killed run.
        options |= {"exclude_table_data": ["first", "second", "third"], "jobs": 1}
        soon = backup(**options)
        assert soon["reaped"] == []
        assert left <= bench.files()
        assert soon["previous"] is None
        for root in (bench.root, rclone_config.root):
            make_older(root, hours=23)
        assert backup(**options)["reaped"] == []
        for root in (bench.root, rclone_config.root):
            make_older(root, hours=2)
        later = backup(**options)
        assert {text.split(":")[0] for text in later["reaped"]} >= {"disk"}
        assert not left & bench.files()
        # Whole sets of any age are none of its business.
        assert {Path(name).parent.as_posix() for name in bench.files()} >= {soon["directory"], later["directory"]}
        remote = {str(path) for path in (rclone_config.root / "Backups").rglob("*") if path.is_file()}
        assert len(remote) == len(bench.files())


def test_the_open_upload_of_a_killed_run_is_aborted_by_a_later_run_that_names_it(
    postgres17: PostgresServer,
    big_database: str,
    bench: Bench,
    tmp_path: Path,
    s3_server: S3Server,
    s3_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = s3_server.location(s3_bucket)
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs:
        options = bench.options(postgres17, big_database, locations=[given], compress="none", pg_bin_dir=programs)
        with closing(open_location(given)) as location:
            # The program holds what it has handed on; the module may still be on its way to a part of it.
            run_and_kill(bench, options, programs, tmp_path / "module", lambda: any(location.leftovers("")))
            [left] = location.leftovers("")
            assert left.key.endswith(".dump.age")
            monkeypatch.setattr(preflight, "UNFINISHED_AFTER", timedelta(milliseconds=1))
            # A store tells whole seconds.
            wait_until(lambda: datetime.now(timezone.utc) - left.started > timedelta(seconds=1), what="its age")
            later = backup(**options, exclude_table_data=["first", "second", "third"])
            assert f"s3: {left.key}" in later["reaped"]
            assert list(location.leftovers("")) == []
            assert {info.key.rpartition("/")[0] for info in location.list("")} == {later["directory"]}


def test_a_module_that_is_asked_to_end_removes_what_it_has_written(
    postgres17: PostgresServer, big_database: str, bench: Bench
) -> None:
    with bench.held_module(postgres17, big_database, hold_after=12 * MIB) as (programs, module):
        module.process.send_signal(signal.SIGTERM)
        result = module.result()
        assert result["failed"] and result["msg"].startswith("interrupted")
        programs.wait_until_gone()
    assert bench.files() == set()


def stop_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Let backups begin at *now*."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return now.astimezone(tz)

    monkeypatch.setattr(preparing, "datetime", Stopped)
    monkeypatch.setattr(preparing, "check_clock", lambda _connection: None)


def test_two_sets_in_one_second_have_ids_of_their_own_and_neither_is_overwritten(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, datetime(2026, 11, 22, tzinfo=UTC))
    first = bench.backup(postgres17, database)
    before = {name: bench.stored(first).digest(name) for name in bench.stored(first).names}
    whole_seconds = bench.backup(postgres17, database)
    assert [first["id"], whole_seconds["id"]] == ["manual_20261122_000000", "manual_20261122_000001"]
    assert whole_seconds["previous"] == first["id"]
    assert {name: bench.stored(first).digest(name) for name in before} == before


def test_a_clock_that_steps_back_reuses_no_id(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime(2026, 10, 25, 1, 0, 1, tzinfo=UTC)
    reports = []
    for seconds in (0, 1, 0, 1):
        stop_clock(monkeypatch, start + timedelta(seconds=seconds))
        reports.append(bench.backup(postgres17, database))
    assert [report["id"][-6:] for report in reports] == ["010001", "010002", "010003", "010004"]
    assert all(bench.stored(report).names >= {"manifest.json"} for report in reports)


def test_an_id_that_only_a_killed_run_or_only_one_location_knows_is_not_reused(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, datetime(2026, 11, 22, tzinfo=UTC))
    bench.backup(postgres17, database, locations=[bench.location("b")])
    left = bench.directory / "a" / "shop/2026/11/22/manual_20261122_000001"
    left.mkdir(parents=True)
    (left / ".backup_20261122_0000.dump.age.0123456789abcdef.partial").touch()
    report = bench.backup(postgres17, database, locations=[bench.location("a"), bench.location("b")])
    assert report["id"] == "manual_20261122_000002"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("zone", ["America/St_Johns", "XST-13XDT-14,J1/0,J365/23", "Etc/GMT+12"])
def test_all_times_are_utc_whatever_the_time_zones_here_and_of_the_server(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path, zone: str
) -> None:
    postgres17.query(database, f"ALTER DATABASE {database} SET timezone = 'Pacific/Kiritimati'")
    postgres17.query(database, "CREATE TABLE t AS SELECT now() AS at")
    before = datetime.now(UTC).replace(microsecond=0)
    with ModuleProcess(
        tmp_path, bench.options(postgres17, database, exports=[{"table": "t"}]), environment={"TZ": zone}
    ) as module:
        report = module.result()
    assert not report.get("failed"), report
    after = datetime.now(UTC)
    stored = bench.stored(report)
    assert before <= SetId.parse(report["id"]).time <= after
    assert f"/{before:%Y/%m/}" in report["directory"]
    manifest = stored.manifest
    times = [manifest["started"], manifest["finished"], manifest["database"]["snapshot"]["time"]]
    for text in times:
        assert text.endswith("Z")
        assert before <= datetime.fromisoformat(text) <= after
    [export] = stored.artifacts("export")
    assert stored.plain(export).decode().rstrip().endswith("+00")


def test_sets_form_a_chain_over_the_newest_of_all_locations(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    a, b = bench.location("a"), bench.location("b")
    first = bench.backup(postgres17, database, locations=[a, b])
    whole_seconds = bench.backup(postgres17, database, locations=[b])
    third = bench.backup(postgres17, database, locations=[a, b])
    assert [first["previous"], whole_seconds["previous"], third["previous"]] == [None, first["id"], whole_seconds["id"]]
    stored = bench.stored(third, bench.directory / "a")
    assert stored.manifest["previous"] == {"id": whole_seconds["id"], "sha256": whole_seconds["manifest_sha256"]}
    assert os.listdir(bench.directory / "a") == ["shop"]


def test_a_set_that_nobody_signed_is_never_the_one_before_a_signed_set(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    first = bench.backup(postgres17, database)
    forged = str(SetId(datetime.now(timezone.utc) + timedelta(minutes=1), "manual"))
    lay(bench.root, forged, small_set(forged))
    whole_seconds = bench.backup(postgres17, database)
    assert whole_seconds["previous"] == first["id"]
    assert any(forged in warning and "is not signed" in warning for warning in whole_seconds["warnings"])
    (tmp_path / "rotated").mkdir()
    keys = make_keys(tmp_path / "rotated")
    assert bench.backup(postgres17, database, signing_key=keys.signing, check_mode=True)["previous"] is None
    rotated = bench.backup(postgres17, database, signing_key=keys.signing, verify_key=[str(bench.keys.verify)])
    assert rotated["previous"] == whole_seconds["id"]
