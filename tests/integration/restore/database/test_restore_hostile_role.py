"""Restores by a role whose settings and schemas would spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, versions_of
from support.sample_databases import EVERYTHING
from support.stored_sets import contents_of, script_of
from support.table_restores import restore_table, schema_of

ROLE = "hostile role"
SETTINGS = {
    "search_path": "evil, pg_catalog, public",
    "statement_timeout": "300ms",
    "lock_timeout": "300ms",
    "idle_in_transaction_session_timeout": "300ms",
    "transaction_timeout": "300ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "client_encoding": "LATIN1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "check_function_bodies": "on",
    "zero_damaged_pages": "on",
}
SHADOWS = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION evil.md5(text) RETURNS text LANGUAGE sql AS 'SELECT ''0''';
CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE sql AS 'SELECT ''another''::name';
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''''';
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE sql AS 'SELECT ''pg_database''';
CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE TABLE evil.pg_class (relname name, oid oid, relnamespace oid, relkind "char");
CREATE TABLE evil.pg_database (datname name, oid oid);
GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
"""


@dataclass(frozen=True)
class Hostile:
    """A database with shadows of what everybody uses, backed up by a role with hostile settings.

    Each test leaves it as it was.

    :param script: the definitions and rows, as pg_dump writes them.
    :param contents: the fingerprints of its tables.
    """

    bench: RestoreBench
    name: str
    login: dict[str, Any]
    script: bytes
    schema: str
    contents: object


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, keys: Keys, postgres17: PostgresServer) -> Iterator[Hostile]:
    bench = RestoreBench(Bench(tmp_path_factory.mktemp("hostile"), keys))
    with versions_of(postgres17, postgres17.create_database()) as name:
        postgres17.query(name, EVERYTHING + SHADOWS)
        login = {"login_user": ROLE, "login_password": postgres17.create_role(ROLE, "SUPERUSER LOGIN")}
        for setting, value in SETTINGS.items():
            quoted = value if setting == "search_path" else f"'{value}'"
            postgres17.query("postgres", f'ALTER ROLE "{ROLE}" SET {setting} TO {quoted}')
        bench.backup(postgres17, name, **login)
        yield Hostile(
            bench, name, login, script_of(postgres17, name), schema_of(postgres17, name), contents_of(postgres17, name)
        )
    postgres17.query("postgres", f'DROP ROLE "{ROLE}"')


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_a_database_comes_back_whatever_its_role_has_set_and_shadows(
    postgres17: PostgresServer, hostile: Hostile, strategy: str
) -> None:
    name, jobs = hostile.name, 2 if strategy == "side_by_side" else 1
    postgres17.query(name, "DELETE FROM crm.orders; UPDATE people SET born = NULL")
    hostile.bench.restore(postgres17, name, strategy=strategy, jobs=jobs, **hostile.login)
    assert script_of(postgres17, name) == hostile.script
    assert contents_of(postgres17, name) == hostile.contents


@pytest.mark.parametrize("strategy", ["swap", "merge", "replace"])
def test_a_table_comes_back_whatever_its_role_has_set_and_shadows(
    postgres17: PostgresServer, hostile: Hostile, strategy: str
) -> None:
    name, options = hostile.name, {"bench": hostile.bench.bench, **hostile.login}
    postgres17.query(name, "DELETE FROM crm.orders WHERE id % 2 = 0; UPDATE crm.orders SET paid = NULL, doc = NULL")
    restore_table(postgres17, name, "crm.orders", strategy=strategy, **options)
    if strategy == "swap":
        restore_table(postgres17, name, "crm.orders", state="finalized", **options)
    assert schema_of(postgres17, name) == hostile.schema
    assert contents_of(postgres17, name) == hostile.contents
