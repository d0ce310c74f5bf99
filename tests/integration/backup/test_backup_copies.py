"""One set in several locations: equal copies, and what becomes of the others when one of them fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.run import TooFewCopies
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from support.backup_bench import Bench, make_older
from support.fake_programs import FakePrograms
from support.lab import MotoServer, PostgresServer, RcloneRemote, S3Server
from support.s3_proxy import Forward, Reply, Request, S3Proxy

MIB = 1024 * 1024
A_B_C = ("a", "b", "c")


def contents(root: Path) -> dict[str, bytes]:
    """Every file below *root*, hidden ones too."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def objects(server: S3Server) -> set[str]:
    """The objects of all buckets; the server's own files for uploads that it had not ended are none."""
    return {name for name in contents(server.root) if "/.rclone_temp_" not in name}


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {location["name"]: location["status"] for location in report["locations"]}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_bucket_a_remote_and_a_directory_get_the_same_bytes(
    postgres17: PostgresServer,
    big_database: str,
    bench: Bench,
    s3_server: S3Server,
    s3_bucket: str,
    rclone_config: RcloneRemote,
    jobs: int,
) -> None:
    locations = [
        bench.location(),
        s3_server.location(s3_bucket, prefix="some/prefix"),
        rclone_config.location("Backups"),
    ]
    report = bench.backup(postgres17, big_database, locations=locations, jobs=jobs, exports=[{"table": "first"}])
    assert report["copies"] == 3
    assert statuses(report) == {"disk": "good", "s3": "good", "gdrive": "good"}
    disk = contents(bench.root)
    assert len(disk) == 4 + jobs
    assert {Path(name).parent.as_posix() for name in disk} == {report["directory"]}
    assert contents(s3_server.root / s3_bucket / "some" / "prefix") == disk
    assert contents(rclone_config.root / "Backups") == disk


@pytest.mark.parametrize("min_copies", [2, 3, None])
def test_a_location_that_cannot_be_used_counts_from_the_beginning(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path, min_copies: int | None
) -> None:
    locations = [bench.location("a"), {**bench.location("b"), "path": "/nonexistent/disk/b"}, bench.location("c")]
    options = {"locations": locations, **({} if min_copies is None else {"min_copies": min_copies})}
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir) as programs:
        if min_copies == 2:
            report = bench.backup(postgres17, database, pg_bin_dir=programs, **options)
            assert statuses(report) == {"a": "good", "b": "failed", "c": "good"}
            assert report["copies"] == 2
            assert "/nonexistent/disk" in report["locations"][1]["error"]
            assert any("b (local): failed" in line for line in report["summary"])
            assert contents(bench.directory / "a") == contents(bench.directory / "c") != {}
        else:
            with pytest.raises(PreflightError, match=r"2 of 3 locations can be used, 3 are needed.*/nonexistent/disk"):
                bench.backup(postgres17, database, pg_bin_dir=programs, **options)
            assert programs.runs == []
            assert bench.files("a") == bench.files("c") == set()


@pytest.mark.parametrize("min_copies", [2, 3])
def test_a_location_that_breaks_while_it_is_written_spoils_no_other(
    postgres17: PostgresServer, big_database: str, bench: Bench, min_copies: int
) -> None:
    options = {"locations": [bench.location(name) for name in A_B_C], "min_copies": min_copies, "compress": "none"}
    with bench.held(postgres17, big_database, hold_after=8 * MIB, **options) as (programs, run):
        # As when its disk is pulled out.
        shutil.rmtree(bench.directory / "b")
        programs.open()
        if min_copies == 3:
            with pytest.raises(TooFewCopies, match="2 of 3 copies are good, 3 needed") as raised:
                run.result(60)
            report = raised.value.report
        else:
            report = run.result(60)
    assert report["copies"] == 2
    assert [text for text in report["warnings"] if text.startswith("no copy in location 'b': ")]
    assert statuses(report) == {"a": "good", "b": "failed", "c": "good"}
    assert report["locations"][1]["error"]
    assert bench.files("b") == set()
    good = contents(bench.directory / "a")
    assert good == contents(bench.directory / "c")
    assert {Path(name).name for name in good} >= {"manifest.json", "manifest.json.sig"}


def test_a_bucket_whose_server_goes_away_mid_stream_is_given_up_and_cleaned_by_a_later_run(
    postgres17: PostgresServer, big_database: str, bench: Bench, tmp_path: Path
) -> None:
    with (
        S3Server() as server,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs,
    ):
        locations = [bench.location(), server.location(server.create_bucket())]
        options = {"locations": locations, "min_copies": 1, "compress": "none", "pg_bin_dir": programs}
        with bench.under_way(postgres17, big_database, **options) as run:
            programs.wait_until_held()
            server.stop()
            programs.open()
            report = run.result(90)
        assert (report["copies"], statuses(report)) == (1, {"disk": "good", "s3": "failed"})
        assert {Path(name).name for name in bench.files()} >= {"manifest.json", "manifest.json.sig"}
        # What was whole when the server went away could not be removed; without a manifest it is no backup.
        assert {Path(name).name.split("_")[0] for name in objects(server)} <= {"globals"}
        make_older(server.root, hours=25)
        server.start()
        later = bench.backup(postgres17, big_database, **options)
        assert statuses(later) == {"disk": "good", "s3": "good"}
        assert later["reaped"] == [f"s3: {report['directory']}"]
        assert {Path(name).parent.name for name in objects(server)} == {later["id"]}


def test_a_set_that_no_location_took_is_a_failure_whatever_min_copies_is(
    postgres17: PostgresServer, big_database: str, bench: Bench
) -> None:
    options = {"locations": [bench.location("a"), bench.location("b")], "min_copies": 1, "compress": "none"}
    with bench.held(postgres17, big_database, hold_after=8 * MIB, **options) as (programs, run):
        for name in ("a", "b"):
            shutil.rmtree(bench.directory / name)
        programs.open()
        with pytest.raises(BackupError) as raised:
            run.result(60)
    assert "'a'" in str(raised.value) and "'b'" in str(raised.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_disk_that_fills_up_loses_its_copy_alone_and_is_left_empty(
    postgres17: PostgresServer, big_database: str, bench: Bench, small_disk: Path
) -> None:
    locations = [bench.location(), {"name": "small", "type": "local", "path": str(small_disk)}]
    report = bench.backup(postgres17, big_database, locations=locations, min_copies=1, compress="none")
    assert statuses(report) == {"disk": "good", "small": "failed"}
    assert "No space left on device" in report["locations"][1]["error"]
    assert "free some space" in report["locations"][1]["error"]
    assert contents(small_disk) == {}
    assert bench.stored(report).names >= {"manifest.json"}


def test_a_disk_too_small_for_the_last_sets_size_is_refused_before_anything_is_written(
    postgres17: PostgresServer, big_database: str, bench: Bench, small_disk: Path, tmp_path: Path
) -> None:
    bench.backup(postgres17, big_database)
    before = contents(bench.root)
    locations = [bench.location(), {"name": "small", "type": "local", "path": str(small_disk)}]
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir) as programs:
        with pytest.raises(PreflightError, match=r"location 'small' has [\d,]+ bytes free, about [\d,]+ are needed"):
            bench.backup(postgres17, big_database, locations=locations, pg_bin_dir=programs)
        assert programs.runs == []
    assert contents(small_disk) == {}
    assert contents(bench.root) == before


@pytest.mark.parametrize("made", [True, False], ids=["root", "no-root-yet"])
def test_a_disk_without_room_for_a_first_set_is_refused_before_anything_is_written(
    postgres17: PostgresServer,
    big_database: str,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    made: bool,
) -> None:
    if made:
        bench.root.mkdir(mode=0o700)
    real = os.statvfs

    def full(path: str) -> os.statvfs_result:
        values = list(real(path))
        values[4] = 10
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", full)
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir) as programs:
        with pytest.raises(PreflightError, match=r"location 'disk' has .* bytes free, about .* are needed"):
            bench.backup(postgres17, big_database, pg_bin_dir=programs)
        assert programs.runs == []
    assert bench.files() == set()


@pytest.mark.parametrize("min_copies", [0, 3, -1])
def test_more_copies_than_locations_or_none_cannot_be_asked_for(
    postgres17: PostgresServer, database: str, bench: Bench, min_copies: int
) -> None:
    with pytest.raises(ConfigError, match="min_copies is"):
        bench.backup(postgres17, database, locations=[bench.location("a"), bench.location("b")], min_copies=min_copies)
    assert bench.files("a") == bench.files("b") == set()


def test_a_store_that_locks_for_longer_than_was_asked_for_is_told(
    postgres17: PostgresServer, database: str, bench: Bench, moto_server: MotoServer
) -> None:
    def longer(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        if reply.status == 200:
            until = datetime.now(timezone.utc) + timedelta(days=7)
            reply.headers["x-amz-object-lock-retain-until-date"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
        return reply

    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    as_asked = {**moto_server.location(bucket), "object_lock": {"mode": "GOVERNANCE", "days": 1}}
    told = bench.backup(postgres17, database, locations=[as_asked])["warnings"]
    assert not [text for text in told if "object_lock" in text]
    with S3Proxy(moto_server.endpoint_url) as proxy:
        proxy.inject("HeadObject", longer)
        through = {**as_asked, "endpoint_url": proxy.endpoint_url}
        told = bench.backup(postgres17, database, locations=[through, bench.location()])["warnings"]
    (line,) = {text.rpartition(" until ")[0] for text in told if "object_lock" in text}
    assert line == "s3: object_lock asks for 1 days, but the store locks it"
