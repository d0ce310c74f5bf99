"""Promises about memory: neither one huge field nor what is huge beside the table is ever held as a whole."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backed_up import BackedUp, backed_up
from support.backup_bench import ENVIRONMENT, LABEL, Bench, Keys
from support.lab import PostgresServer
from support.module_runs import start_module

MIB = 1024 * 1024
_HIGHEST = re.compile(r"VmHWM:\s*(\d+) kB")
MOST = 90 * MIB
"""What a module takes by itself is most of it; with what must not be held as a whole it would be more."""
FIELD = 40 * MIB
FUNCTION = f"""
DO $$ BEGIN
  EXECUTE format('CREATE FUNCTION f() RETURNS int LANGUAGE sql AS %L',
                 '/*' || repeat('forty ', {7 * MIB}) || '*/ SELECT 1');
END $$
"""


def restore(server: PostgresServer, database: str, **options: Any) -> tuple[dict[str, Any], int]:
    """What the module tells, and the most memory that it had, in bytes; pg_dump itself holds all definitions."""
    process = start_module(
        "restore_table",
        {
            **server.login(database),
            "pg_bin_dir": str(server.bin_dir),
            "table": "t",
            "expect_environment": ENVIRONMENT,
            **options,
        },
    )
    memory = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            memory = max(memory, int(_HIGHEST.findall(Path(f"/proc/{process.pid}/status").read_text())[0]) * 1024)
        time.sleep(0.01)
    result: dict[str, Any] = json.loads(process.communicate()[0])
    assert not result.get("failed"), result
    return result, memory


def from_set(bench: Bench) -> dict[str, Any]:
    return {
        "label": LABEL,
        "locations": [bench.location()],
        "identities": [str(bench.keys.identity)],
        "verify_key": [str(bench.keys.verify)],
    }


@pytest.mark.parametrize("strategy", ["replace", "merge", "swap"])
def test_a_huge_field_passes_through(postgres17: PostgresServer, database: str, tmp_path: Path, strategy: str) -> None:
    postgres17.query(database, "CREATE TABLE t (id int PRIMARY KEY, value text)")
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(b"id,value\n1,")
        for _number in range(FIELD // MIB):
            file.write(b"x" * MIB)
        file.write(b"\n2,small\n")
    _result, memory = restore(postgres17, database, src=str(path), strategy=strategy)
    assert memory < MOST
    assert postgres17.query(database, "SELECT id, length(value) FROM t ORDER BY id") == [(1, FIELD), (2, 5)]


@pytest.fixture(scope="module")
def made_huge(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    """A database with a small table and huge functions, backed up."""
    statements = f"CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100); {FUNCTION}"
    with backed_up(postgres17, Bench(tmp_path_factory.mktemp("huge"), keys), statements) as made:
        yield made


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("strategy", ["swap", "merge"])
def test_huge_functions_beside_a_table_cost_nothing(made_huge: BackedUp, bench: Bench, strategy: str) -> None:
    server = made_huge.server
    with made_huge.anew(bench) as database:
        server.query(database, "DELETE FROM t WHERE id > 50")
        _result, memory = restore(server, database, strategy=strategy, **from_set(bench))
        assert memory < MOST
        assert server.query(database, "SELECT count(*) FROM t") == [(100,)]
