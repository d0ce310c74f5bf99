"""A database whose manifest would be too large for any reader is refused before it is dumped."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import preflight
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from support.backup_bench import Bench, make_keys
from support.lab import PostgresServer

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
        relations, least = preflight.least_manifest_size(cursor)
    listed = [name for name in stored.manifest["schema"]["objects"] if name.split(" ")[0] in ("TABLE", "INDEX", "VIEW")]
    assert relations >= len(listed) >= 8
    written = len((stored.directory / "manifest.json").read_bytes())
    assert written / 6 < least < written


def test_a_database_with_more_than_a_manifest_can_list_is_refused(
    filled: Connection, options17: ConnectionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.cursor() as cursor:
        relations, least = preflight.least_manifest_size(cursor)
    monkeypatch.setattr(preflight, "MAX_BYTES", least)
    preflight.check_server(filled, options17)
    monkeypatch.setattr(preflight, "MAX_BYTES", least - 1)
    with pytest.raises(PreflightError, match=f"{relations} tables, indexes and views.*no reader accepts more"):
        preflight.check_server(filled, options17)
