"""Drills on servers of every version, of older sets too, and on a server that exists only as long as the drill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.throwaway import ThrowawayServer, reap
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side import creating
from support.drill_runs import damaged_set, drill, failures, make_shop
from support.installations import accessible, installations
from support.lab import PostgresServer
from support.programs import PROJECT, unprivileged_user
from support.restore_runs import RestoreBench, databases

EVERY_TYPE = (PROJECT / "tests" / "integration" / "postgres" / "every_type.sql").read_text()
MAJORS = sorted(installations())
PAIRS = [(one, other) for one in MAJORS for other in MAJORS if one <= other]


def bin_dir(major: int) -> str:
    """Of an installation that the user may reach whom servers run as."""
    return str(accessible(installations()[major], unprivileged_user()))


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """A directory that every user may pass through, with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield place


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[int, PostgresServer]]:
    with contextlib.ExitStack() as stack:
        yield {major: stack.enter_context(PostgresServer(major)) for major in MAJORS}


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_a_set_of_any_version_passes_its_drill_on_that_or_a_newer_one(
    bench: RestoreBench, servers: dict[int, PostgresServer], made_on: int, restored_on: int
) -> None:
    shop = make_shop(servers[made_on])
    # The newest build here cannot read zstd.
    bench.backup(servers[made_on], shop, compress="gzip:1")
    report = drill(bench, servers[restored_on])
    assert (report["verdict"], failures(report)) == ("passed", {})
    assert report["drills"][0]["server_version"].startswith(str(restored_on))
    assert not [one for one in report["findings"] if one["check"] == "definitions"]
    assert any("very server that was backed up" in one for one in report["warnings"]) == (made_on == restored_on)


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_values_of_every_type_have_the_same_fingerprint_after_their_restore(
    bench: RestoreBench, servers: dict[int, PostgresServer], made_on: int, restored_on: int
) -> None:
    database = servers[made_on].create_database()
    servers[made_on].query(database, EVERY_TYPE)
    bench.backup(servers[made_on], database, compress="gzip:1")
    assert failures(drill(bench, servers[restored_on])) == {}


@pytest.mark.parametrize(
    ("sql", "check", "named"),
    [
        ("DROP POLICY own_consents ON consents", "policies", "POLICY public.consents own_consents"),
        ("ALTER POLICY own_consents ON consents USING (true)", "policies", "POLICY public.consents own_consents"),
        ("REVOKE UPDATE ON consents FROM PUBLIC", "grants", "ACL public.TABLE consents"),
        ("ALTER TABLE orders DISABLE TRIGGER touched", "schema", "TRIGGER public.orders touched"),
    ],
)
def test_what_an_older_servers_set_lacks_is_named_on_a_newer_one(
    bench: RestoreBench, servers: dict[int, PostgresServer], sql: str, check: str, named: str
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    shop = make_shop(oldest)
    damaged_set(bench, oldest, shop, lambda: oldest.query(shop, sql))
    assert named in failures(drill(bench, newest))[check]


def test_a_set_of_a_newer_server_than_the_target_is_an_error_and_no_verdict(
    bench: RestoreBench, servers: dict[int, PostgresServer]
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    bench.backup(newest, make_shop(newest))
    with pytest.raises(PreflightError, match=f"the backup is of PostgreSQL {MAJORS[-1]}, the server is {MAJORS[0]}"):
        drill(bench, oldest)
    assert not list(bench.bench.root.rglob("verified_*"))


@pytest.mark.parametrize("major", MAJORS)
def test_a_throwaway_server_is_of_the_sets_version_and_leaves_nothing(
    bench: RestoreBench, servers: dict[int, PostgresServer], major: int
) -> None:
    server = servers[major]
    bench.backup(server, make_shop(server))
    with scratch() as place:
        report = drill(bench, server, target="throwaway", pg_bin_dir=bin_dir(major), throwaway_dir=place, jobs=2)
        assert (report["verdict"], failures(report)) == ("passed", {})
        assert report["drills"][0]["server_version"].startswith(str(major))
        assert os.listdir(place) == []
    assert not databases(server, "drill_")


def test_a_throwaway_server_is_on_no_network_and_asks_for_a_password() -> None:
    with scratch() as place, ThrowawayServer(170000, pg_bin_dir=bin_dir(17), directory=place) as server:
        with connect(server.options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('listen_addresses')")
            assert cursor.fetchone() == ("",)
        with pytest.raises(PreflightError, match="password authentication failed"):
            connect(replace(server.options, login_password="guessed"))
        (home,) = Path(place).iterdir()
        assert home.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_run_left_is_ended_and_removed_by_the_next_and_what_runs_is_left_alone() -> None:
    code = (
        "import sys, time\n"
        "from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.throwaway import ThrowawayServer\n"
        "with ThrowawayServer(170000, pg_bin_dir=sys.argv[1], directory=sys.argv[2]):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with scratch() as place:
        argv = [sys.executable, "-c", code, bin_dir(17), place]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            (home,) = Path(place).iterdir()
            postmaster = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
            assert reap(place) == []
            process.send_signal(signal.SIGKILL)
        assert Path(f"/proc/{postmaster}").exists()
        assert reap(place) == [home.name]
        deadline = time.monotonic() + 10
        while Path(f"/proc/{postmaster}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{postmaster}").exists()
        assert os.listdir(place) == []


def test_a_directory_that_only_has_the_name_of_a_throwaway_server_is_left_alone() -> None:
    with scratch() as place:
        (Path(place) / "mobul-drill-mine").mkdir()
        (Path(place) / "mobul-drill-mine" / "kept").write_text("kept")
        assert reap(place) == []
        assert (Path(place) / "mobul-drill-mine" / "kept").exists()


def test_an_unknown_user_for_a_throwaway_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="no-such-user"):
        ThrowawayServer(170000, pg_bin_dir=bin_dir(17), run_as="no-such-user")


def test_a_server_without_the_locale_of_the_source_restores_with_its_own_and_says_so(
    bench: RestoreBench, servers: dict[int, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers[17]
    bench.backup(server, make_shop(server))
    missing = " ENCODING = 'UTF8' LOCALE = 'no_SUCH.UTF-8'"
    monkeypatch.setattr(creating, "_locale", lambda _toc, any_locale: "" if any_locale else missing)
    report = drill(bench, server)
    assert report["verdict"] == "passed"
    (told,) = [one for one in report["findings"] if one["check"] == "locale"]
    assert told["status"] == "warning"
    assert "no_SUCH.UTF-8" in told["message"]
