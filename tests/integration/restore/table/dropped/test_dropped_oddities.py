"""Dropped tables of a kind that other tools stumble over."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from support.backup_bench import Bench
from support.dropped_tables import drop
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

ODD = {
    "partitions of a hash of an enum": (
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd'); CREATE TABLE m (id int, k mood) PARTITION BY HASH (k);"
        "CREATE TABLE m0 PARTITION OF m FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE m1 PARTITION OF m FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO m SELECT g, (enum_range(NULL::mood))[1 + g % 4] FROM generate_series(1, 60) g",
        ["m", "m0", "m1"],
        {},
    ),
    "a view and statistics that the server writes otherwise": (
        "CREATE TABLE t (id int PRIMARY KEY, c int, s varchar(9)); CREATE TABLE u (id int PRIMARY KEY);"
        "CREATE VIEW v AS SELECT id, c FROM (SELECT id, c FROM t UNION ALL SELECT id, NULL FROM u) q;"
        "CREATE STATISTICS st ON (s IN ('a', 'b')), c FROM t; INSERT INTO t VALUES (1, 1, 'a')",
        ["t"],
        {},
    ),
    "partitions that were attached": (
        "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 (id int NOT NULL, v text);"
        "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);"
        "INSERT INTO p SELECT i, 'x' FROM generate_series(0, 19) i; CREATE TABLE r (id int REFERENCES p);"
        "INSERT INTO r SELECT i FROM generate_series(0, 19) i",
        ["p"],
        {},
    ),
    "a partition with partitions, and indexes of the whole tree": (
        "CREATE TABLE p (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (id); CREATE INDEX ON p (lower(k));"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1) PARTITION BY HASH (k);"
        "CREATE TABLE p1a PARTITION OF p1 FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY RANGE (k);"
        "CREATE TABLE p1b PARTITION OF p1a DEFAULT; INSERT INTO p SELECT 1, i FROM generate_series(1, 20) i;"
        "CREATE TABLE r (id int, k text, FOREIGN KEY (id, k) REFERENCES p); INSERT INTO r VALUES (1, 3)",
        ["p1", "p1a"],
        {},
    ),
    "a generated column that finds its function by a path": (
        "CREATE FUNCTION slug(bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT encode($1, 'hex') $$;"
        "CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT slug(convert_to($1, 'UTF8')) $$;"
        "CREATE TABLE people (name text NOT NULL, slug text GENERATED ALWAYS AS (slug(name)) STORED);"
        "INSERT INTO people (name) VALUES ('Ann')",
        ["people"],
        {"entry_search_path": {"TABLE public.people": ["public"]}},
    ),
    "a materialized view that nobody can fill any more": (
        "CREATE TABLE docs (id int PRIMARY KEY); INSERT INTO docs VALUES (1); SET shop.ready = 'yes';"
        "CREATE MATERIALIZED VIEW filled AS SELECT id, current_setting('shop.ready') AS ready FROM docs",
        ["docs"],
        {"expected_differences": ["MATERIALIZED VIEW DATA public.filled"]},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_what_other_tools_stumble_over_comes_back(postgres17: PostgresServer, bench: Bench, case: str) -> None:
    schema, tables, options = ODD[case]
    with postgres17.database() as name:
        postgres17.psql(name, schema)
        bench.backup(postgres17, name, fingerprint="all")
        before, contents = schema_of(postgres17, name), contents_of(postgres17, name)
        for table in tables:
            drop(postgres17, name, table)
            if options:
                with pytest.raises(SourceError, match="entry_search_path"):
                    restore_table(postgres17, name, table, bench=bench)
            report = restore_table(postgres17, name, table, bench=bench, **options)
            assert contents_of(postgres17, name) == contents
            written = schema_of(postgres17, name)
            assert written == before or "written in another form than in the backup" in report["warnings"][0]


def test_a_partition_comes_back_while_the_default_partition_is_read(postgres17: PostgresServer, bench: Bench) -> None:
    with postgres17.database() as name:
        postgres17.psql(
            name,
            "CREATE TABLE days (id integer PRIMARY KEY, body text) PARTITION BY RANGE (id);"
            "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (1) TO (100);"
            "CREATE TABLE days_rest PARTITION OF days DEFAULT;"
            "CREATE INDEX ON days (body); INSERT INTO days SELECT n, 'x' FROM generate_series(1, 120) AS n;",
        )
        bench.backup(postgres17, name, fingerprint="all")
        before, contents = schema_of(postgres17, name), contents_of(postgres17, name)
        drop(postgres17, name, "days_1")
        reader = postgres17.connect(name)
        reader.autocommit = False
        reader.cursor().execute("SELECT * FROM days_rest")
        with pytest.raises(BackupError, match="lock"):
            restore_table(postgres17, name, "days_1", bench=bench, lock_timeout=1)
        reader.close()
        restore_table(postgres17, name, "days_1", bench=bench)
        assert schema_of(postgres17, name) == before
        assert contents_of(postgres17, name) == contents


def test_a_table_of_a_database_in_another_encoding_comes_back(postgres17: PostgresServer, bench: Bench) -> None:
    latin = "SELECT column_name, column_default, obj_description(table_name::regclass) FROM information_schema.columns"
    latin += " WHERE table_schema = 'public'"
    postgres17.query("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        postgres17.psql(
            "latin",
            "SET client_encoding = 'UTF8'; CREATE TABLE \"gr\u00f6\u00dfe\" (\"\u00fc\" text DEFAULT '\u00e4');"
            "COMMENT ON TABLE \"gr\u00f6\u00dfe\" IS '\u00df'; INSERT INTO \"gr\u00f6\u00dfe\" VALUES ('\u00e9')",
        )
        bench.backup(postgres17, "latin", fingerprint="all", jobs=2)
        before = postgres17.query("latin", latin), contents_of(postgres17, "latin")
        postgres17.psql("latin", "SET client_encoding = 'UTF8'; DROP TABLE \"gr\u00f6\u00dfe\"")
        restore_table(postgres17, "latin", "gr\u00f6\u00dfe", bench=bench)
        assert (postgres17.query("latin", latin), contents_of(postgres17, "latin")) == before
    finally:
        postgres17.query("postgres", "DROP DATABASE latin WITH (FORCE)")


def test_a_table_comes_back_though_nobody_answers_for_its_part_on_another_server(
    postgres17: PostgresServer, bench: Bench
) -> None:
    with postgres17.database() as name:
        postgres17.psql(
            name,
            "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw"
            "  OPTIONS (host '127.0.0.1', port '1'); CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'a');"
            "CREATE TABLE tree (a int) PARTITION BY RANGE (a);"
            "CREATE TABLE near PARTITION OF tree FOR VALUES FROM (0) TO (10);"
            "CREATE FOREIGN TABLE away PARTITION OF tree FOR VALUES FROM (10) TO (20) SERVER far;"
            "INSERT INTO near VALUES (1); CREATE TABLE old (a int); INSERT INTO old VALUES (2);"
            "CREATE FOREIGN TABLE young () INHERITS (old) SERVER far;",
        )
        bench.backup(postgres17, name)
        before = schema_of(postgres17, name)
        for table, rows in (("tree", "near"), ("old", "ONLY old")):
            drop(postgres17, name, table)
            report = restore_table(postgres17, name, table, bench=bench)
            told = f"not analyzed, as a part of it lies on another server: public.{table}"
            assert told in report["warnings"]
            assert schema_of(postgres17, name) == before
            assert postgres17.query(name, f"SELECT count(*) FROM {rows}") == [(1,)]


def test_an_index_that_the_server_gives_a_partition_is_no_difference(postgres17: PostgresServer, bench: Bench) -> None:
    with postgres17.database() as name:
        postgres17.psql(
            name,
            "CREATE TABLE days (id int, body text) PARTITION BY LIST (id);"
            "CREATE TABLE one PARTITION OF days FOR VALUES IN (1);"
            "CREATE TABLE two PARTITION OF days FOR VALUES IN (2);"
            "CREATE INDEX half_built ON ONLY days (body); INSERT INTO days VALUES (1, 'a')",
        )
        bench.backup(postgres17, name)
        assert restore_table(postgres17, name, "one", bench=bench)["changed"]
        drop(postgres17, name, "two")
        assert restore_table(postgres17, name, "two", bench=bench)["changed"]
        attached = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'half_built'::regclass"
        assert postgres17.query(name, attached) == [(2,)]
