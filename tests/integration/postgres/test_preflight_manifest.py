"""A database whose manifest would be too large for any reader is refused before it is dumped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.documents import strict_json
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import preflight
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from support.backup_bench import Bench, make_keys
from support.drill_runs import damaged_set, drill, failures
from support.lab import PostgresServer
from support.restore_runs import RestoreBench

SCHEMA = """
CREATE TABLE public.orders (id serial PRIMARY KEY, client int, other int UNIQUE);
CREATE INDEX ON public.orders (client);
CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE VIEW public.seen AS SELECT * FROM public.orders;
CREATE TABLE public.t ();
CREATE UNLOGGED TABLE public.unlogged (id int);
CREATE SCHEMA "Grüße"; CREATE TABLE "Grüße"."quo""te" (id int);
CREATE EXTENSION hstore SCHEMA public;
"""


@pytest.fixture
def filled(session17: Connection) -> Connection:
    """A database with some of everything."""
    with session17.cursor() as cursor:
        cursor.execute(SCHEMA)
    return session17


def test_no_manifest_is_smaller_than_what_is_reckoned_with(
    postgres17: PostgresServer, database: str, filled: Connection, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    stored = bench.stored(bench.backup(postgres17, database))
    with filled.cursor() as cursor:
        tables, least = preflight.least_manifest_size(cursor)
    assert tables == len(stored.manifest["tables"]) == 5
    written = len((stored.directory / "manifest.json").read_bytes())
    objects = len(json.dumps(stored.manifest["schema"]["objects"]))
    assert (written - objects) / 6 < least < written - objects


def test_objects_that_no_manifest_can_list_are_compared_as_a_whole(
    postgres17: PostgresServer, database: str, filled: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = RestoreBench(Bench(tmp_path, make_keys(tmp_path)))
    with filled.cursor() as cursor:
        cursor.execute(
            "SELECT format('CREATE FUNCTION tenant.f%s() RETURNS int LANGUAGE sql AS %L', i, 'SELECT 1') "
            "FROM generate_series(1, 300) i"
        )
        cursor.execute("CREATE SCHEMA tenant; " + "; ".join(row[0] for row in cursor.fetchall()))
    monkeypatch.setattr(strict_json, "MAX_BYTES", 15_000)
    report = bench.backup(postgres17, database)
    stored = bench.bench.stored(report)
    assert stored.manifest["schema"]["objects"] == {}
    [told] = [one for one in stored.manifest["warnings"] if "are compared as a whole" in one]
    assert "most of them are in the schemas tenant (300), public" in told
    assert told in report["warnings"]
    assert not failures(drill(bench, postgres17))
    damaged_set(bench, postgres17, database, lambda: postgres17.psql(database, "DROP FUNCTION tenant.f7()") and None)
    assert "the schema in the dump is not the one" in failures(drill(bench, postgres17))["schema"]
    monkeypatch.setattr(strict_json, "MAX_BYTES", 3_000)
    with pytest.raises(FormatError, match=r"the manifest of 5 tables is .* bytes long.*a database of their own"):
        bench.backup(postgres17, database)


def test_a_database_with_more_than_a_manifest_can_list_is_refused(
    filled: Connection, options17: ConnectionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.cursor() as cursor:
        tables, least = preflight.least_manifest_size(cursor)
    monkeypatch.setattr(preflight, "MAX_BYTES", least)
    preflight.check_server(filled, options17)
    monkeypatch.setattr(preflight, "MAX_BYTES", least - 1)
    with pytest.raises(PreflightError, match=f"{tables} tables.*no reader accepts more"):
        preflight.check_server(filled, options17)
