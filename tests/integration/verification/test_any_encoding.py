"""Promises for databases of other encodings than UTF-8, and of none: whatever is in them is kept and restored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible.showing import shown
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.names import display_name
from ansible_collections.mobul.backup.plugins.module_utils._core.texts import escape_undecodable
from support.drill_runs import drill, failures
from support.effort import some
from support.lab import PostgresServer
from support.restore_runs import RestoreBench
from support.stored_sets import script_of
from support.table_restores import LITTER, restore_table
from support.verify_runs import bad, verify

SCHEMA = """
CREATE SCHEMA "s@";
CREATE TYPE "s@"."kind@" AS ENUM ('a@', 'b');
CREATE TABLE "s@"."t@" (
  id int PRIMARY KEY, "col@" text NOT NULL DEFAULT 'caf@', k "s@"."kind@" DEFAULT 'a@',
  CONSTRAINT "ck@" CHECK ("col@" <> 'x@')
);
CREATE TABLE "s@"."c@" ("t@" int REFERENCES "s@"."t@", note text);
CREATE INDEX "i@" ON "s@"."t@" ("col@");
CREATE VIEW "s@"."v@" AS SELECT "col@" || '@' AS "w@" FROM "s@"."t@";
CREATE FUNCTION "s@"."f@"() RETURNS text LANGUAGE plpgsql AS 'BEGIN
  RETURN ''@'';
END';
CREATE FUNCTION "s@"."g@"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "tr@" BEFORE UPDATE ON "s@"."t@" FOR EACH ROW EXECUTE FUNCTION "s@"."g@"();
ALTER TABLE "s@"."t@" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "p@" ON "s@"."t@" USING ("col@" <> '@');
COMMENT ON TABLE "s@"."t@" IS 'the @ of it';
COMMENT ON COLUMN "s@"."t@"."col@" IS '@@';
GRANT SELECT ON "s@"."t@" TO PUBLIC;
CREATE SEQUENCE "s@"."sq@";
INSERT INTO "s@"."t@" SELECT i, 'caf@' || i FROM generate_series(1, 50) i;
INSERT INTO "s@"."c@" SELECT i, '@' FROM generate_series(1, 50) i;
"""
WORDS = {
    "SQL_ASCII": b"\xe9\xff",
    "LATIN1": "é".encode("latin-1"),
    "WIN1252": "€".encode("cp1252"),
    "EUC_JP": "表".encode("euc_jp"),
}
NAMES = {"SQL_ASCII": "\udce9\udcff", "LATIN1": "é", "WIN1252": "€", "EUC_JP": "表"}


@contextmanager
def filled(server: PostgresServer, encoding: str) -> Iterator[str]:
    """A database in which everything that has a name or a text has one that is not ASCII."""
    with server.database(encoding=encoding) as name:
        connection = server.connect(name)
        connection.set_client_encoding(encoding)
        connection.cursor().execute(SCHEMA.encode().replace(b"@", WORDS[encoding]))
        connection.close()
        yield name


@pytest.mark.sampled(3)
@pytest.mark.parametrize("encoding", WORDS)
def test_a_database_of_any_encoding_is_backed_up_proven_and_restored(
    postgres17: PostgresServer, bench: RestoreBench, tmp_path: Path, encoding: str
) -> None:
    word = NAMES[encoding]
    # As they are shown, as no YAML and no JSON of Ansible can hold a byte of no encoding.
    table, column = display_name((f"s{word}", f"t{word}")), escape_undecodable(f"col{word}")
    exports = [{"name": "words", "table": table, "columns": ["id", column, "k"], "compress": "none"}]
    with filled(postgres17, encoding) as name:
        before = script_of(postgres17, name)
        assert before.count(WORDS[encoding]) > 100
        report = bench.backup(postgres17, name, jobs=2, exports=exports, tables=[{"name": table, "priority": 1}])
        json.dumps(shown(report), ensure_ascii=False).encode()
        stored = bench.bench.stored(report)
        assert set(stored.rows) == {(f"s{word}", f"t{word}"), (f"s{word}", f"c{word}")}
        options = {"label": "shop", "locations": [bench.bench.location()], "level": "content"}
        identities = [str(bench.bench.keys.identity)]
        verified = verify(tmp_path, **options, identities=identities, verify_key=[str(bench.bench.keys.verify)])
        assert not bad(verified)
        assert not failures(drill(bench, postgres17))
        if encoding not in some([*WORDS], 1):
            return
        [export] = stored.artifacts("export")
        (tmp_path / "words.csv").write_bytes(stored.plain(export))
        statement = b'UPDATE "s@"."t@" SET "col@" = \'lost\' WHERE id > 10'.replace(b"@", WORDS[encoding])
        for options in (
            {"bench": bench.bench},
            {"src": str(tmp_path / "words.csv"), "strategy": "merge"},
            {"src": str(tmp_path / "words.csv"), "strategy": "replace"},
        ):
            run(postgres17, name, encoding, statement)
            restore_table(postgres17, name, table, **options)
            assert rows_of(postgres17, name, encoding) == 50
        restore_table(postgres17, name, table, state="finalized")
        assert postgres17.query(name, LITTER) == []
        assert sorted(script_of(postgres17, name).splitlines()) == sorted(before.splitlines())
        run(postgres17, name, encoding, b'DROP TABLE "s@"."t@" CASCADE'.replace(b"@", WORDS[encoding]))
        restore_table(postgres17, name, table, bench=bench.bench)
        assert sorted(script_of(postgres17, name).splitlines()) == sorted(before.splitlines())
        for strategy in ("in_place", "side_by_side"):
            run(postgres17, name, encoding, statement)
            bench.restore(postgres17, name, strategy=strategy, expect_database=name)
            assert sorted(script_of(postgres17, name).splitlines()) == sorted(before.splitlines())
        bench.restore(postgres17, name, state="finalized", expect_database=name)


def run(server: PostgresServer, name: str, encoding: str, statement: bytes) -> None:
    connection = server.connect(name)
    connection.set_client_encoding(encoding)
    connection.cursor().execute(statement)
    connection.close()


def rows_of(server: PostgresServer, name: str, encoding: str) -> int:
    """How many rows have what they had."""
    connection = server.connect(name)
    connection.set_client_encoding(encoding)
    with connection.cursor() as cursor:
        cursor.execute(b'SELECT count(*) FROM "s@"."t@" WHERE "col@" = \'caf@\' || id'.replace(b"@", WORDS[encoding]))
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def test_a_role_may_be_named_by_bytes_of_no_encoding(postgres17: PostgresServer, bench: RestoreBench) -> None:
    with postgres17.database(encoding="SQL_ASCII") as name:
        run(postgres17, name, "SQL_ASCII", b'CREATE ROLE "r\xe9"')
        try:
            statements = (
                b'CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO "r\xe9"; GRANT SELECT ON t TO "r\xe9"'
            )
            run(postgres17, name, "SQL_ASCII", statements)
            before = script_of(postgres17, name)
            bench.backup(postgres17, name)
            assert not failures(drill(bench, postgres17))
            restore_table(postgres17, name, "t", bench=bench.bench)
            restore_table(postgres17, name, "t", state="finalized")
            for strategy in ("in_place", "side_by_side"):
                bench.restore(postgres17, name, strategy=strategy, expect_database=name)
                assert script_of(postgres17, name) == before
            bench.restore(postgres17, name, state="finalized", expect_database=name)
        finally:
            run(postgres17, name, "SQL_ASCII", b'DROP OWNED BY "r\xe9"; DROP ROLE "r\xe9"')
