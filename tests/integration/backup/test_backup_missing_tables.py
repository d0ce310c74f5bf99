"""Tables that the inventory names and that are gone: a backup names them, or is not made where they are critical."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from support.backup_bench import Bench
from support.postgres import PostgresServer

NAMED: dict[str, Any] = {
    "tables": [{"name": "clients", "priority": 1}, {"name": "visits", "priority": 2}],
    "exports": [{"table": "clients"}, {"table": "visits"}],
}


@pytest.fixture
def shop(postgres17: PostgresServer, database: str, bench: Bench) -> str:
    """A database of which there is a set, and two tables that are named."""
    postgres17.psql(database, "CREATE TABLE clients (id integer); CREATE TABLE visits (id integer)")
    assert bench.backup(postgres17, database, **NAMED)["missing_tables"] == []
    return database


def finding(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [one for one in report["findings"] if one["check"] == "missing_tables"]
    return found


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_table_that_is_gone_is_warned_of(
    postgres17: PostgresServer, shop: str, bench: Bench, check_mode: bool
) -> None:
    postgres17.psql(shop, "DROP TABLE visits")
    report = bench.backup(postgres17, shop, check_mode=check_mode, **NAMED)
    assert report["missing_tables"] == ["visits"]
    told = [one for one in report["warnings"] if "visits" in one]
    assert told[0].startswith("there is no table 'visits' in the database, and manual_")
    assert told[0].endswith("has it: restore_table brings it back")
    assert "the export 'visits' is left out" in told[1]
    assert finding(report)["status"] == "warning"
    if not check_mode:
        assert {one["role"] for one in report["artifacts"]} == {"dump", "globals", "export"}
        assert set(told) <= set(bench.stored(report).manifest["warnings"])


@pytest.mark.parametrize("changes", [{}, {"tables": [{"name": "public.clients", "priority": 1}]}])
def test_a_critical_table_that_is_gone_ends_the_backup_before_anything_is_written(
    postgres17: PostgresServer, shop: str, bench: Bench, changes: dict[str, Any]
) -> None:
    postgres17.psql(shop, "DROP TABLE clients")
    files = bench.files()
    for check_mode in (True, False):
        with pytest.raises(PreflightError, match=r"no table '(public\.)?clients' .* has it.*\[priority 1\]") as caught:
            bench.backup(postgres17, shop, check_mode=check_mode, **{**NAMED, **changes})
        assert "missing_tables: warn" in str(caught.value)
    assert bench.files() == files


def test_whoever_says_so_gets_a_backup_without_a_critical_table_or_none_without_any(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    postgres17.psql(shop, "DROP TABLE clients, visits")
    report = bench.backup(postgres17, shop, missing_tables="warn", **NAMED)
    assert report["missing_tables"] == ["clients", "visits"]
    assert finding(report)["status"] == "warning"
    with pytest.raises(PreflightError, match=r"clients.*visits"):
        bench.backup(postgres17, shop, missing_tables="fail", **NAMED)
    only = {"exports": [{"table": "visits"}]}
    with pytest.raises(PreflightError, match="no table 'visits'"):
        bench.backup(postgres17, shop, missing_tables="fail", **only)
    assert bench.backup(postgres17, shop, **only)["missing_tables"] == ["visits"]


def test_a_name_that_was_never_there_is_told_with_the_nearest(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    report = bench.backup(postgres17, shop, tables=[{"name": "visit"}])
    (told,) = [one for one in report["warnings"] if "visit" in one]
    assert told == "there is no table 'visit' in the database (did you mean public.visits?)"
