"""A restored database mails, calls and replicates nothing until it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.lab import PostgresServer
from support.outbound import PAUSED, called, comment, make_calling, states, told, use
from support.restore_runs import RestoreBench, drop_versions, versions_of
from support.stored_sets import pg_dump


@pytest.fixture
def calling(postgres: PostgresServer) -> Iterator[str]:
    """A database that calls out in every way; it goes with all of its versions."""
    with versions_of(postgres, make_calling(postgres)) as name:
        yield name


# Before 17 only the order of an archive keeps event triggers quiet.
@pytest.mark.parametrize(
    ("postgres", "strategy"),
    [(15, "side_by_side"), (15, "in_place"), (17, "in_place"), (18, "side_by_side")],
    indirect=["postgres"],
)
def test_what_calls_out_is_paused_and_resumed_exactly_as_it_was(
    bench: RestoreBench, postgres: PostgresServer, calling: str, strategy: str
) -> None:
    postgres.query("postgres", f"COMMENT ON DATABASE \"{calling}\" IS 'Of the shop''s'")
    bench.backup(postgres, calling)
    before = states(postgres, calling)
    assert use(postgres, calling)
    result = bench.restore(postgres, calling, strategy=strategy)
    assert called(postgres, calling) == []
    assert told(result) == PAUSED
    assert result["not_paused"] == []
    assert any("hook on public.orders" in one and "resumed" in one for one in result["warnings"])
    assert comment(postgres, calling).startswith("Of the shop's\nPaused by mobul.backup")
    assert use(postgres, calling) == []
    assert postgres.query(calling, "SELECT stamp FROM orders WHERE id = 3") == [("here",)]
    planned = bench.restore(postgres, calling, state="resumed", check_mode=True)
    assert (planned["changed"], told(planned, "resumed")) == (True, PAUSED)
    assert use(postgres, calling) == []
    resumed = bench.restore(postgres, calling, state="resumed")
    assert (resumed["changed"], told(resumed, "resumed")) == (True, PAUSED)
    assert states(postgres, calling) == before
    assert comment(postgres, calling) == "Of the shop's"
    assert use(postgres, calling)
    assert bench.restore(postgres, calling, state="resumed")["changed"] is False


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_what_a_script_makes_is_paused_too_and_its_functions_are_what_they_were(
    bench: RestoreBench, postgres17: PostgresServer, tmp_path: Path, strategy: str
) -> None:
    name = make_calling(postgres17)
    postgres17.query(
        name,
        "CREATE FUNCTION asks(a int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN RETURN net.http_post(a::text); END'; CREATE STATISTICS of_orders ON (asks(id)) FROM orders",
    )
    called(postgres17, name)
    functions = (
        "SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.oid >= 16384 AND"
        " p.prokind = 'f' ORDER BY 1"
    )
    before, made = states(postgres17, name), postgres17.query(name, functions)
    path = tmp_path / "shop.sql"
    path.write_bytes(pg_dump(postgres17, name, "--clean", "--if-exists", "--inserts"))
    result = bench.restore(postgres17, name, label=None, src=path, strategy=strategy)
    assert (told(result), called(postgres17, name)) == (PAUSED, [])
    assert postgres17.query(name, functions) == made
    bench.restore(postgres17, name, state="resumed")
    assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    drop_versions(postgres17, name)


def test_what_is_there_calls_nobody_while_a_restore_in_place_replaces_it_or_fails(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    name = make_calling(postgres17)
    bench.backup(postgres17, name)
    before = states(postgres17, name)
    # What came later cannot be made again around what the backup has.
    postgres17.query(name, "ALTER TABLE orders ADD COLUMN more int; CREATE VIEW later AS SELECT more FROM orders")
    assert called(postgres17, name) == ["ALTER TABLE", "CREATE VIEW"]
    with pytest.raises(BackupError, match="as it was before"):
        bench.restore(postgres17, name, strategy="in_place")
    assert called(postgres17, name) == []
    assert states(postgres17, name) == before
    assert comment(postgres17, name) is None
    drop_versions(postgres17, name)


def test_a_set_of_a_paused_database_remembers_it_and_what_was_disabled_since_stays_so(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    name = make_calling(postgres17)
    before = states(postgres17, name)
    bench.backup(postgres17, name)
    bench.restore(postgres17, name)
    bench.backup(postgres17, name, kind="daily")
    for strategy in ("in_place", "side_by_side"):
        bench.restore(postgres17, name, strategy=strategy)
        assert told(bench.restore(postgres17, name, state="resumed", check_mode=True), "resumed") == PAUSED
    bench.restore(postgres17, name, state="resumed")
    assert states(postgres17, name) == before
    # A table that the set does not have stays paused; one that it has disabled is no more remembered than it should be.
    postgres17.query(name, "ALTER TABLE orders DISABLE TRIGGER hook")
    bench.backup(postgres17, name, kind="manual")
    postgres17.query(
        name,
        "ALTER TABLE orders ENABLE TRIGGER hook; CREATE TABLE later (a int);"
        "CREATE TRIGGER hook AFTER INSERT ON later FOR EACH ROW EXECUTE FUNCTION hook()",
    )
    bench.restore(postgres17, name, strategy="in_place")
    result = bench.restore(postgres17, name, strategy="in_place")
    assert told(result) == PAUSED - {("trigger", "hook on public.orders")} | {("trigger", "hook on public.later")}
    bench.restore(postgres17, name, state="resumed")
    now = {row[:2]: row[2] for row in states(postgres17, name)}
    assert (now["trigger", "orders.hook"], now["trigger", "later.hook"]) == ("D", "O")
    drop_versions(postgres17, name)


def test_a_restore_with_outbound_active_pauses_nothing(bench: RestoreBench, postgres17: PostgresServer) -> None:
    name = make_calling(postgres17)
    before = states(postgres17, name)
    bench.backup(postgres17, name)
    for strategy in ("side_by_side", "in_place"):
        # A partition's triggers are no entries of a dump, but where their state is another.
        clones = {("trigger", "hook on public.one"), ("trigger", "hook on public.two")}
        planned = bench.restore(postgres17, name, strategy=strategy, check_mode=True)
        assert told(planned) - clones == PAUSED - clones
        result = bench.restore(postgres17, name, strategy=strategy, outbound="active")
        assert (result["paused"], result["not_paused"]) == ([], [])
        assert (states(postgres17, name), comment(postgres17, name)) == (before, None)
    drop_versions(postgres17, name)


def test_for_a_role_that_is_no_superuser_nothing_calls_out_either(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    role = "owner of hooks"
    login = {"login_user": role, "login_password": postgres17.create_role(role, "LOGIN CREATEDB")}
    name = make_calling(postgres17, owner=role)
    bench.backup(postgres17, name, **login)
    before = states(postgres17, name)
    # Only a superuser makes the extension that calls, so that it is missing beside the old database.
    without = ["EXTENSION dblink", "COMMENT EXTENSION dblink"]
    for strategy, expected in (("in_place", []), ("side_by_side", without)):
        result = bench.restore(postgres17, name, strategy=strategy, expected_differences=expected, **login)
        assert told(result) == PAUSED - {("event trigger", "on_ddl")}
        assert result["not_paused"] == []
        assert bench.restore(postgres17, name, state="resumed", **login)["changed"]
        assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    drop_versions(postgres17, name)
    postgres17.query("postgres", f'DROP ROLE "{role}"')


def test_what_the_role_may_not_pause_is_named_and_the_rest_is_paused(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    role = "keeper of hooks"
    with postgres17.owned_database(role) as (name, login):
        postgres17.query(
            name,
            "CREATE EXTENSION dblink;"
            f'GRANT CREATE ON SCHEMA public TO "{role}"; GRANT pg_read_all_data TO "{role}"; SET ROLE "{role}";'
            "CREATE FUNCTION sends(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
            "CREATE TABLE c (a int CHECK (sends(a) > 0)); INSERT INTO c VALUES (1);"
            "CREATE OR REPLACE FUNCTION sends(a int) RETURNS int LANGUAGE plpgsql"
            " AS 'BEGIN PERFORM public.dblink_exec(''host=/nowhere'', ''x''); RETURN 1; END';"
            "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1);"
            "CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN PERFORM net.http_post(1); RETURN NEW; END';"
            "CREATE TRIGGER hook AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION hook()",
        )
        bench.backup(postgres17, name, **login)
        postgres17.query(
            name,
            "CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS"
            " 'BEGIN IF false THEN PERFORM net.http_post(1); END IF; END';"
            "CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl()",
        )
        result = bench.restore(postgres17, name, strategy="in_place", **login)
        assert told(result) == {("trigger", "hook on public.t")}
        assert told(result, "not_paused") == {("event trigger", "on_ddl"), ("constraint", "c_a_check on public.c")}
        assert any("could not be paused: event trigger on_ddl" in one for one in result["warnings"])
        resumed = bench.restore(postgres17, name, state="resumed", **login)
        assert told(resumed, "resumed") == {("trigger", "hook on public.t")}
    postgres17.query("postgres", f'DROP ROLE "{role}"')
