"""The way of the data: nothing plain in a file, flat memory, little read; and roles that are no superusers."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.lab import PostgresServer
from support.processes import children
from support.restore_runs import RestoreBench, databases, drop_versions, start_restore
from support.sample_databases import fill

MARKER = b"a canary in the rows"
SMALL, MIDDLE, LARGE = 1, 6, 30
"""Megabytes: of what is watched on its way, and of two whose difference would show in the memory."""


def finish(process: subprocess.Popen[str]) -> tuple[dict[str, Any], int]:
    """What the module tells, and the most memory that it or one of its programs had, in bytes."""
    if process.stdout is None:
        raise AssertionError("there is no pipe")
    output = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.communicate()
    result: dict[str, Any] = json.loads(output)
    assert not result.get("failed"), result
    return result, usage.ru_maxrss * 1024


@contextlib.contextmanager
def filled(server: PostgresServer, megabytes: int) -> Iterator[str]:
    """A database of two tables, of that size and of half of it; it goes with all of its versions."""
    name = server.create_database()
    fill(server, name, megabytes, "first")
    fill(server, name, megabytes // 2, "second")
    yield name
    drop_versions(server, name)


def open_files(pid: int) -> Iterator[bytes]:
    """The contents of every regular file that a process or a child of it has open for writing."""
    for process in [pid, *children(pid)]:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(link)
                    if stat.S_ISREG(os.stat(link).st_mode) and not target.endswith((".py", ".pyc")):
                        yield link.read_bytes()


def test_no_row_is_ever_in_a_file_of_the_restore(bench: RestoreBench, postgres17: PostgresServer) -> None:
    with filled(postgres17, MIDDLE) as middle:
        mark = f"SET text = '{MARKER.decode()}' || text"
        postgres17.query(middle, f"UPDATE first {mark}; UPDATE second {mark}")
        for strategies, parts in ((("side_by_side", "in_place"), 1), (("side_by_side",), 2)):
            bench.backup(postgres17, middle, jobs=parts, compress="none", fingerprint="none")
            for strategy in strategies:
                process = start_restore(bench.options(postgres17, middle, strategy=strategy, jobs=parts))
                looked = 0
                while process.poll() is None:
                    contents = list(open_files(process.pid))
                    looked += len(contents)
                    assert not [one for one in contents if MARKER in one], (strategy, parts)
                    time.sleep(0.005)
                output, _errors = process.communicate()
                assert not json.loads(output).get("failed"), output
                assert looked, (strategy, parts)


def test_memory_does_not_grow_with_the_database(bench: RestoreBench, postgres17: PostgresServer) -> None:
    peaks: dict[str, list[int]] = {"side_by_side": [], "in_place": []}
    for label, megabytes in (("small", SMALL), ("large", LARGE)):
        with filled(postgres17, megabytes) as database:
            bench.backup(postgres17, database, label=label, fingerprint="none")
            for strategy, found in peaks.items():
                options = bench.options(postgres17, database, label=label, strategy=strategy, jobs=2)
                _result, peak = finish(start_restore(options))
                found.append(peak)
    for strategy, (small, large) in peaks.items():
        assert large - small < 20 * 1024 * 1024, strategy


def test_a_role_that_is_no_superuser_restores_what_is_its_own(bench: RestoreBench, postgres17: PostgresServer) -> None:
    role = "shop's owner"
    password = postgres17.create_role(role, "LOGIN CREATEDB")
    name = postgres17.create_database(owner=role)
    login = {"login_user": role, "login_password": password}
    try:
        postgres17.query(name, f'SET ROLE "{role}"; CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1), (2)')
        bench.backup(postgres17, name)
        postgres17.query(name, "DELETE FROM t")
        result = bench.restore(postgres17, name, jobs=2, **login)
        assert result["strategy"] == "side_by_side"
        assert postgres17.query(name, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]
        bench.restore(postgres17, name, state="reverted", **login)
        assert postgres17.query(name, "SELECT a FROM t") == []
        bench.restore(postgres17, name, state="finalized", **login)
        assert databases(postgres17, name) == {name}
    finally:
        drop_versions(postgres17, name)
        postgres17.query("postgres", f'DROP ROLE "{role}"')


def test_thousands_of_tables_are_restored(bench: RestoreBench, postgres17: PostgresServer) -> None:
    with postgres17.database() as name:
        postgres17.query(
            name,
            "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (a int)', i);"
            " IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$",
        )
        postgres17.query(name, "INSERT INTO t7 VALUES (7)")
        bench.backup(postgres17, name, fingerprint="none")
        postgres17.query(name, "DELETE FROM t7")
        result = bench.restore(postgres17, name, jobs=2)
        assert result["tables"] == 2000
        assert postgres17.query(name, "SELECT a FROM t7") == [(7,)]
        postgres17.drop_database(result["kept"])
