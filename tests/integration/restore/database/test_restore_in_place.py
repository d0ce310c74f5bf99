"""A whole database, restored in its place in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.in_place import in_place
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, databases
from support.sample_databases import EVERYTHING
from support.stored_sets import contents_of, script_of

LARGE_OBJECTS = "SELECT oid::bigint, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1"


@pytest.fixture
def full(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as name:
        postgres.query(name, EVERYTHING)
        yield name


@pytest.mark.parametrize(("postgres", "parts"), [(15, 3), (17, 1), (18, 3)], indirect=["postgres"])
def test_a_damaged_database_is_again_what_was_backed_up(
    bench: RestoreBench, postgres: PostgresServer, full: str, parts: int
) -> None:
    bench.backup(postgres, full, jobs=parts)
    before, contents, objects = (
        script_of(postgres, full),
        contents_of(postgres, full),
        postgres.query(full, LARGE_OBJECTS),
    )
    postgres.query(full, "DELETE FROM crm.orders; DROP TABLE people CASCADE; SELECT lo_unlink(700001)")
    result = bench.restore(postgres, full, strategy="in_place")
    assert result["strategy"] == "in_place"
    assert result["kept"] is None
    assert script_of(postgres, full) == before
    assert contents_of(postgres, full) == contents
    assert postgres.query(full, LARGE_OBJECTS) == objects


def test_a_role_that_may_not_create_databases_restores_in_place_by_default(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    role = "keeper of one"
    with postgres17.owned_database(role) as (name, login):
        postgres17.query(name, f'GRANT CREATE ON SCHEMA public TO "{role}"; GRANT pg_read_all_data TO "{role}"')
        postgres17.query(name, f'SET ROLE "{role}"; CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1), (2)')
        bench.backup(postgres17, name, **login)
        postgres17.query(name, "DELETE FROM t")
        result = bench.restore(postgres17, name, **login)
        assert result["strategy"] == "in_place"
        assert postgres17.query(name, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    postgres17.query("postgres", f'DROP ROLE "{role}"')


@pytest.mark.usefixtures("backed_up")
def test_what_is_not_in_the_backup_stays_and_is_named(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    postgres17.query(shop, "CREATE TABLE later (a int); INSERT INTO later VALUES (1); DELETE FROM orders")
    result = bench.restore(postgres17, shop, strategy="in_place")
    assert postgres17.query(shop, "SELECT a FROM later") == [(1,)]
    assert "TABLE public.later" in result["extra_objects"]
    assert any("not in the backup, and left as they are: TABLE public.later" in one for one in result["warnings"])


@pytest.mark.usefixtures("backed_up")
def test_an_error_in_the_middle_takes_everything_back(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    # What came later cannot be made again around what the backup has.
    postgres17.query(
        shop,
        "DELETE FROM orders WHERE id > 3; ALTER TABLE orders ADD COLUMN more int;"
        "CREATE VIEW later AS SELECT more FROM orders",
    )
    before = script_of(postgres17, shop)
    with pytest.raises(
        BackupError, match=r"more\" does not exist.*the database is as it was before; .*VIEW public.later"
    ):
        bench.restore(postgres17, shop, strategy="in_place")
    assert script_of(postgres17, shop) == before


@pytest.mark.usefixtures("backed_up")
def test_a_lock_is_waited_for_no_longer_than_was_said(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    postgres17.query(shop, "DELETE FROM orders WHERE id > 3")
    session = postgres17.connect(shop)
    try:
        with session.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
        with pytest.raises(BackupError, match="canceling statement due to lock timeout"):
            bench.restore(postgres17, shop, strategy="in_place", lock_timeout=1, end_connections=False)
    finally:
        session.close()
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(3,)]
    assert databases(postgres17, shop) == {shop}


@pytest.mark.usefixtures("backed_up")
def test_a_failure_after_the_commit_says_that_something_was_changed(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_given: object) -> object:
        raise SourceError("compare with the backup", "the connection was lost")

    postgres17.query(shop, "DELETE FROM orders WHERE id > 3")
    monkeypatch.setattr(in_place, "schema_of", lost)
    with pytest.raises(SourceError) as failure:
        bench.restore(postgres17, shop, strategy="in_place")
    assert failure.value.changed
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]


@pytest.mark.sampled(1)
def test_default_privileges_give_back_nothing_that_was_revoked_and_are_what_they_were(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    postgres.query("postgres", "CREATE ROLE guest_17; CREATE ROLE other_17")
    try:
        with postgres.database() as name:
            postgres.query(
                name,
                "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO guest_17;"
                "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
                "CREATE TABLE open (a int); CREATE TABLE closed (a int); REVOKE ALL ON closed FROM guest_17;"
                "CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                "CREATE FUNCTION shown() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                "GRANT EXECUTE ON FUNCTION shown() TO PUBLIC",
            )
            bench.backup(postgres, name)
            before = script_of(postgres, name)
            postgres.query(name, "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO guest_17; DROP TABLE open")
            bench.restore(postgres, name, strategy="in_place")
            assert script_of(postgres, name) == before
            # Those that the backup does not have stay.
            postgres.query(name, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO other_17")
            later = script_of(postgres, name)
            bench.restore(postgres, name, strategy="in_place")
            assert script_of(postgres, name) == later
    finally:
        postgres.query("postgres", "DROP ROLE guest_17; DROP ROLE other_17")
