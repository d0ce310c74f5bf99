"""Drills on a server that exists only as long as they do, attacked by other users and by the backup's own code."""

from __future__ import annotations

import grp
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.throwaway import ThrowawayServer, reap
from support.drill_runs import drill, failures, make_shop
from support.lab import PostgresServer
from support.programs import wait_until
from support.restore_runs import RestoreBench, databases
from support.throwaway import DEEP, as_root, bin_dir, scratch, started

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A ``throwaway_dir``."""
    with scratch() as name:
        yield Path(name)


@pytest.fixture
def found() -> Iterator[Path]:
    """A directory where an attacker's code may tell what it could do."""
    with scratch(0o1777) as name:
        yield Path(name)


def running(marker: str) -> list[str]:
    """The processes in whose command line *marker* is."""
    told = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                told.append(path.parent.name)
        except OSError:
            continue
    return told


def run_in(server: ThrowawayServer, script: str) -> None:
    """What code of a backup can do: a shell script as the server's user."""
    connection = connect(server.options)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("COPY (SELECT '') TO PROGRAM %s", [script])
    connection.close()


@as_root
def test_a_throwaway_server_is_of_the_sets_version_and_leaves_nothing(
    bench: RestoreBench, postgres: PostgresServer, place: Path
) -> None:
    bench.backup(postgres, make_shop(postgres))
    programs = bin_dir(postgres.major)
    report = drill(bench, postgres, target="throwaway", pg_bin_dir=programs, throwaway_dir=str(place), jobs=2)
    assert (report["verdict"], failures(report)) == ("passed", {})
    assert report["drills"][0]["server_version"].startswith(str(postgres.major))
    assert os.listdir(place) == []
    assert not databases(postgres, "drill_")


@as_root
def test_a_throwaway_server_is_on_no_network_and_asks_for_a_password(place: Path) -> None:
    with ThrowawayServer(170000, pg_bin_dir=bin_dir(17), directory=str(place)) as server:
        with connect(server.options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('listen_addresses')")
            assert cursor.fetchone() == ("",)
        with pytest.raises(PreflightError, match="password authentication failed"):
            connect(replace(server.options, login_password="guessed"))
        (home,) = place.iterdir()
        status = home.stat()
        assert (status.st_uid, status.st_mode & 0o777) == (0, 0o710)
        with pytest.raises(KeyError):
            grp.getgrgid(status.st_gid)


@as_root
def test_whom_initdb_runs_as_cannot_put_anything_into_roots_way(place: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("root's")
    names = "server.log password lock data/postgresql.conf data/evil socket/.s.PGSQL.5432 data socket"
    script = f"""
        cd {place}; while :; do for name in {names}; do
            ln -s {victim} mobul-drill-*/$name || mkfifo mobul-drill-*/$name || mv mobul-drill-*/data mobul-drill-*/old
        done; done
    """
    server = ThrowawayServer(170000, pg_bin_dir=bin_dir(17), directory=str(place), run_as="nobody")
    with started(["/bin/sh", "-c", script], "nobody"), server:
        assert (victim.read_text(), victim.stat().st_uid) == ("root's", 0)
        (home,) = place.iterdir()
        assert sorted(os.listdir(home)) == ["data", "socket"]
        assert {os.lstat(path).st_uid for path in home.rglob("*")} == {0, home.stat().st_gid}
        assert not (home / "data" / "evil").exists()
    assert (victim.read_text(), victim.stat().st_uid) == ("root's", 0)


# As a constraint's function runs when a drill restores the table, and as harmless where the database is at home.
HOSTILE = """
CREATE FUNCTION hostile(int) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN
  IF current_database() LIKE 'drill%%' THEN
    -- In pieces, as nothing tells that it would call out.
    EXECUTE format('COPY (SELECT 1) TO PRO' || 'GRAM %%L', $s$%s$s$);
  END IF;
  RETURN true;
END $f$;
CREATE TABLE trap (id int CHECK (hostile(id)));
INSERT INTO trap VALUES (1);
"""


@as_root
def test_a_backups_code_gets_at_nothing_of_the_drill_and_leaves_no_process_and_no_file(
    bench: RestoreBench,
    postgres17: PostgresServer,
    database: str,
    place: Path,
    found: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marker = f"1000.{uuid.uuid4().int % 10**9}"
    identity = bench.bench.keys.identity
    script = f"""
        exec >{found}/told 2>&1
        id -u; env; cat {identity} /proc/{os.getpid()}/environ; tr '\\0' '\\n' </proc/$PPID/environ
        (setsid sleep {marker} &) ; touch /tmp/left-{marker} /dev/shm/left-{marker}
    """
    postgres17.query(database, HOSTILE % script)
    bench.backup(postgres17, database)
    monkeypatch.setenv("SHOP_PASSWORD", "canary")
    report = drill(
        bench, postgres17, target="throwaway", pg_bin_dir=bin_dir(17), throwaway_dir=str(place), run_as="nobody"
    )
    assert (report["verdict"], failures(report)) == ("passed", {})
    told = (found / "told").read_text()
    uid = int(told.split()[0])
    assert uid not in (0, NOBODY, os.stat(postgres17.data_dir).st_uid)
    assert told.count("Permission denied") == 2
    assert "canary" not in told
    assert running(marker) == []
    assert [path for path in ("/tmp", "/dev/shm") if os.path.lexists(f"{path}/left-{marker}")] == []
    assert os.listdir(place) == []


@as_root
def test_a_backups_code_can_change_nothing_of_where_it_runs_but_its_data(place: Path, found: Path) -> None:
    with ThrowawayServer(170000, pg_bin_dir=bin_dir(17), directory=str(place)) as server:
        (home,) = place.iterdir()
        targets = [home / "evil", home / "socket" / "evil", place / "evil"]
        moved = [home / "socket" / ".s.PGSQL.5432", home / "socket", home / "data", home]
        tries = [f"ln -s /etc/passwd {target}" for target in targets] + [f"mv {one} {one}.old" for one in moved]
        run_in(server, "\n".join(f"{one} 2>/dev/null && echo '{one}' >>{found}/done" for one in tries) + "\n:")
        assert not (found / "done").exists()
        # A tree too deep for simple ways of removing it.
        run_in(server, f"cd {home}/data; {DEEP}; ln -s {found} link; mkfifo fifo")
        assert (home / "data" / "d" / "d").is_dir()
    assert os.listdir(place) == []
    assert found.exists()


KILLED = """
import sys, time
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.throwaway import ThrowawayServer
with ThrowawayServer(170000, pg_bin_dir=sys.argv[1], directory=sys.argv[2]) as server:
    connection = connect(server.options)
    connection.autocommit = True
    connection.cursor().execute("COPY (SELECT 1) TO PROGRAM %s", [f"(setsid sleep {sys.argv[3]} &)"])
    print("up", flush=True)
    time.sleep(600)
"""


@as_root
def test_what_a_killed_run_left_is_ended_and_removed_by_the_next_and_what_runs_is_left_alone(place: Path) -> None:
    marker = f"1000.{uuid.uuid4().int % 10**9}"
    argv = [sys.executable, "-c", KILLED, bin_dir(17), str(place), marker]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        (home,) = place.iterdir()
        postmaster = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
        assert reap(str(place)) == []
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{postmaster}").exists(), what="the server to be gone")
    wait_until(lambda: running(f"sleep\0{marker}") != [], what="the daemon")
    assert reap(str(place)) == [home.name]
    assert running(f"sleep\0{marker}") == []
    assert os.listdir(place) == []


@as_root
def test_a_directory_that_only_has_the_name_of_a_throwaway_server_is_left_alone(place: Path) -> None:
    (place / "mobul-drill-mine").mkdir()
    (place / "mobul-drill-mine" / "kept").write_text("kept")
    assert reap(str(place)) == []
    assert (place / "mobul-drill-mine" / "kept").exists()


@as_root
def test_what_another_user_planted_as_a_killed_runs_is_left_alone(found: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    os.chown(tmp_path, 0, 61184)
    script = f"""
        cd {found}; mkdir -p mobul-drill-own/data; touch mobul-drill-own/lock
        echo 1 >mobul-drill-own/data/postmaster.pid
        ln -s {tmp_path} mobul-drill-link; mkfifo mobul-drill-fifo; touch mobul-drill-file
        mkdir mobul-drill-dir; ln -s {tmp_path} mobul-drill-dir/data
    """
    subprocess.run(["/bin/sh", "-ec", script], user="nobody", check=True)
    planted = sorted(os.listdir(found))
    assert reap(str(found)) == []
    assert sorted(os.listdir(found)) == planted
    assert (tmp_path / "kept").exists()


@as_root
@pytest.mark.parametrize(
    ("owner", "mode", "told"),
    [
        (NOBODY, 0o755, "others than root could exchange what is in"),
        (0, 0o777, "others than root could exchange what is in"),
        (0, 0o750, "cannot pass through"),
    ],
)
def test_a_place_that_others_could_exchange_or_the_server_cannot_reach_is_refused(
    place: Path, owner: int, mode: int, told: str
) -> None:
    inner = place / "outer" / "inner"
    inner.mkdir(parents=True)
    os.chown(inner.parent, owner, 0 if mode != 0o777 else NOBODY)
    inner.parent.chmod(mode)
    with pytest.raises(PreflightError, match=f"{told} {inner.parent}"):
        ThrowawayServer(170000, pg_bin_dir=bin_dir(17), directory=str(inner))


@as_root
def test_an_unknown_user_for_a_throwaway_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="no-such-user"):
        ThrowawayServer(170000, pg_bin_dir=bin_dir(17), run_as="no-such-user")


@pytest.mark.parametrize("check_mode", [False, True])
def test_without_a_user_of_its_own_a_throwaway_drill_is_refused_before_anything_is_read(
    bench: RestoreBench, postgres17: PostgresServer, monkeypatch: pytest.MonkeyPatch, check_mode: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    # These would be errors of their own, as soon as anybody looked.
    unread = {"locations": [bench.bench.location("missing")], "identities": ["/nowhere"], "verify_key": ["/nowhere"]}
    with pytest.raises(BackupError, match=r"could read its keys and credentials \(use target: server, or") as caught:
        drill(bench, postgres17, target="throwaway", check_mode=check_mode, **unread)
    assert isinstance(caught.value, PreflightError)
