"""Where and how a table is stored, and the security labels on it: a swap leaves all of that as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from support.backup_bench import Bench, make_keys
from support.installations import installations
from support.label_provider import PROVIDER, label_provider
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

PLACES = ("place one", "place_two")
STORED = """
CREATE TABLE far (
    id integer PRIMARY KEY USING INDEX TABLESPACE place_two,
    code text CONSTRAINT "far code" UNIQUE NULLS NOT DISTINCT USING INDEX TABLESPACE "place one",
    word text COMPRESSION pglz COLLATE "C", body text, n integer,
    CONSTRAINT apart EXCLUDE USING btree (n WITH =) USING INDEX TABLESPACE place_two
) WITH (fillfactor = 55, parallel_workers = 3, autovacuum_vacuum_scale_factor = 0.5, toast.autovacuum_enabled = off,
        toast_tuple_target = 300) TABLESPACE "place one";
ALTER TABLE far ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN code SET STORAGE MAIN,
    ALTER COLUMN word SET STORAGE PLAIN, ALTER COLUMN word SET STATISTICS 0, ALTER COLUMN n SET STATISTICS 1234,
    ALTER COLUMN n SET (n_distinct = 12, n_distinct_inherited = -0.25);
CREATE INDEX here ON far (word text_pattern_ops DESC, (n + 1)) WITH (fillfactor = 60);
CREATE UNIQUE INDEX "there, it is" ON far (n, id) INCLUDE (code) TABLESPACE place_two;
ALTER INDEX here ALTER COLUMN 2 SET STATISTICS 99;
ALTER TABLE far ALTER COLUMN n SET NOT NULL;
ALTER TABLE far CLUSTER ON here;
ALTER TABLE far REPLICA IDENTITY USING INDEX "there, it is";
CREATE TABLE near (id integer, word text);
CREATE INDEX near_far ON near (id) TABLESPACE "place one";
ALTER TABLE near CLUSTER ON near_far;
ALTER TABLE near REPLICA IDENTITY NOTHING;
CREATE MATERIALIZED VIEW seen TABLESPACE place_two AS SELECT id, word FROM far;
CREATE INDEX seen_word ON seen (word) TABLESPACE "place one";
ALTER MATERIALIZED VIEW seen CLUSTER ON seen_word;
ALTER MATERIALIZED VIEW seen ALTER COLUMN word SET STATISTICS 44;
CREATE VIEW both_of_them AS SELECT far.word FROM far JOIN near USING (id);
CREATE TABLE split (id integer, at date) PARTITION BY RANGE (at) TABLESPACE place_two;
CREATE INDEX split_at ON split (at) TABLESPACE "place one";
CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') TABLESPACE "place one";
CREATE TABLE split_2 PARTITION OF split FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO far SELECT n, 'c' || n, 'w' || n % 5, repeat('b', 3000), n FROM generate_series(1, 50) AS n;
INSERT INTO near SELECT n, 'near' FROM generate_series(1, 50) AS n;
INSERT INTO split SELECT n, '2025-06-01'::date + 10 * n FROM generate_series(1, 50) AS n;
REFRESH MATERIALIZED VIEW seen;
"""
# What came with version 18.
STORED_18 = """
CREATE TABLE newer (
    id int4range, at daterange, n integer CONSTRAINT "n is there" NOT NULL,
    twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL,
    CONSTRAINT newer_key PRIMARY KEY (id, at WITHOUT OVERLAPS),
    CONSTRAINT lax CHECK (n > 0) NOT ENFORCED
);
ALTER TABLE newer ADD COLUMN word text, ADD CONSTRAINT later NOT NULL word NOT VALID;
CREATE TABLE refers (
    id int4range, at daterange,
    CONSTRAINT over_time FOREIGN KEY (id, PERIOD at) REFERENCES newer (id, PERIOD at)
);
INSERT INTO newer (id, at, n, word)
    SELECT '[1,2)', daterange('2026-01-01'::date + n, '2026-01-01'::date + n + 1), n, 'w'
    FROM generate_series(1, 20) AS n;
INSERT INTO refers SELECT '[1,2)'::int4range, daterange('2026-01-10', '2026-01-15');
ALTER TABLE refers ADD CONSTRAINT unenforced FOREIGN KEY (id, PERIOD at) REFERENCES newer (id, PERIOD at) NOT VALID;
"""
LABELLED = """
CREATE TABLE secret (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, "a col" text);
CREATE VIEW shown AS SELECT name FROM secret;
CREATE TABLE other (id integer);
INSERT INTO secret (name) SELECT 'n' || n FROM generate_series(1, 20) AS n;
INSERT INTO other SELECT n FROM generate_series(1, 20) AS n;
"""
LABELS = f"""
SECURITY LABEL FOR {PROVIDER} ON TABLE secret IS 'of the "table"; it''s';
SECURITY LABEL FOR {PROVIDER} ON COLUMN secret."a col" IS 'of a column';
SECURITY LABEL FOR {PROVIDER} ON SEQUENCE secret_id_seq IS 'of a sequence';
SECURITY LABEL FOR {PROVIDER} ON VIEW shown IS 'of a view';
SECURITY LABEL FOR {PROVIDER} ON COLUMN shown.name IS 'of a column of a view';
SECURITY LABEL FOR {PROVIDER} ON TABLE other IS 'of another';
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, make_keys(tmp_path))


@pytest.fixture
def stored(postgres: PostgresServer) -> Iterator[str]:
    """A database with tables and indexes in several tablespaces."""
    # Directories in the server's own: no others have to be made for its user.
    for place in PLACES:
        postgres.psql("postgres", f"SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE \"{place}\" LOCATION ''")
    try:
        with postgres.database() as name:
            postgres.psql(name, STORED)
            yield name
    finally:
        for place in PLACES:
            postgres.psql("postgres", f'DROP TABLESPACE "{place}"')


def assert_swap_leaves_all_as_it_was(server: PostgresServer, database: str, table: str, bench: Bench) -> None:
    before, contents = schema_of(server, database), contents_of(server, database)
    server.query(database, f"SET session_replication_role = replica; DELETE FROM {table} WHERE ctid < '(0,5)'")
    assert contents_of(server, database) != contents
    report = restore_table(server, database, table, bench=bench)
    assert schema_of(server, database, without=[report["old_table"]]) == before
    found = contents_of(server, database)
    assert {one: found[one] for one in contents} == contents
    # The way back is carried out by the same means.
    restore_table(server, database, table, state="reverted")
    restore_table(server, database, table, state="finalized")
    assert schema_of(server, database) == before
    restore_table(server, database, table, bench=bench)
    restore_table(server, database, table, state="finalized")
    assert schema_of(server, database) == before


@pytest.mark.parametrize("table", ["far", "near", "split_1", "split_2"])
def test_tablespaces_and_storage_settings_are_as_they_were(
    postgres: PostgresServer, stored: str, bench: Bench, table: str
) -> None:
    bench.backup(postgres, stored, fingerprint="all")
    places = _places(postgres, stored)
    assert_swap_leaves_all_as_it_was(postgres, stored, table, bench)
    # pg_dump tells the tablespace of what it creates, but where the files are is what counts.
    assert _places(postgres, stored) == places


def test_where_new_tables_go_by_themselves_decides_nothing(postgres: PostgresServer, stored: str, bench: Bench) -> None:
    postgres.psql("postgres", f"ALTER DATABASE {stored} SET default_tablespace = place_two")
    bench.backup(postgres, stored, fingerprint="all")
    places = _places(postgres, stored)
    for table in ("far", "near"):
        assert_swap_leaves_all_as_it_was(postgres, stored, table, bench)
    assert _places(postgres, stored) == places


def _places(server: PostgresServer, database: str) -> list[tuple[str, ...]]:
    return server.query(
        database,
        "SELECT relname, coalesce(spcname, '') FROM pg_class LEFT JOIN pg_tablespace t ON t.oid = reltablespace"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    )


@pytest.mark.parametrize("table", ["newer", "refers"])
def test_what_version_18_brought_is_as_it_was(postgres: PostgresServer, bench: Bench, table: str) -> None:
    if postgres.major < 18:
        pytest.skip("it is older")
    with postgres.database() as database:
        postgres.psql(database, STORED_18)
        bench.backup(postgres, database, fingerprint="all")
        assert_swap_leaves_all_as_it_was(postgres, database, table, bench)


@contextmanager
def labelled() -> Iterator[tuple[PostgresServer, str]]:
    """A server with a provider of labels, and a database with labels on a table and on what depends on it."""
    found = [(major, label_provider(major)) for major in installations()]
    major, library = next(((major, library) for major, library in found if library is not None), (0, None))
    if library is None:
        pytest.skip("no provider of labels can be compiled here")
    settings = {"session_preload_libraries": str(library)}
    with PostgresServer(major, settings=settings) as server, server.database() as database:
        server.psql(database, LABELLED + LABELS)
        yield server, database


def test_security_labels_are_carried_over(bench: Bench) -> None:
    with labelled() as (server, database):
        assert schema_of(server, database).count(f"SECURITY LABEL FOR {PROVIDER} ON ") == 6
        bench.backup(server, database, fingerprint="all")
        assert_swap_leaves_all_as_it_was(server, database, "secret", bench)
        assert_swap_leaves_all_as_it_was(server, database, "other", bench)


def test_labels_whose_provider_is_not_there_are_refused_by_name(postgres: PostgresServer, bench: Bench) -> None:
    with postgres.database() as database:
        postgres.psql(database, LABELLED)
        # As a server has them that was started without the provider's library.
        postgres.psql(
            database,
            "SET allow_system_table_mods = on; INSERT INTO pg_seclabel"
            " VALUES ('secret'::regclass, 'pg_class'::regclass, 3, 'away', 'x')",
        )
        bench.backup(postgres, database, fingerprint="all")
        postgres.query(database, "DELETE FROM secret WHERE id > 5")
        before, contents = schema_of(postgres, database), contents_of(postgres, database)
        for check in (True, False):
            with pytest.raises(PreflightError, match=r"security label for away on TABLE secret.*library of away"):
                restore_table(postgres, database, "secret", bench=bench, check=check)
        assert (schema_of(postgres, database), contents_of(postgres, database)) == (before, contents)
        restore_table(postgres, database, "other", bench=bench)
