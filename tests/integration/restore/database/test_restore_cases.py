"""Databases that a restore got wrong, or held for wrong: each comes back by both strategies, and passes its drill."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database import contents
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.run import DrillFailed
from support.cases import FOLDER, case, case_database
from support.drill_runs import drill, failures
from support.lab import PostgresServer, installations
from support.restore_runs import RestoreBench, databases
from support.stored_sets import contents_of, script_of
from support.throwaway import as_root, bin_dir

BOTH = ("in_place", "side_by_side")
"""One after the other, of one backup that has passed one drill."""


@pytest.fixture(params=[17, 18], ids=lambda major: f"programs of {major}")
def newer_programs(request: pytest.FixtureRequest) -> str:
    if request.param not in installations():
        pytest.skip(f"PostgreSQL {request.param} is not installed")
    return str(installations()[request.param])


@pytest.mark.sampled(1)
def test_programs_newer_than_the_server_restore_what_they_have_dumped(
    bench: RestoreBench, postgres15: PostgresServer, newer_programs: str
) -> None:
    with case_database(postgres15, "unlogged") as database:
        bench.backup(postgres15, database, pg_bin_dir=newer_programs, jobs=2)
        before = contents_of(postgres15, database)
        assert failures(drill(bench, postgres15, pg_bin_dir=newer_programs)) == {}
        for strategy in BOTH:
            postgres15.query(database, "DELETE FROM t")
            bench.restore(postgres15, database, strategy=strategy, pg_bin_dir=newer_programs, jobs=2)
            assert contents_of(postgres15, database) == before, strategy


def test_rows_of_an_enums_hash_may_change_partitions(bench: RestoreBench, postgres17: PostgresServer) -> None:
    rows = "SELECT id, k::text FROM m ORDER BY id"
    with case_database(postgres17, "enum-hash-partitions") as database:
        bench.backup(postgres17, database)
        before = postgres17.query(database, rows)
        assert failures(drill(bench, postgres17, jobs=2)) == {}
        for strategy in BOTH:
            postgres17.query(database, "DELETE FROM m WHERE id < 10")
            assert bench.restore(postgres17, database, strategy=strategy, jobs=2)["fingerprints"] == 3, strategy
            assert postgres17.query(database, rows) == before, strategy


def test_a_row_that_is_missing_in_such_a_tree_is_found(
    bench: RestoreBench, postgres17: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = contents.expected_rows
    monkeypatch.setattr(
        contents, "expected_rows", lambda *given: tuple(replace(unit, rows=unit.rows + 1) for unit in found(*given))
    )
    with case_database(postgres17, "enum-hash-partitions") as database:
        bench.backup(postgres17, database)
        for strategy in BOTH:
            with pytest.raises(BackupError, match=r"table public\.m with its partitions has 600 rows instead of 601"):
                bench.restore(postgres17, database, strategy=strategy)


@pytest.mark.sampled(1)
def test_what_the_server_writes_otherwise_after_one_round_is_no_difference(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    with case_database(postgres, "view-written-otherwise") as database:
        bench.backup(postgres, database)
        report = drill(bench, postgres)
        assert failures(report) == {}
        for strategy in BOTH:
            result = bench.restore(postgres, database, strategy=strategy)
            told = "".join(result["warnings"])
            assert "VIEW public.v is written otherwise by the server" in told, strategy
            assert postgres.query(database, "SELECT * FROM v") == [(1, 1)]


def test_grants_on_an_extensions_parts_come_back_whoever_restores(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    for role, options in (("app", "LOGIN"), ("restorer", "LOGIN SUPERUSER")):
        if not postgres17.query("postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s", [role]):
            postgres17.create_role(role, options)
    postgres17.query("postgres", "ALTER ROLE restorer PASSWORD 'of the test'")
    as_restorer = {"login_user": "restorer", "login_password": "of the test"}
    grants = "SELECT proacl::text FROM pg_proc WHERE oid = 'digest(text, text)'::regprocedure"
    with case_database(postgres17, "extension-grants") as database:
        bench.backup(postgres17, database)
        assert failures(drill(bench, postgres17, **as_restorer)) == {}
        bench.restore(postgres17, database, strategy="in_place", **as_restorer)
        assert "app=X*/" in postgres17.query(database, grants)[0][0]
        result = bench.restore(postgres17, database, strategy="side_by_side", **as_restorer)
        assert "app=X*/" in postgres17.query(database, grants)[0][0]
        assert any("ACL public.FUNCTION digest(text, text)" in told for told in result["warnings"])


@pytest.mark.sampled(1)
def test_partitions_come_back_in_place(bench: RestoreBench, postgres: PostgresServer) -> None:
    with case_database(postgres, "partition-attached") as database:
        bench.backup(postgres, database)
        before = script_of(postgres, database), contents_of(postgres, database)
        postgres.query(database, "DELETE FROM p WHERE id > 5")
        bench.restore(postgres, database, strategy="in_place")
        assert (script_of(postgres, database), contents_of(postgres, database)) == before
        postgres.query(database, "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30)")
        postgres.query(database, "DELETE FROM p; INSERT INTO p VALUES (25, 'later')")
        bench.restore(postgres, database, strategy="in_place")
        assert postgres.query(database, "SELECT count(*), max(v) FROM p") == [(21, "x")]
        assert postgres.query(database, "SELECT * FROM p3") == [(25, "later")]


LATER = """
CREATE VIEW later AS SELECT id FROM t;
CREATE MATERIALIZED VIEW filled AS SELECT id FROM later;
CREATE UNIQUE INDEX on_filled ON filled (id);
CREATE SCHEMA another;
CREATE TABLE another.child (id int REFERENCES t);
CREATE FUNCTION another.count() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t; END;
CREATE INDEX lost ON t ((id + 1));
GRANT SELECT ON later TO PUBLIC;
INSERT INTO t VALUES (2);
DELETE FROM t WHERE id = 2
"""


def test_what_came_later_and_depends_on_the_backup_is_kept_in_place(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    with case_database(postgres, "later-view") as database:
        postgres.query(database, "INSERT INTO t VALUES (1)")
        bench.backup(postgres, database)
        postgres.query(database, LATER)
        postgres.query(database, "INSERT INTO another.child VALUES (1); REFRESH MATERIALIZED VIEW filled")
        before = script_of(postgres, database)
        planned = bench.restore(postgres, database, strategy="in_place", check_mode=True)
        assert any("VIEW public.later" in told and "created again" in told for told in planned["warnings"])
        assert any("INDEX public.lost" in told and "dropped with" in told for told in planned["warnings"])
        bench.restore(postgres, database, strategy="in_place")
        assert postgres.query(database, "SELECT another.count(), (SELECT count(*) FROM filled)") == [(1, 1)]
        postgres.query(database, "CREATE INDEX lost ON t ((id + 1))")
        assert script_of(postgres, database) == before


def test_what_has_rows_and_cannot_be_made_again_is_named_before_anything_is_touched(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    with case_database(postgres17, "enum-hash-partitions") as database:
        bench.backup(postgres17, database)
        postgres17.query(database, "CREATE TABLE later (k mood); INSERT INTO later VALUES ('a')")
        with pytest.raises(BackupError, match=r"have rows: TABLE public\.later .*nothing was touched"):
            bench.restore(postgres17, database, strategy="in_place", check_mode=True)


def test_another_kind_of_relation_of_the_same_name_gives_way(bench: RestoreBench, postgres17: PostgresServer) -> None:
    with case_database(postgres17, "later-view") as database:
        bench.backup(postgres17, database)
        postgres17.query(
            database, "DROP TABLE t; CREATE VIEW t AS SELECT 1 AS id; CREATE VIEW on_it AS SELECT * FROM t"
        )
        bench.restore(postgres17, database, strategy="in_place")
        assert postgres17.query(database, "SELECT * FROM on_it") == []


def test_an_extension_that_is_there_is_left_in_place(bench: RestoreBench, postgres17: PostgresServer) -> None:
    role = "keeper of citext"
    with postgres17.owned_database(role) as (database, login):
        postgres17.query(database, case("extension-of-the-admin").replace("SET ROLE app", f'SET ROLE "{role}"'))
        bench.backup(postgres17, database, **login)
        postgres17.query(database, "UPDATE t SET v = 'b'")
        bench.restore(postgres17, database, strategy="in_place", check_mode=True, **login)
        bench.restore(postgres17, database, strategy="in_place", **login)
        assert postgres17.query(database, "SELECT id, v::text FROM t WHERE v = 'A'") == [(1, "a")]
    postgres17.query("postgres", f'DROP ROLE "{role}"')


def test_tablespaces_that_the_server_lacks_are_done_without_and_named(
    bench: RestoreBench, postgres15: PostgresServer, postgres17: PostgresServer
) -> None:
    postgres15.psql("postgres", "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE fastdisk LOCATION ''")
    try:
        with case_database(postgres15, "tablespace") as database:
            bench.backup(postgres15, database)
            before = contents_of(postgres15, database)
            assert not bench.restore(postgres15, database)["warnings"]
            report = drill(bench, postgres17)
            assert failures(report) == {}
            assert any("lacks the tablespaces fastdisk" in told for told in report["warnings"])
            result = bench.restore(postgres17, "elsewhere", expect_database=database)
            assert any("lacks the tablespaces fastdisk" in told for told in result["warnings"])
            assert contents_of(postgres17, "elsewhere") == before
    finally:
        postgres17.drop_database("elsewhere")
        postgres15.query("postgres", "DROP TABLESPACE fastdisk")


@as_root
def test_a_throwaway_server_does_without_tablespaces(bench: RestoreBench, postgres15: PostgresServer) -> None:
    postgres15.psql("postgres", "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE fastdisk LOCATION ''")
    try:
        with case_database(postgres15, "tablespace") as database:
            bench.backup(postgres15, database)
            report = drill(bench, postgres15, target="throwaway", pg_bin_dir=bin_dir(15))
            assert failures(report) == {}
            assert any("lacks the tablespaces fastdisk" in told for told in report["warnings"])
    finally:
        postgres15.query("postgres", "DROP TABLESPACE fastdisk")


@pytest.fixture
def subscriber() -> Iterator[tuple[PostgresServer, str]]:
    """A database that subscribes to another of its server."""
    with PostgresServer(17, settings={"wal_level": "logical"}) as server:
        server.create_database("publisher")
        server.query("publisher", "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION pub1 FOR TABLE t")
        server.query("publisher", "SELECT pg_create_logical_replication_slot('s1', 'pgoutput')")
        shop = server.create_database("shop")
        way = f"host=127.0.0.1 port={server.port} user=postgres password={server.password}"
        for statement in case("subscription").replace("host=127.0.0.1", way).split(";\n"):
            if statement.strip():
                server.query(shop, statement)
        yield server, shop


def test_subscriptions_are_named_and_only_one_database_goes_on_with_them(
    bench: RestoreBench, subscriber: tuple[PostgresServer, str]
) -> None:
    server, shop = subscriber
    enabled = (
        "SELECT d.datname, s.subenabled, s.subslotname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
        " ORDER BY 1"
    )
    bench.backup(server, shop)
    assert failures(drill(bench, server)) == {}
    planned = bench.restore(server, shop, check_mode=True)
    assert any("'shop' subscribes to another (sub1)" in told for told in planned["warnings"])
    result = bench.restore(server, shop)
    assert any("sub1 are disabled in the replaced database" in told for told in result["warnings"])
    assert server.query("postgres", enabled) == [(shop, False, "s1"), (result["kept"], False, "s1")]
    aside = bench.restore(server, shop, state="reverted")["kept"]
    assert server.query("postgres", enabled) == [(shop, True, "s1"), (aside, False, "s1")]
    assert not bench.restore(server, shop, state="finalized")["warnings"]
    assert databases(server, shop) == {shop}
    bench.restore(server, shop, strategy="in_place")
    assert server.query("postgres", enabled) == [(shop, False, "s1")]
    bench.restore(server, shop, state="resumed")
    assert server.query("postgres", enabled) == [(shop, True, "s1")]


def test_a_template_stays_one_and_what_it_replaces_does_not(bench: RestoreBench, postgres17: PostgresServer) -> None:
    templates = "SELECT datname FROM pg_database WHERE datistemplate AND datname NOT LIKE 'template_'"
    with case_database(postgres17, "unlogged") as database:
        try:
            postgres17.query("postgres", f"ALTER DATABASE {database} IS_TEMPLATE true")
            bench.backup(postgres17, database)
            bench.restore(postgres17, database)
            assert postgres17.query("postgres", templates) == [(database,)]
            bench.restore(postgres17, database, state="reverted")
            assert postgres17.query("postgres", templates) == [(database,)]
            bench.restore(postgres17, database, state="finalized")
            assert databases(postgres17, database) == {database}
        finally:
            postgres17.query("postgres", f"ALTER DATABASE {database} IS_TEMPLATE false")


def test_settings_that_a_database_made_before_does_not_get_are_named(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    with case_database(postgres17, "unlogged") as database, postgres17.database() as empty:
        postgres17.query(
            "postgres",
            f"ALTER DATABASE {database} SET search_path TO a, b; ALTER DATABASE {database} SET \"my.own\" TO 'x';"
            f"ALTER ROLE postgres IN DATABASE {database} SET work_mem TO '7MB';"
            f"ALTER DATABASE {empty} SET \"my.own\" TO 'y'",
        )
        bench.backup(postgres17, database)
        told = "".join(bench.restore(postgres17, empty, expect_database=database, check_mode=True)["warnings"])
        assert "does not get: search_path, work_mem for postgres" in told


@pytest.mark.sampled(1)
def test_what_needs_a_search_path_is_named_and_can_be_given_one(bench: RestoreBench, postgres: PostgresServer) -> None:
    given = {"TABLE public.people": ["public"]}
    with case_database(postgres, "generated-unqualified") as database:
        bench.backup(postgres, database)
        before = contents_of(postgres, database)
        report = drill(bench, postgres)
        told = r"TABLE (DATA )?public\.people: function slug\(bytea\) does not exist .*entry_search_path: "
        assert re.search(told, failures(report)["restore"])
        with pytest.raises(BackupError, match=told):
            bench.restore(postgres, database)
        assert failures(drill(bench, postgres, entry_search_path=given, jobs=2)) == {}
        bench.restore(postgres, database, entry_search_path=given)
        assert contents_of(postgres, database) == before
        assert postgres.query(database, "SELECT slug FROM people ORDER BY id") == [("416e6e",), ("426f62",)]


def test_what_cannot_be_replayed_is_named_and_can_be_expected(bench: RestoreBench, postgres17: PostgresServer) -> None:
    with case_database(postgres17, "check-other-table") as database:
        bench.backup(postgres17, database)
        with pytest.raises(DrillFailed, match=r"TABLE DATA public\.a_data: .*a new backup would fail in the same way"):
            drill(bench, postgres17, fail=True)
        with pytest.raises(BackupError, match=r"TABLE DATA public\.a_data: .*expected_differences: \['TABLE DATA"):
            bench.restore(postgres17, database)
        expected = {"expected_differences": ["TABLE public.a_data"]}
        assert failures(drill(bench, postgres17, **expected)) == {}
        result = bench.restore(postgres17, database, **expected)
        assert any("table public.a_data has 0 rows instead of 1" in told for told in result["warnings"])
        assert postgres17.query(database, "SELECT count(*) FROM z_dict") == [(2,)]
        with pytest.raises(BackupError, match="the database is as it was before"):
            bench.restore(postgres17, database, strategy="in_place")
        left_out = {"strategy": "in_place", "expected_differences": ["TABLE DATA public.a_data"]}
        result = bench.restore(postgres17, database, **left_out)
        assert any("left out" in told and "TABLE DATA public.a_data" in told for told in result["warnings"])
        assert postgres17.query(database, "SELECT count(*) FROM z_dict") == [(2,)]


def test_a_materialized_view_that_cannot_be_filled_is_named_and_can_be_given_a_search_path(
    bench: RestoreBench, postgres15: PostgresServer
) -> None:
    with case_database(postgres15, "matview-unqualified") as database:
        bench.backup(postgres15, database)
        with pytest.raises(BackupError, match=r"MATERIALIZED VIEW DATA public\.n_words: relation .* does not exist"):
            bench.restore(postgres15, database)
        bench.restore(postgres15, database, entry_search_path={"MATERIALIZED VIEW public.n_words": "public"})
        assert postgres15.query(database, "SELECT n FROM n_words") == [(2,)]


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server of its own, as what is set for a role is for all of its databases."""
    if 18 not in installations():
        pytest.skip("the folder of extensions can be set since PostgreSQL 18")
    with PostgresServer(18) as server:
        folder = server.socket_dir / "extra" / "extension"
        shutil.copytree(FOLDER / "ext-config-dup", folder)
        for path in (folder.parent, folder, *folder.iterdir()):
            path.chmod(0o755)
        yield server


@pytest.fixture
def with_extension(own_server: PostgresServer) -> PostgresServer:
    """A server that knows the extension ``dup``."""
    folder = own_server.socket_dir / "extra"
    own_server.query("postgres", f"ALTER ROLE postgres SET extension_control_path = '{folder}:$system'")
    return own_server


def test_rows_that_an_extension_makes_itself_give_way_to_those_of_the_backup(
    bench: RestoreBench, with_extension: PostgresServer
) -> None:
    rows = "SELECT * FROM dup.status ORDER BY k"
    with case_database(with_extension, "ext-config-dup") as database:
        with_extension.query(database, "UPDATE dup.status SET v = 'FINE' WHERE k = 1")
        bench.backup(with_extension, database)
        assert failures(drill(bench, with_extension)) == {}
        for strategy in BOTH:
            with_extension.query(database, "DELETE FROM dup.status WHERE k > 1")
            bench.restore(with_extension, database, strategy=strategy)
            assert with_extension.query(database, rows) == [(1, "FINE"), (2, "WARNING"), (9, "mine")], strategy


def test_what_a_login_sets_off_does_not_run_in_our_own_sessions(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    with case_database(postgres17, "login-trigger") as database:
        logins = "SELECT count(*) FROM logins WHERE who = 'postgres'"
        bench.backup(postgres17, database)
        assert failures(drill(bench, postgres17)) == {}
        before = postgres17.query(database, logins)[0][0]
        bench.restore(postgres17, database)
        bench.restore(postgres17, database, state="reverted")
        bench.restore(postgres17, database, strategy="in_place")
        # Of the database as it was backed up only the test's own look is one more.
        assert postgres17.query(database, logins)[0][0] <= before


@pytest.mark.sampled(1)
def test_large_objects_come_back_with_their_contents_owners_and_grants(
    bench: RestoreBench, postgres: PostgresServer
) -> None:
    rights = "SELECT oid::bigint, lomowner::regrole::text, lomacl::text, md5(lo_get(oid)) FROM pg_largeobject_metadata"
    if not postgres.query("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'keeper of large'"):
        postgres.create_role("keeper of large")
    with postgres.database() as database:
        postgres.query(
            database,
            "SELECT lo_from_bytea(1, ''), lo_from_bytea(2, convert_to(repeat('x', 2097152), 'UTF8'));"
            "SELECT lo_put(2, 5000000, 'after a hole');"
            'ALTER LARGE OBJECT 2 OWNER TO "keeper of large"; GRANT SELECT ON LARGE OBJECT 1 TO "keeper of large"',
        )
        report = bench.backup(postgres, database)
        manifest = bench.bench.stored(report).manifest
        assert len(manifest["large_object_contents"]["value"]) == 32
        before = postgres.query(database, rights)
        assert failures(drill(bench, postgres)) == {}
        bench.restore(postgres, database)
        assert postgres.query(database, rights) == before


def test_an_extension_that_cannot_be_made_is_named_before_anything_is_touched(
    bench: RestoreBench, with_extension: PostgresServer, postgres17: PostgresServer
) -> None:
    role = "maker of databases"
    login = {"login_user": role, "login_password": postgres17.create_role(role, "LOGIN CREATEDB")}
    with case_database(with_extension, "ext-config-dup") as database, with_extension.database() as other:
        bench.backup(with_extension, database)
        with_extension.query("postgres", "ALTER ROLE postgres RESET extension_control_path")
        with pytest.raises(BackupError, match=r"does not have the extensions dup .*\['EXTENSION dup'\]"):
            bench.restore(with_extension, other, expect_database=database, check_mode=True)
        told = failures(drill(bench, with_extension))["restore"]
        assert re.search(r"EXTENSION dup: .*install the extension on this server; or expected_differences: ", told)
        known = ["EXTENSION dup", "COMMENT EXTENSION dup", "TABLE DATA dup.status", "SCHEMA dup"]
        assert failures(drill(bench, with_extension, expected_differences=known)) == {}
    with postgres17.database(owner=role) as database:
        postgres17.query(database, "CREATE EXTENSION file_fdw")
        bench.backup(postgres17, database)
        planned = bench.restore(postgres17, database, check_mode=True, strategy="side_by_side", **login)
        assert any("only a superuser makes the extensions file_fdw" in told for told in planned["warnings"])
    postgres17.query("postgres", f'DROP ROLE "{role}"')
