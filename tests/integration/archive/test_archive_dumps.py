"""The walker and the schema's digests against real dumps of every server here, and against PostgreSQL's own tools."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import (
    ArchiveWalker,
    Toc,
    TocEntry,
    schema_fingerprint,
    schema_objects,
)
from support.archives import SMALL, ArchiveBuilder
from support.lab import PostgresServer

EVERYTHING = Path(__file__).with_name("everything.sql")
ROLES = ("archive_alice", "archive Bob, (x)")
# What pg_restore --list leaves out, because it restores it only with --create or as a setting.
NOT_LISTED = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES"}
ODD_TABLE = 'semi; -- "quoted" %d\nline two'


def compressions(server: PostgresServer) -> list[str]:
    """Values of --compress that this pg_dump was built with; before 16 it knew levels only."""
    if server.major < 16:
        return ["0", "6"]
    config = server.run("pg_config", "--configure").stdout
    return ["none", "gzip:1", *(f"{name}:1" for name in ("lz4", "zstd") if f"--with-{name}" in config)]


def run_pg_dump(server: PostgresServer, database: str, *options: str) -> bytes:
    argv = [server.bin_dir / "pg_dump", "--format=custom", *options]
    return subprocess.run(argv, env=server.environment(database), check=True, capture_output=True).stdout


def walk(data: bytes, size: int = 4096) -> ArchiveWalker:
    walker = ArchiveWalker()
    for start in range(0, len(data), size):
        walker.update(data[start : start + size])
    walker.finalize()
    return walker


def toc_of(server: PostgresServer, database: str, *options: str) -> Toc:
    return walk(run_pg_dump(server, database, *options)).toc


def fingerprint(server: PostgresServer, database: str, *options: str) -> str:
    return schema_fingerprint(schema_objects(toc_of(server, database, *options)))


class Everything:
    """The database of everything.sql, and its dump as it comes out of a pipe."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server = server
        self.database = database
        self.compression = compressions(server)[0]

    @cached_property
    def dump(self) -> bytes:
        return run_pg_dump(self.server, self.database, f"--compress={self.compression}")

    @cached_property
    def walker(self) -> ArchiveWalker:
        return walk(self.dump)

    @cached_property
    def objects(self) -> dict[str, str]:
        return schema_objects(self.walker.toc)


@pytest.fixture(scope="module")
def everything(postgres: PostgresServer) -> Iterator[Everything]:
    for role in ROLES:
        if not postgres.query("postgres", "SELECT FROM pg_roles WHERE rolname = %s", [role]):
            postgres.create_role(role)
    with postgres.database() as name:
        postgres.psql(name, EVERYTHING.read_text())
        yield Everything(postgres, name)
    for role in ROLES:
        postgres.psql("postgres", f'DROP ROLE "{role}"')


def listed(server: PostgresServer, path: Path) -> list[str]:
    """The entries as pg_restore lists them, one a line."""
    argv = [server.bin_dir / "pg_restore", "--list", path]
    listing = subprocess.run(argv, check=True, capture_output=True).stdout.decode("utf-8", "surrogateescape")
    return [line for line in listing.split("\n") if line and not line.startswith(";")]


def line_of(entry: TocEntry) -> str:
    """An entry in the form of that list."""
    numbers = f"{entry.dump_id}; {entry.table_oid} {entry.oid}"
    line = f"{numbers} {entry.desc} {entry.namespace or '-'} {entry.tag} {entry.owner}"
    return line.replace("\n", " ").replace("\r", " ")


def is_listed(entry: TocEntry) -> bool:
    return entry.desc not in NOT_LISTED and not (not entry.namespace and entry.tag.startswith("DATABASE "))


def test_the_contents_are_those_that_pg_restore_lists(everything: Everything, tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(everything.dump)
    toc = everything.walker.toc
    assert [line_of(entry) for entry in toc.entries if is_listed(entry)] == listed(everything.server, path)
    assert len(toc.entries) > 100
    assert toc.database == everything.database
    for version in (toc.server_version, toc.pg_dump_version):
        assert version.startswith(f"{everything.server.major}.")


def test_tables_are_found_under_their_very_names(everything: Everything) -> None:
    names = everything.server.query(
        everything.database,
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n"
        " ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    )
    found = [(schema, table) for _, schema, table in everything.walker.toc.tables]
    assert sorted(found) == sorted(names)
    assert ("Ünï.cödé %s", ODD_TABLE) in found


@pytest.mark.sampled(2)
def test_whatever_compresses_offsets_are_those_that_pg_dump_records_and_the_schema_is_the_same(
    everything: Everything, tmp_path: Path
) -> None:
    for compression in compressions(everything.server):
        path = tmp_path / compression
        run_pg_dump(everything.server, everything.database, f"--compress={compression}", f"--file={path}")
        walker = walk(path.read_bytes(), 65536)
        recorded = {entry.dump_id: entry.data_offset for entry in walker.toc.entries if entry.had_dumper}
        assert {block.dump_id: block.offset for block in walker.index} == recorded
        assert None not in recorded.values()
        assert schema_objects(walker.toc) == everything.objects
        assert walker.toc.compression == {"0": "none", "6": "gzip"}.get(compression, compression.split(":")[0])


def test_the_index_of_a_dump_through_a_pipe_covers_it_without_a_gap(everything: Everything) -> None:
    position = everything.walker.toc.length
    for block in everything.walker.index:
        assert block.offset == position
        position += block.length
    assert position == len(everything.dump)
    assert sum(block.kind == "blobs" for block in everything.walker.index) == (1 if everything.server.major < 17 else 4)


def test_a_block_has_the_rows_of_its_table(everything: Everything) -> None:
    blocks = {(block.schema, block.table): block for block in everything.walker.index}
    tables = [("app", "clients"), ("app", "orders"), ("app", "events_2026"), ("Ünï.cödé %s", ODD_TABLE), ("a", "wide")]
    for schema, table in tables:
        block = blocks[schema, table]
        data = everything.dump[block.offset : block.offset + block.length]
        entry = everything.walker.toc.by_id[block.dump_id]
        copy = everything.server.psql(everything.database, entry.copy_stmt.replace("FROM stdin", "TO STDOUT"))
        # pg_dump ends the rows as psql wants them.
        assert payload(data) == f"{copy}\n\\.\n\n\n"


def payload(block: bytes) -> str:
    position, pieces = 6, []
    while length := int.from_bytes(block[position + 1 : position + 5], "little"):
        pieces.append(block[position + 5 : position + 5 + length])
        position += 5 + length
    assert position + 5 == len(block)
    return b"".join(pieces).decode()


@pytest.mark.sampled(1)
def test_a_dump_cut_off_between_two_blocks_is_an_error(everything: Everything) -> None:
    for block in everything.walker.index:
        with pytest.raises(FormatError, match="missing"):
            walk(everything.dump[: block.offset], 65536)


def test_all_that_the_schema_is_made_of_has_a_digest(everything: Everything) -> None:
    kinds = {key.split(" app")[0].split(" a")[0].split(" pub")[0] for key in everything.objects}
    assert kinds >= {
        "ACL",
        "COMMENT",
        "CONSTRAINT",
        "FK CONSTRAINT",
        "CHECK CONSTRAINT",
        "DEFAULT",
        "DEFAULT ACL",
        "FUNCTION",
        "INDEX",
        "INDEX ATTACH",
        "MATERIALIZED VIEW",
        "POLICY",
        "PUBLICATION",
        "ROW SECURITY",
        "RULE",
        "SCHEMA",
        "SEQUENCE",
        "SEQUENCE SET",
        "STATISTICS",
        "TABLE",
        "TABLE ATTACH",
        "TRIGGER",
        "TYPE",
        "VIEW",
    }
    assert not any(key.startswith(("TABLE DATA", "BLOB", "DATABASE", "ENCODING")) for key in everything.objects)


@pytest.mark.sampled(2)
def test_an_unchanged_schema_keeps_its_digests(everything: Everything) -> None:
    # Moves the rows of the catalogs, which some definitions are read from without an order.
    everything.server.psql(
        everything.database,
        "ALTER ROLE archive_alice CONNECTION LIMIT 5; VACUUM FULL pg_class; VACUUM FULL pg_policy; ANALYZE;"
        " INSERT INTO app.orders VALUES (5000, 1); DELETE FROM app.orders WHERE id = 5000;"
        " REFRESH MATERIALIZED VIEW app.totals;"
        ' REVOKE SELECT ON app.clients FROM "archive Bob, (x)"; GRANT SELECT ON app.clients TO "archive Bob, (x)";',
    )
    assert schema_objects(toc_of(everything.server, everything.database)) == everything.objects


@pytest.mark.sampled(2)
def test_a_restored_copy_has_the_same_digests(everything: Everything, tmp_path: Path) -> None:
    server, path = everything.server, tmp_path / "dump"
    path.write_bytes(everything.dump)
    with server.database(template="template0") as copy:
        server.run("pg_restore", "--single-transaction", f"--dbname={copy}", path)
        assert schema_objects(toc_of(server, copy)) == everything.objects


@pytest.mark.sampled(1)
def test_a_copy_restored_without_owners_and_grants_is_equal_but_for_them(
    everything: Everything, tmp_path: Path
) -> None:
    server, path = everything.server, tmp_path / "dump"
    path.write_bytes(everything.dump)
    with server.database(template="template0") as copy:
        server.run("pg_restore", "--single-transaction", "--no-owner", "--no-acl", f"--dbname={copy}", path)
        toc = toc_of(server, copy)
    assert schema_objects(toc) != everything.objects
    original = schema_objects(everything.walker.toc, owners=False, privileges=False)
    assert schema_objects(toc, owners=False, privileges=False) == original


def test_statistics_in_a_dump_are_no_schema(everything: Everything) -> None:
    if everything.server.major < 18:
        pytest.skip("pg_dump dumps statistics since PostgreSQL 18")
    toc = toc_of(everything.server, everything.database, "--statistics")
    assert any(entry.desc == "STATISTICS DATA" for entry in toc.entries)
    assert schema_objects(toc) == everything.objects


@pytest.mark.sampled(1)
def test_no_random_key_of_a_plain_dump_is_in_an_archive(everything: Everything) -> None:
    plain = everything.server.run("pg_dump", "--schema-only", database=everything.database).stdout
    assert "\\restrict " in plain
    assert b"\\restrict" not in everything.dump


CHANGES = {
    "index": "CREATE INDEX extra ON t (n)",
    "index removed": "DROP INDEX extra",
    "column": "ALTER TABLE t ADD COLUMN extra integer",
    "type": "ALTER TABLE t ALTER COLUMN extra TYPE bigint",
    "default": "ALTER TABLE t ALTER COLUMN n SET DEFAULT 5",
    "constraint": "ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)",
    "constraint not valid": "ALTER TABLE t ADD CONSTRAINT small CHECK (n < 9) NOT VALID",
    "constraint validated": "ALTER TABLE t VALIDATE CONSTRAINT small",
    "foreign key": "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES u",
    "view": "CREATE OR REPLACE VIEW v AS SELECT n + 2 AS n FROM u",
    "function": "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "trigger": "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "trigger disabled": "ALTER TABLE t DISABLE TRIGGER g",
    "policy": "CREATE POLICY p ON t USING (n > 0)",
    "policy changed": "ALTER POLICY p ON t USING (n > 1)",
    "row security": "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "grant": "GRANT SELECT ON t TO PUBLIC",
    "column grant": "GRANT UPDATE (n) ON t TO PUBLIC",
    "default grant": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "publication": "CREATE PUBLICATION everyone FOR TABLE t",
    "publication changed": "ALTER PUBLICATION everyone SET (publish = 'insert')",
    "sequence": "ALTER SEQUENCE s INCREMENT 7",
    "sequence value": "SELECT setval('s', 100)",
    "comment": "COMMENT ON TABLE t IS 'a table'",
    "owner": "ALTER TABLE t OWNER TO pg_monitor",
    "statistics target": "ALTER TABLE t ALTER COLUMN n SET STATISTICS 7",
    "storage": "ALTER TABLE t SET (fillfactor = 50)",
}


@pytest.mark.sampled(1)
def test_every_change_of_the_schema_changes_its_fingerprint(any_database: str, postgres: PostgresServer) -> None:
    postgres.psql(
        any_database,
        "CREATE TABLE u (n integer PRIMARY KEY); CREATE TABLE t (n integer); CREATE SEQUENCE s;"
        "CREATE VIEW v AS SELECT n + 1 AS n FROM u;"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    )
    seen = [fingerprint(postgres, any_database)]
    for name, statement in CHANGES.items():
        postgres.psql(any_database, statement)
        seen.append(fingerprint(postgres, any_database))
        assert seen[-1] not in seen[:-1] or name == "index removed", name
    assert seen[2] == seen[0]


def test_a_database_without_tables_is_walked(any_database: str, postgres: PostgresServer) -> None:
    walker = walk(run_pg_dump(postgres, any_database))
    assert (walker.index, walker.toc.tables) == ((), ())
    assert walker.toc.entries
    assert schema_objects(walker.toc) == {}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("options", [["--schema-only"], ["--data-only"], ["--section=post-data"], ["--table=app.or*"]])
def test_a_part_of_a_database_is_walked(everything: Everything, options: list[str]) -> None:
    toc = toc_of(everything.server, everything.database, *options)
    assert bool(toc.tables) is (options[0] in ("--data-only", "--table=app.or*"))


def test_names_in_another_encoding_are_read(postgres17: PostgresServer) -> None:
    with postgres17.database(encoding="LATIN1") as name:
        postgres17.psql(name, "SET client_encoding = 'UTF8'; CREATE TABLE \"straße\" (x integer);")
        assert [table for _, _, table in toc_of(postgres17, name).tables] == ["straße"]
        utf8 = toc_of(postgres17, name, "--encoding=UTF8")
        assert schema_objects(utf8) == schema_objects(toc_of(postgres17, name))


@pytest.mark.parametrize("build", [ArchiveBuilder, lambda entries, **more: ArchiveBuilder(entries, int_size=8, **more)])
@pytest.mark.parametrize("minor", [12, 13, 14, 15, 16])
def test_pg_restore_reads_our_archives_of_every_version_alike(
    postgres17: PostgresServer, tmp_path: Path, minor: int, build: Callable[..., ArchiveBuilder]
) -> None:
    path = tmp_path / "dump"
    path.write_bytes(build(SMALL, version=(1, minor, 0)).build())
    assert listed(postgres17, path) == [line_of(e) for e in walk(path.read_bytes()).toc.entries if is_listed(e)]
    rows = postgres17.run("pg_restore", "--data-only", "--table=tall", "--file=-", path).stdout
    assert "COPY public.tall (n) FROM stdin;\n1\n2\n3\n4\n" in rows
