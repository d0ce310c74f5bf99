"""Backups, drills and restores: of an older server, with newer programs, of a standby, and by roles that may little."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, PreflightError
from support.backup_bench import Bench, make_keys
from support.drill_runs import drill, failures
from support.installations import installations
from support.lab import PostgresServer
from support.restore_runs import RestoreBench
from support.shops import Shop, shop_of_two
from support.standby import StandbyServer
from support.stored_sets import contents_of
from support.table_restores import restore_table
from support.throwaway import as_root, bin_dir

STRATEGIES = ("side_by_side", "in_place")
LOGIN = ["CREATE ROLE mobul_any LOGIN PASSWORD 'change me'"]
BACKUPS = [*LOGIN, "GRANT pg_read_all_data TO mobul_any", "ALTER ROLE mobul_any BYPASSRLS"]
BACKUPS += ["ALTER ROLE mobul_any SET lo_compat_privileges = on"]


@pytest.fixture
def bench(tmp_path: Path) -> RestoreBench:
    return RestoreBench(Bench(tmp_path, make_keys(tmp_path)))


def comes_back(
    bench: RestoreBench,
    server: PostgresServer,
    database: str,
    expected: object,
    adopt: str | None = None,
    **options: Any,
) -> None:
    """Restore everything in every way, and drill it; the database is there."""
    assert failures(drill(bench, server, **options)) == {}
    options["adopt"] = adopt
    for strategy in STRATEGIES:
        server.query(database, "DELETE FROM orders")
        bench.restore(server, database, strategy=strategy, **options)
        assert contents_of(server, database) == expected
    bench.restore(server, database, state="finalized")
    tables_come_back(bench, server, database, expected, **options)


def tables_come_back(
    bench: RestoreBench, server: PostgresServer, database: str, expected: object, **options: Any
) -> None:
    """Restore a table by both strategies."""
    for strategy in ("swap", "merge"):
        server.query(database, "DELETE FROM orders WHERE id > 7")
        restore_table(server, database, "orders", bench=bench.bench, strategy=strategy, **options)
        if strategy == "swap":
            restore_table(server, database, "orders", state="finalized", **options)
        assert contents_of(server, database) == expected


def test_a_database_of_15_with_programs_of_18(bench: RestoreBench, postgres15: PostgresServer) -> None:
    if 18 not in installations():
        pytest.skip("PostgreSQL 18 is not installed")
    newer = str(installations()[18])
    with shop_of_two(postgres15) as shop:
        bench.backup(postgres15, shop.database, pg_bin_dir=newer)
        comes_back(bench, postgres15, shop.database, contents_of(postgres15, shop.database), pg_bin_dir=newer)


def test_a_database_of_15_on_18(bench: RestoreBench, postgres15: PostgresServer, postgres18: PostgresServer) -> None:
    with shop_of_two(postgres15) as shop:
        # The newest build here cannot read zstd.
        bench.backup(postgres15, shop.database, compress="gzip:1")
        there = Shop(postgres18, shop.database, shop.owner, shop.other)
        try:
            assert set(bench.restore(postgres18, shop.database)["roles_made"]) >= {shop.owner, shop.other}
            ((own,),) = postgres15.query("postgres", "SELECT system_identifier::text FROM pg_control_system()")
            comes_back(bench, postgres18, shop.database, contents_of(postgres15, shop.database), own)
        finally:
            there.drop()


@as_root
@pytest.mark.sampled(1)
@pytest.mark.parametrize("programs", [15, 18])
def test_a_throwaway_server_of_either_version(bench: RestoreBench, postgres15: PostgresServer, programs: int) -> None:
    if programs not in installations():
        pytest.skip(f"PostgreSQL {programs} is not installed")
    with shop_of_two(postgres15) as shop:
        bench.backup(postgres15, shop.database, pg_bin_dir=str(installations()[programs]), compress="gzip:1")
        assert failures(drill(bench, postgres15, target="throwaway", pg_bin_dir=bin_dir(programs))) == {}


def refused(bench: RestoreBench, shop: Shop, what: str, message: str, **login: str) -> None:
    """A procedure is refused before anything is touched, and in check mode likewise."""
    for check in (True, False):
        with pytest.raises(PreflightError, match=message):
            if what == "drill":
                drill(bench, shop.server, check_mode=check, **login)
            elif what in STRATEGIES:
                bench.restore(shop.server, shop.database, strategy=what, check_mode=check, **login)
            else:
                restore_table(
                    shop.server, shop.database, "orders", bench=bench.bench, strategy=what, check=check, **login
                )


def test_who_owns_a_database_with_all_that_is_in_it_restores_in_place_and_single_tables(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    with shop_of_two(postgres) as shop:
        login = shop.role(LOGIN)
        name = login["login_user"]
        for statement in ("DROP OWNED BY other_owner CASCADE", "REASSIGN OWNED BY shop_owner TO mobul_any"):
            postgres.query(shop.database, shop.sql(statement).replace("mobul_any", name))
        postgres.query(shop.database, f"DROP OWNED BY {shop.owner} CASCADE")
        bench.backup(postgres, shop.database, **login)
        expected = contents_of(postgres, shop.database)
        for what in ("drill", "side_by_side"):
            refused(bench, shop, what, f"role '{name}' may not create databases .*ALTER ROLE {name} CREATEDB", **login)
        postgres.query(shop.database, "DELETE FROM orders")
        assert bench.restore(postgres, shop.database, **login)["strategy"] == "in_place"
        assert contents_of(postgres, shop.database) == expected
        tables_come_back(bench, postgres, shop.database, expected, **login)


def test_who_owns_a_database_and_nothing_in_it_may_not_restore(bench: RestoreBench, postgres17: PostgresServer) -> None:
    with shop_of_two(postgres17) as shop:
        bench.backup(postgres17, shop.database)
        login = shop.role([*LOGIN, "ALTER DATABASE shop OWNER TO mobul_any"])
        refused(bench, shop, "in_place", "of roles that own something in the backup: other_.*, owner_.*GRANT", **login)
        refused(bench, shop, "swap", "public.orders belongs to owner_", **login)
        refused(bench, shop, "merge", "public.orders belongs to owner_", **login)
        with pytest.raises(BackupError, match="no right to read schemas"):
            bench.backup(postgres17, shop.database, **login)


@pytest.mark.sampled(1)
def test_the_role_for_backups_makes_them_and_restores_nothing(bench: RestoreBench, postgres: PostgresServer) -> None:
    with shop_of_two(postgres) as shop:
        login = shop.role(BACKUPS)
        bench.backup(postgres, shop.database, **login)
        for what in ("drill", "side_by_side"):
            refused(bench, shop, what, "may not create databases", **login)
        refused(bench, shop, "in_place", "does not own database", **login)
        for what in ("swap", "merge"):
            refused(bench, shop, what, "belongs to owner_", **login)
        assert failures(drill(bench, postgres)) == {}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Shop, StandbyServer]]:
    """A database on a primary, and its standby."""
    # What other tests change on the primary, and its autovacuum, cancel nothing here.
    patient = {"hot_standby_feedback": "on", "max_standby_streaming_delay": "-1"}
    with (
        PostgresServer(17) as primary,
        shop_of_two(primary) as shop,
        StandbyServer(primary, settings=patient) as standby,
    ):
        standby.catch_up()
        yield shop, standby


def test_what_a_standby_was_backed_up_from_comes_back_on_the_primary(
    bench: RestoreBench, pair: tuple[Shop, StandbyServer]
) -> None:
    shop, standby = pair
    bench.backup(standby, shop.database)
    comes_back(bench, shop.server, shop.database, contents_of(shop.server, shop.database))


def test_a_standby_is_refused_as_the_target(bench: RestoreBench, pair: tuple[Shop, StandbyServer]) -> None:
    shop, standby = pair
    bench.backup(shop.server, shop.database)
    on_standby = Shop(standby, shop.database, shop.owner, shop.other)
    for what in ("drill", *STRATEGIES, "swap", "merge"):
        refused(bench, on_standby, what, "the server is a standby, in which nothing can be changed .*its primary")
    for state in ("reverted", "finalized"):
        with pytest.raises(PreflightError, match="is a standby"):
            bench.restore(standby, shop.database, state=state)
        with pytest.raises(PreflightError, match="is a standby"):
            restore_table(standby, shop.database, "orders", state=state)
