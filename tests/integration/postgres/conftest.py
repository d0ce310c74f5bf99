"""What the tests against real servers share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from psycopg2 import sql
from support.lab import PostgresServer

MakeRole = Callable[..., ConnectionOptions]


_RESET = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()
  AND pid <> pg_backend_pid() AND backend_type = 'client backend';
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
  PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
  EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC
"""


@pytest.fixture(scope="session")
def _databases() -> dict[int, str]:
    """One database on each server: to empty it costs a tenth of making a new one."""
    return {}


def _emptied(databases: dict[int, str], server: PostgresServer) -> Iterator[str]:
    if server.major not in databases:
        databases[server.major] = server.create_database()
    yield databases[server.major]
    try:
        server.query(databases[server.major], _RESET)
    except psycopg2.Error:
        server.drop_database(databases.pop(server.major))


@pytest.fixture
def any_database(postgres: PostgresServer, _databases: dict[int, str]) -> Iterator[str]:
    """The name of an empty database, on every version in turn."""
    yield from _emptied(_databases, postgres)


@pytest.fixture
def database(postgres17: PostgresServer, _databases: dict[int, str]) -> Iterator[str]:
    """The name of an empty database on one version."""
    yield from _emptied(_databases, postgres17)


@pytest.fixture
def options(postgres: PostgresServer, any_database: str) -> ConnectionOptions:
    """How the superuser reaches a fresh database, on every version in turn."""
    return ConnectionOptions.parse(postgres.login(any_database))


@pytest.fixture
def options17(postgres17: PostgresServer, database: str) -> ConnectionOptions:
    """How the superuser reaches a fresh database on one version."""
    return ConnectionOptions.parse(postgres17.login(database))


@pytest.fixture
def session(options: ConnectionOptions) -> Iterator[Connection]:
    """The superuser's session in a fresh database, on every version in turn."""
    connection = connect(options)
    yield connection
    connection.close()


@pytest.fixture
def session17(options17: ConnectionOptions) -> Iterator[Connection]:
    """The superuser's session in a fresh database on one version."""
    connection = connect(options17)
    yield connection
    connection.close()


def _roles(server: PostgresServer, database: str) -> Iterator[MakeRole]:
    made: list[str] = []

    def make(attributes: str = "LOGIN", *statements: str) -> ConnectionOptions:
        name = f"role_{secrets.token_hex(4)}"
        password = server.create_role(name, attributes)
        made.append(name)
        for statement in statements:
            server.query(database, statement.format(role=name))
        return ConnectionOptions.parse(server.login(database, user=name, password=password))

    yield make
    for name in made:
        role = sql.Identifier(name)
        connection = server.connect(database)
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(role))
        connection.close()


@pytest.fixture
def make_role(postgres: PostgresServer, any_database: str) -> Iterator[MakeRole]:
    """Makes roles that are gone afterwards; ``{role}`` in the statements is the new one's name."""
    yield from _roles(postgres, any_database)


@pytest.fixture
def make_role17(postgres17: PostgresServer, database: str) -> Iterator[MakeRole]:
    """The same on one version."""
    yield from _roles(postgres17, database)
