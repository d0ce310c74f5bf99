"""A whole database, restored beside the one that is there: what comes back, what is kept, and how it goes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer, S3Server
from support.restore_runs import RestoreBench, databases, versions_of
from support.sample_databases import EVERYTHING
from support.stored_sets import contents_of, script_of

LARGE_OBJECTS = "SELECT oid::bigint, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1"
DAMAGE = "DELETE FROM crm.orders; DROP TABLE people CASCADE; SELECT lo_unlink(700001); CREATE TABLE later (a int)"


@pytest.fixture
def full(postgres: PostgresServer) -> Iterator[str]:
    with versions_of(postgres, postgres.create_database()) as name:
        postgres.query(name, EVERYTHING)
        yield name


@pytest.mark.parametrize(("postgres", "parts", "jobs"), [(15, 1, 2), (17, 3, 3), (18, 1, 1)], indirect=["postgres"])
def test_a_damaged_database_is_again_what_was_backed_up(
    bench: RestoreBench, postgres: PostgresServer, full: str, parts: int, jobs: int
) -> None:
    report = bench.backup(postgres, full, jobs=parts)
    before, contents, objects = (
        script_of(postgres, full),
        contents_of(postgres, full),
        postgres.query(full, LARGE_OBJECTS),
    )
    postgres.query(full, DAMAGE)
    result = bench.restore(postgres, full, jobs=jobs)
    assert result["id"] == report["id"]
    assert result["strategy"] == "side_by_side"
    assert result["rows"] == report["rows"]
    assert script_of(postgres, full) == before
    assert contents_of(postgres, full) == contents
    assert postgres.query(full, LARGE_OBJECTS) == objects
    assert databases(postgres, full) == {full, result["kept"]}
    assert postgres.query(result["kept"], "SELECT count(*) FROM crm.orders") == [(0,)]


def test_the_new_database_has_the_settings_grants_owner_and_comment_of_the_old_one(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    for role in ("owner of it", "reader"):
        if not postgres17.query("postgres", "SELECT FROM pg_roles WHERE rolname = %s", [role]):
            postgres17.create_role(role)
    postgres17.query(
        "postgres",
        f"ALTER DATABASE {shop} OWNER TO \"owner of it\"; COMMENT ON DATABASE {shop} IS 'the shop''s';"
        f'ALTER DATABASE {shop} CONNECTION LIMIT 77; ALTER DATABASE {shop} SET search_path TO "a b", public;'
        f"ALTER DATABASE {shop} SET work_mem TO '7MB'; ALTER ROLE reader IN DATABASE {shop} SET \"my.own\" TO 'x''y';"
        f"REVOKE ALL ON DATABASE {shop} FROM PUBLIC; GRANT CONNECT ON DATABASE {shop} TO reader WITH GRANT OPTION;"
        # A setting under which nothing could be loaded.
        f"ALTER DATABASE {shop} SET default_transaction_read_only TO on",
    )
    properties = (
        "SELECT datdba::regrole::text, datconnlimit, shobj_description(d.oid, 'pg_database'), encoding, datcollate,"
        " datctype, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),"
        " (SELECT array_agg((setrole, setconfig)::text ORDER BY setrole) FROM pg_db_role_setting"
        "  WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = %s"
    )
    before = postgres17.query("postgres", properties, [shop])
    bench.backup(postgres17, shop)
    result = bench.restore(postgres17, shop)
    assert postgres17.query("postgres", properties, [shop]) == before
    comment = postgres17.query(
        "postgres", "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [result["kept"]]
    )[0][0]
    assert json.loads(comment)["mobul.backup"]["comment"] == "the shop's"
    bench.restore(postgres17, shop, state="reverted")
    assert postgres17.query("postgres", properties, [shop]) == before


@pytest.mark.parametrize("change", ["none", "another encoding"])
def test_a_database_that_is_not_there_is_made(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, change: str
) -> None:
    database = shop
    if change != "none":
        database = postgres17.create_database(encoding="LATIN1")
        postgres17.query(database, "CREATE TABLE names (a text); INSERT INTO names VALUES ('Zoë')")
    before = script_of(postgres17, database)
    bench.backup(postgres17, database)
    postgres17.drop_database(database)
    result = bench.restore(postgres17, database)
    assert result["kept"] is None
    assert script_of(postgres17, database) == before
    assert databases(postgres17, database) == {database}
    postgres17.drop_database(database)


def test_sessions_are_ended_for_the_exchange_and_their_clients_find_the_restored_database_by_its_name(
    bench: RestoreBench, postgres17: PostgresServer, emptied: str
) -> None:
    session = postgres17.connect(emptied)
    with session.cursor() as cursor:
        cursor.execute("BEGIN; SELECT count(*) FROM orders")
    bench.restore(postgres17, emptied)
    with pytest.raises(psycopg2.Error), session.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert postgres17.query(emptied, "SELECT count(*) FROM orders") == [(1000,)]


def test_a_session_that_may_not_be_ended_is_named_and_nothing_is_changed(
    bench: RestoreBench, postgres17: PostgresServer, emptied: str
) -> None:
    session = postgres17.connect(emptied, application_name="till 7")
    try:
        with pytest.raises(BackupError, match=rf"pid {session.info.backend_pid} .*'till 7'.*everything is as it was"):
            bench.restore(postgres17, emptied, end_connections=False)
    finally:
        session.close()
    assert postgres17.query(emptied, "SELECT count(*) FROM orders") == [(0,)]
    assert databases(postgres17, emptied) == {emptied}


@pytest.mark.usefixtures("backed_up")
def test_reverting_brings_the_replaced_database_back_and_finalizing_drops_the_other(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    postgres17.query(shop, "DELETE FROM orders WHERE id > 10")
    bench.restore(postgres17, shop)
    planned = bench.restore(postgres17, shop, state="reverted", check_mode=True)
    assert planned["changed"]
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]
    reverted = bench.restore(postgres17, shop, state="reverted")
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(10,)]
    assert postgres17.query(reverted["kept"], "SELECT count(*) FROM orders") == [(1000,)]
    assert not bench.restore(postgres17, shop, state="reverted")["changed"]
    assert bench.restore(postgres17, shop, state="finalized", check_mode=True)["dropped"] == [reverted["kept"]]
    assert databases(postgres17, shop) == {shop, reverted["kept"]}
    assert bench.restore(postgres17, shop, state="finalized")["dropped"] == [reverted["kept"]]
    assert databases(postgres17, shop) == {shop}
    assert not bench.restore(postgres17, shop, state="finalized")["changed"]
    with pytest.raises(BackupError, match="no database is kept"):
        bench.restore(postgres17, shop, state="reverted")


def test_names_of_63_bytes_and_with_quotes_are_restored_and_reverted(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    name = 'Laden="2026" übersicht %s; -- ' + "x" * 32
    assert len(name.encode()) == 63
    postgres17.create_database(name)
    try:
        postgres17.query(name, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
        bench.backup(postgres17, name)
        postgres17.query(name, "DELETE FROM t")
        kept = bench.restore(postgres17, name)["kept"]
        assert len(kept.encode()) <= 63
        assert postgres17.query(name, "SELECT a FROM t") == [(1,)]
        bench.restore(postgres17, name, state="reverted")
        assert postgres17.query(name, "SELECT a FROM t") == []
    finally:
        for one in databases(postgres17, name[:20]):
            postgres17.drop_database(one)


def test_check_mode_proves_the_source_and_changes_nothing(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]
) -> None:
    postgres17.query(shop, "DELETE FROM orders")
    result = bench.restore(postgres17, shop, check_mode=True)
    assert result["changed"]
    assert result["id"] == backed_up["id"]
    assert databases(postgres17, shop) == {shop}
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(0,)]


def test_a_safety_backup_is_made_first_and_latest_never_means_it(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]
) -> None:
    postgres17.query(shop, "DELETE FROM orders WHERE id > 7")
    keys = bench.bench.keys
    safety = {"recipients": keys.recipients, "signing_key": str(keys.signing)}
    result = bench.restore(postgres17, shop, safety_backup=safety)
    assert result["safety_backup"].startswith("pre_restore_")
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]
    assert bench.restore(postgres17, shop)["id"] == backed_up["id"]
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]
    bench.restore(postgres17, shop, backup=result["safety_backup"])
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(7,)]


def test_a_safety_backup_that_fails_keeps_the_database_from_being_touched(
    bench: RestoreBench, postgres17: PostgresServer, emptied: str
) -> None:
    with pytest.raises(BackupError, match="recipients is empty"):
        bench.restore(postgres17, emptied, safety_backup={"signing_key": str(bench.bench.keys.signing)})
    assert databases(postgres17, emptied) == {emptied}
    assert postgres17.query(emptied, "SELECT count(*) FROM orders") == [(0,)]


def test_a_set_comes_back_from_s3_when_the_first_location_has_lost_it(
    tmp_path: Path, keys: Keys, postgres17: PostgresServer, shop: str, s3_server: S3Server, s3_bucket: str
) -> None:
    bench = RestoreBench(Bench(tmp_path, keys))
    places = [bench.bench.location(), {**s3_server.location(s3_bucket), "name": "bucket"}]
    report = bench.backup(postgres17, shop, locations=places, jobs=2)
    next((bench.bench.root / report["directory"]).glob("*.dump.age")).unlink()
    postgres17.query(shop, "DELETE FROM orders")
    result = bench.restore(postgres17, shop, locations=places, jobs=2)
    assert result["location"] == "bucket"
    assert any("is missing" in warning for warning in result["warnings"])
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]


@pytest.mark.usefixtures("backed_up")
def test_what_a_killed_restore_left_half_made_is_dropped_by_the_next_one(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    note = {"database": shop, "kind": "loading", "backup": "x", "time": "2026-01-01T00:00:00+00:00", "comment": None}
    left = postgres17.create_database(f"{shop}_new_20260101000000")
    postgres17.query("postgres", f"COMMENT ON DATABASE {left} IS '{json.dumps({'mobul.backup': note})}'")
    unrelated = postgres17.create_database(f"{shop}_new_of_mine")
    result = bench.restore(postgres17, shop)
    assert result["reaped"] == [left]
    assert databases(postgres17, shop) == {shop, result["kept"], unrelated}
