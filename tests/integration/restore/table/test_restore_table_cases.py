"""Tables that a swap got wrong, or held for wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.cases import case_database
from support.lab import PostgresServer, installations
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

FAMILY = """
CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent, n text REFERENCES parent (name));
INSERT INTO parent SELECT i, 'secret ' || i FROM generate_series(1, 9) i;
INSERT INTO child SELECT i, i, 'secret ' || i FROM generate_series(1, 9) i
"""
ATOMIC = """
CREATE TABLE rates (id int PRIMARY KEY, rate int);
INSERT INTO rates VALUES (1, 10), (2, 20);
CREATE FUNCTION best() RETURNS int STABLE BEGIN ATOMIC SELECT max(rate) FROM rates; END;
CREATE FUNCTION rate(i int) RETURNS int IMMUTABLE BEGIN ATOMIC SELECT r.rate FROM rates r WHERE r.id = i; END;
CREATE FUNCTION over_best() RETURNS int STABLE BEGIN ATOMIC SELECT best() + 1; END;
CREATE TABLE bills (id int PRIMARY KEY, rate int DEFAULT best(), fixed int GENERATED ALWAYS AS (rate(id)) STORED);
CREATE INDEX bills_rate ON bills (rate(id));
CREATE VIEW dear AS SELECT best() AS n, over_best() AS more;
CREATE VIEW all_rates AS SELECT * FROM rates;
CREATE FUNCTION counted() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM all_rates; END;
GRANT EXECUTE ON FUNCTION best() TO PUBLIC;
INSERT INTO bills (id) VALUES (1), (2)
"""


@pytest.fixture(scope="module")
def made_family(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(postgres17, Bench(tmp_path_factory.mktemp("family"), keys), FAMILY) as made:
        yield made


@pytest.fixture
def rated(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as name:
        postgres.query(name, ATOMIC)
        yield name


def test_functions_whose_bodies_the_server_has_parsed_are_bound_to_the_new_table(
    postgres: PostgresServer, rated: str, bench: Bench
) -> None:
    bench.backup(postgres, rated, fingerprint="all")
    before, contents = schema_of(postgres, rated), contents_of(postgres, rated)
    postgres.query(rated, "UPDATE rates SET rate = 0")
    assert restore_table(postgres, rated, "rates", bench=bench)["changed"]
    assert postgres.query(rated, "SELECT best(), rate(1), counted(), n, more FROM dear") == [(20, 10, 2, 20, 21)]
    assert restore_table(postgres, rated, "rates", state="reverted")["changed"]
    assert postgres.query(rated, "SELECT best()") == [(0,)]
    restore_table(postgres, rated, "rates", bench=bench)
    restore_table(postgres, rated, "rates", state="finalized")
    assert (schema_of(postgres, rated), contents_of(postgres, rated)) == (before, contents)


@pytest.mark.parametrize(
    ("table", "damage", "message"),
    [
        (
            "child",
            "DELETE FROM child WHERE id > 7; DELETE FROM parent WHERE id > 7",
            r"2 rows of public\.child refer to rows that public\.parent does not have, by child_\w+_fkey: "
            r"(\(p\) = \(8\); \(p\) = \(9\)|\(n\)) .*restore public\.parent first",
        ),
        (
            "parent",
            "INSERT INTO parent VALUES (10, 'secret 10'); INSERT INTO child VALUES (10, 10)",
            r"1 rows of public\.child refer to rows that public\.parent does not have, by child_p_fkey: \(p\) = \(10\)",
        ),
    ],
)
def test_a_key_that_the_restored_rows_break_is_named_with_what_to_do(
    postgres17: PostgresServer, made_family: BackedUp, bench: Bench, table: str, damage: str, message: str
) -> None:
    with made_family.anew(bench) as name:
        postgres17.query(name, damage)
        before = schema_of(postgres17, name), contents_of(postgres17, name)
        with pytest.raises(BackupError, match=message) as failure:
            restore_table(postgres17, name, table, bench=bench)
        assert "secret" not in str(failure.value)
        assert not failure.value.changed
        assert (schema_of(postgres17, name), contents_of(postgres17, name)) == before


@pytest.mark.sampled(1)
def test_what_the_server_writes_otherwise_after_a_swap_is_no_difference(postgres: PostgresServer, bench: Bench) -> None:
    with case_database(postgres, "view-written-otherwise") as name:
        bench.backup(postgres, name)
        postgres.query(name, "DELETE FROM t")
        assert restore_table(postgres, name, "t", bench=bench)["changed"]
        assert postgres.query(name, "SELECT id, c FROM v") == [(1, 1)]


def test_programs_newer_than_the_server_swap_a_table(postgres15: PostgresServer, bench: Bench) -> None:
    if 17 not in installations():
        pytest.skip("PostgreSQL 17 is not installed")
    newer = str(installations()[17])
    with postgres15.database() as name:
        postgres15.query(name, FAMILY)
        bench.backup(postgres15, name, pg_bin_dir=newer)
        postgres15.query(name, "UPDATE child SET n = NULL")
        restore_table(postgres15, name, "child", bench=bench, pg_bin_dir=newer)
        assert postgres15.query(name, "SELECT count(n) FROM child") == [(9,)]
