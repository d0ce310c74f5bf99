"""Somebody who owns tables in a database that others back up, and whose functions tell when anybody else runs them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from .postgres import PostgresServer

_SETUP = """
CREATE SCHEMA {name} AUTHORIZATION {name};
GRANT USAGE ON SCHEMA {name} TO PUBLIC;
SET ROLE {name};
CREATE FUNCTION {name}.told(value anyelement) RETURNS anyelement IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RAISE LOG '{name} code ran as %', current_user; RETURN value; END $$
"""


@dataclass(frozen=True)
class Tenant:
    """A role with a schema of its name.

    Its function ``told`` returns what it is given; it may stand wherever a function that is not volatile may.
    """

    name: str
    server: PostgresServer
    database: str

    def execute(self, statement: str) -> None:
        """Run statements as the tenant; ``@`` stands for the schema."""
        self.server.query(self.database, f"SET ROLE {self.name}; {self.sql(statement)}")

    def sql(self, statement: str) -> str:
        """The statement with the schema's name for ``@``."""
        return statement.replace("@", self.name)

    @property
    def ran_as(self) -> set[str]:
        """Every role but the tenant that its functions have run as."""
        mark = f"{self.name} code ran as "
        lines = self.server.log.read_text(errors="replace").splitlines()
        return {line.partition(mark)[2].strip() for line in lines if mark in line} - {self.name}


@contextlib.contextmanager
def tenant_of(server: PostgresServer, database: str) -> Iterator[Tenant]:
    """A new tenant of a database, gone after the block."""
    name = f"tenant_{secrets.token_hex(4)}"
    server.query(database, f"CREATE ROLE {name} LOGIN")
    server.query(database, _SETUP.format(name=name))
    yield Tenant(name, server, database)
    server.query(database, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
