"""Roles and settings that the server lacks come back; those that it has are left as they are."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.restore_runs import RestoreBench

ROLES = """
CREATE ROLE readers;
CREATE ROLE "the O'Brien; --" LOGIN PASSWORD 'old; one' CONNECTION LIMIT 3 VALID UNTIL '2030-01-01';
CREATE ROLE kept LOGIN PASSWORD 'before';
GRANT readers TO "the O'Brien; --" WITH ADMIN OPTION;
GRANT readers TO kept;
ALTER ROLE readers SET search_path TO "a b", public;
COMMENT ON ROLE readers IS 'who
reads; a -- lot';
"""
ROLE_FACTS = """
SELECT rolname, rolcanlogin, rolconnlimit, rolvaliduntil::text, rolconfig, shobj_description(oid, 'pg_authid'),
       (SELECT array_agg(roleid::regrole::text || admin_option::text) FROM pg_auth_members WHERE member = r.oid)
FROM pg_roles r WHERE rolname IN ('readers', 'the O''Brien; --') ORDER BY rolname
"""


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    """A server of its own, as roles belong to all databases of one."""
    with PostgresServer(17) as one:
        yield one


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_roles_that_are_missing_are_made_and_a_password_is_never_changed(
    tmp_path: Path, keys: Keys, server: PostgresServer, strategy: str
) -> None:
    bench = RestoreBench(Bench(tmp_path, keys))
    with server.database(name="shop") as shop:
        server.psql("postgres", ROLES)
        server.query(shop, "CREATE TABLE t (a int); ALTER TABLE t OWNER TO readers; GRANT SELECT ON t TO kept")
        facts = server.query("postgres", ROLE_FACTS)
        bench.backup(server, shop)
        server.query(shop, "DROP OWNED BY readers")
        server.query("postgres", "DROP ROLE readers, \"the O'Brien; --\"; ALTER ROLE kept PASSWORD 'after'")
        planned = bench.restore(server, shop, strategy=strategy, check_mode=True)
        assert planned["roles_made"] == ["readers", "the O'Brien; --"]
        assert server.query("postgres", ROLE_FACTS) == []
        result = bench.restore(server, shop, strategy=strategy)
        assert result["roles_made"] == ["readers", "the O'Brien; --"]
        assert server.query("postgres", ROLE_FACTS) == facts
        assert server.query(shop, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 't'") == [("readers",)]
        psycopg2.connect(server.dsn(shop, user="the O'Brien; --", password="old; one")).close()
        psycopg2.connect(server.dsn(shop, user="kept", password="after")).close()
        bench.restore(server, shop, state="finalized")
    server.query("postgres", 'DROP ROLE kept, readers, "the O\'Brien; --"')


def test_the_hash_of_a_password_is_in_no_log_of_the_server(tmp_path: Path, keys: Keys, server: PostgresServer) -> None:
    bench = RestoreBench(Bench(tmp_path, keys))
    server.query("postgres", "ALTER SYSTEM SET log_statement TO 'all'")
    server.query("postgres", "SELECT pg_reload_conf()")
    try:
        with server.database(name="shop") as shop:
            server.create_role("passing")
            (verifier,) = server.query("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'passing'")[0]
            bench.backup(server, shop)
            server.query("postgres", "DROP ROLE passing")
            bench.restore(server, shop)
            assert server.query("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'passing'") == [
                (verifier,)
            ]
            log = server.log.read_text(errors="replace")
            assert "CREATE DATABASE" in log
            assert verifier not in log
            bench.restore(server, shop, state="finalized")
    finally:
        server.query("postgres", "ALTER SYSTEM RESET log_statement")
        server.query("postgres", "SELECT pg_reload_conf()")
