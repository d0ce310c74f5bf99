"""Each procedure runs with the rights that docs/rights.md lists for it, and is refused by name without one of them."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import run_table_export
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.maintenance import (
    run_maintenance_mode,
)
from ansible_collections.mobul.backup.plugins.modules import maintenance_mode, table_export
from support.backup_bench import Bench, Keys
from support.drill_runs import drill, failures
from support.lab import PostgresServer
from support.module_parameters import parameters
from support.restore_fixtures import bench, keys
from support.restore_runs import RestoreBench
from support.shops import Shop, documented, shop_of_two
from support.stored_sets import contents_of, script_of
from support.table_restores import restore_table

__all__ = ["bench", "keys"]

IN_PLACE = documented("restore_database, in_place")
SIDE_BY_SIDE = documented("restore_database, side_by_side")
NEW = documented("restore_database, side_by_side", 1)
TABLE = documented("restore_table")
DRILL = documented("restore_drill")
EXPORT = documented("table_export")
MAINTENANCE = documented("maintenance_mode")


Original = tuple[Shop, Path]
"""A database that is set aside, and the root of the location of its set."""


@contextlib.contextmanager
def original_on(server: PostgresServer, directory: Path, keys: Keys) -> Iterator[Original]:
    bench = RestoreBench(Bench(directory, keys))
    with shop_of_two(server) as one:
        bench.backup(server, one.database)
        with one.set_aside():
            yield one, bench.bench.root


@pytest.fixture(scope="module")
def original(postgres: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original_on(postgres, tmp_path_factory.mktemp("original"), keys) as found:
        yield found


@pytest.fixture(scope="module")
def original17(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original_on(postgres17, tmp_path_factory.mktemp("original"), keys) as found:
        yield found


@contextlib.contextmanager
def copy_of(original: Original, bench: RestoreBench) -> Iterator[Shop]:
    one, root = original
    shutil.copytree(root, bench.bench.root)
    with one.copied() as copy:
        yield copy


@pytest.fixture
def shop(original: Original, bench: RestoreBench) -> Iterator[Shop]:
    """A database with a backup."""
    with copy_of(original, bench) as copy:
        yield copy


@pytest.fixture
def shop17(original17: Original, bench: RestoreBench) -> Iterator[Shop]:
    with copy_of(original17, bench) as copy:
        yield copy


def state_of(shop: Shop) -> tuple[object, object]:
    return script_of(shop.server, shop.database), contents_of(shop.server, shop.database)


def spoil(shop: Shop) -> None:
    shop.server.query(shop.database, "DELETE FROM orders; DROP TABLE other.calls; DROP VIEW totals CASCADE")


def test_a_restore_in_place(bench: RestoreBench, shop: Shop) -> None:
    before, login = state_of(shop), shop.role(IN_PLACE)
    spoil(shop)
    bench.restore(shop.server, shop.database, strategy="in_place", check_mode=True, **login)
    bench.restore(shop.server, shop.database, strategy="in_place", **login)
    assert state_of(shop) == before


@pytest.mark.sampled(2)
def test_a_restore_beside_the_database_and_back_and_for_good(bench: RestoreBench, shop: Shop) -> None:
    before, login = state_of(shop), shop.role(SIDE_BY_SIDE)
    spoil(shop)
    spoiled = state_of(shop)
    with contextlib.closing(visitor(shop)):
        bench.restore(shop.server, shop.database, jobs=2, safety_backup={**backup_options(bench)}, **login)
    assert state_of(shop) == before
    for state, expected in (("reverted", spoiled), ("finalized", spoiled)):
        assert bench.restore(shop.server, shop.database, state=state, **login)["changed"]
        assert state_of(shop) == expected


def visitor(shop: Shop) -> psycopg2.extensions.connection:
    """The session of somebody else."""
    login = shop.role(["CREATE ROLE mobul_visitor LOGIN PASSWORD 'change me'"])
    return psycopg2.connect(shop.server.dsn(shop.database, user=login["login_user"], password=login["login_password"]))


def backup_options(bench: RestoreBench) -> dict[str, Any]:
    return {"recipients": bench.bench.keys.recipients, "signing_key": str(bench.bench.keys.signing)}


@pytest.mark.sampled(2)
def test_a_drill_and_a_new_database_on_a_server_without_the_roles(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    with shop_of_two(postgres) as shop:
        bench.backup(postgres, shop.database)
        before = state_of(shop)
        shop.drop()
        known = postgres.query("postgres", "SELECT count(*) FROM pg_roles")
        postgres.create_database(shop.database)
        drills = shop.role(DRILL)
        assert failures(drill(bench, postgres, **drills)) == {}
        assert postgres.query("postgres", "SELECT count(*) - 1 FROM pg_roles") == known
        postgres.drop_database(shop.database)
        postgres.create_database(f"{shop.database}_x")
        login = Shop.role(shop_named(shop, f"{shop.database}_x"), NEW)
        shop.roles.append(login["login_user"])
        result = bench.restore(postgres, shop.database, **login)
        assert set(result["roles_made"]) == {shop.owner, shop.other}
        assert state_of(shop) == before


def shop_named(shop: Shop, database: str) -> Shop:
    return Shop(shop.server, database, shop.owner, shop.other)


@pytest.mark.sampled(1)
def test_a_drill_where_the_roles_are(bench: RestoreBench, shop: Shop) -> None:
    made = [statement.replace(" CREATEROLE", "") for statement in DRILL]
    login = shop.role([*made, "GRANT shop_owner TO mobul_drill"])
    assert failures(drill(bench, shop.server, **login)) == {}


@pytest.mark.sampled(2)
def test_a_restore_of_a_table_by_every_strategy_and_back_and_for_good(bench: RestoreBench, shop: Shop) -> None:
    login = administrators(shop, TABLE)
    before = contents_of(shop.server, shop.database)

    def run(**options: Any) -> None:
        restore_table(shop.server, shop.database, "orders", bench=bench.bench, **login, **options)

    for options in ({"strategy": "merge"}, {"strategy": "replace"}, {}, {"state": "reverted"}, {"state": "finalized"}):
        shop.server.query(shop.database, "UPDATE orders SET paid = 0 WHERE id < 9")
        run(**options)
    assert contents_of(shop.server, shop.database) != before
    run()
    run(state="finalized")
    assert contents_of(shop.server, shop.database) == before


def administrators(shop: Shop, statements: list[str], change: Callable[[str], str] = str) -> dict[str, str]:
    """The role of a page, where the database and one of its tables are an administrator's."""
    shop.server.query(
        shop.database, f"ALTER DATABASE {shop.database} OWNER TO postgres; CREATE SCHEMA s; CREATE TABLE s.secret ()"
    )
    return shop.role(statements, change)


@pytest.mark.sampled(2)
def test_a_table_that_was_dropped(bench: RestoreBench, shop: Shop) -> None:
    login = administrators(shop, TABLE)
    before = contents_of(shop.server, shop.database)
    shop.server.query(shop.database, "DROP TABLE orders CASCADE")
    for state in ("restored", "reverted", "restored", "finalized"):
        restore_table(shop.server, shop.database, "orders", bench=bench.bench, state=state, **login)
    assert contents_of(shop.server, shop.database) == before


def export(shop: Shop, dest: Path, **login: str) -> dict[str, Any]:
    options = {**shop.server.login(shop.database), "table": "orders", "dest": str(dest / "orders.csv"), **login}
    return dict(run_table_export(parameters(table_export, **options), False))


@pytest.mark.sampled(1)
def test_an_export_of_one_table(bench: RestoreBench, shop: Shop, tmp_path: Path) -> None:
    assert export(shop, tmp_path, **shop.role(EXPORT))["rows"] == 100


def test_maintenance_mode(shop17: Shop) -> None:
    login = {**shop17.server.login(shop17.database), **shop17.role(MAINTENANCE)}
    for state in ("on", "off"):
        assert run_maintenance_mode(parameters(maintenance_mode, state=state, **login), False)["changed"]
    login |= shop17.role(SIDE_BY_SIDE)
    report = run_maintenance_mode(parameters(maintenance_mode, state="on", **login), False)
    assert "new ones cannot be kept out" in report["warnings"][0]


def less(pattern: str) -> Callable[[str], str]:
    """What makes of a statement one without what matches."""
    return lambda statement: re.sub(pattern, "", statement)


def without(text: str) -> Callable[[str], str]:
    """What leaves out the statements that have *text*."""
    return lambda statement: "" if text in statement else statement


def in_place(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    return bench.restore(shop.server, shop.database, strategy="in_place", check_mode=True, **login)


def side_by_side(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    return bench.restore(shop.server, shop.database, strategy="side_by_side", check_mode=True, **login)


def on_a_server(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    return drill(bench, shop.server, check_mode=True, **login)


def one_table(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    return restore_table(shop.server, shop.database, "orders", bench=bench.bench, check=True, **login)


def merged(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    shop.server.query(shop.database, f"REVOKE TEMPORARY ON DATABASE {shop.database} FROM PUBLIC")
    return restore_table(shop.server, shop.database, "orders", bench=bench.bench, strategy="merge", check=True, **login)


def dropped(bench: RestoreBench, shop: Shop, **login: str) -> dict[str, Any]:
    shop.server.query(shop.database, "DROP TABLE orders CASCADE")
    return one_table(bench, shop, **login)


OF_OTHER = r"no member, with INHERIT and SET, of roles that own {}: other_\w+ .*GRANT other_\w+ TO role_\w+"
MISSING = [
    (IN_PLACE, without("GRANT"), in_place, r"does not own database 'shop_\w+' .*connect as owner_"),
    (IN_PLACE, less(r", other_\w+"), in_place, OF_OTHER.format("something in the backup")),
    (SIDE_BY_SIDE, less(" CREATEDB"), side_by_side, "may not create databases .*ALTER ROLE role_.* CREATEDB"),
    (SIDE_BY_SIDE, less(r", other_\w+"), side_by_side, OF_OTHER.format("something in the backup")),
    (DRILL, less(" CREATEDB"), on_a_server, "may not create databases"),
    (DRILL, str, on_a_server, "no member.* of roles that own something in the backup: other_.*, owner_"),
    (TABLE, without("GRANT owner_"), one_table, "public.orders belongs to owner_.*connect as owner_"),
    (
        TABLE,
        without("ON DATABASE"),
        one_table,
        "rights are missing: CREATE ON DATABASE shop_.*GRANT CREATE ON DATABASE",
    ),
    (
        TABLE,
        without("ON SCHEMA"),
        one_table,
        r"rights are missing: CREATE ON SCHEMA public for owner_\w+ .*GRANT CREATE",
    ),
    (TABLE, without("pg_read_all_data"), one_table, "permission denied for .* s.*GRANT pg_read_all_data"),
    (TABLE, without("ON SCHEMA"), dropped, r"missing: CREATE ON SCHEMA public for owner_\w+ .*GRANT CREATE"),
    (TABLE[:2], str, merged, "rights are missing: TEMPORARY ON DATABASE shop_.*GRANT TEMPORARY ON DATABASE"),
]


@pytest.mark.parametrize(("page", "change", "run", "message"), MISSING)
def test_a_right_that_is_missing_is_named_before_anything_is_touched(
    bench: RestoreBench, shop17: Shop, page: list[str], change: Callable[[str], str], run: Any, message: str
) -> None:
    of_table = run in (one_table, merged, dropped)
    login = administrators(shop17, page, change) if of_table else shop17.role(page, change)
    with pytest.raises(BackupError, match=message) as failure:
        run(bench, shop17, **login)
    assert not failure.value.changed


def test_memberships_without_their_options_do_not_count(bench: RestoreBench, shop: Shop) -> None:
    if shop.server.major < 16:
        login = shop.role([statement.replace("LOGIN", "LOGIN NOINHERIT") for statement in IN_PLACE])
        remedy = r"ALTER ROLE role_\w+ INHERIT"
    else:
        login = shop.role([*IN_PLACE, "GRANT other_owner TO mobul_restore WITH SET FALSE"])
        remedy = r"GRANT other_\w+ TO role_\w+ WITH INHERIT TRUE, SET TRUE"
        with pytest.raises(BackupError, match=remedy):
            in_place(bench, shop, **login)
        login = shop.role([*IN_PLACE, "GRANT other_owner TO mobul_restore WITH INHERIT FALSE"])
    with pytest.raises(BackupError, match="does not own database" if shop.server.major < 16 else remedy):
        in_place(bench, shop, **login)
