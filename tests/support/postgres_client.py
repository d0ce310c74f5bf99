"""What a test does with a server: connect, run statements and programs, make databases and roles."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql as composer

from .programs import LabError


class PostgresClient:
    """Ways to use a server as its superuser."""

    host: str
    port: int
    superuser: str
    password: str
    bin_dir: Path

    def login(
        self, database: str = "postgres", *, user: str | None = None, password: str | None = None
    ) -> dict[str, Any]:
        """The connection options of the collection's modules."""
        return {
            "login_host": self.host,
            "login_port": self.port,
            "login_user": user or self.superuser,
            "login_password": password or self.password,
            "login_db": database,
        }

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """A libpq connection string, password included; without TLS, which the product's own are to use."""
        return psycopg2.extensions.make_dsn(
            host=self.host,
            port=self.port,
            dbname=database,
            user=user or self.superuser,
            password=password or self.password,
            sslmode="disable",
        )

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """What libpq programs read from the environment, added to ours."""
        return {
            **os.environ,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.superuser,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
            "PGCONNECT_TIMEOUT": "10",
        }

    def connect(self, database: str = "postgres", **options: Any) -> psycopg2.extensions.connection:
        """A new connection in autocommit mode."""
        connection: psycopg2.extensions.connection = psycopg2.connect(self.dsn(database), **options)
        connection.autocommit = True
        return connection

    def query(self, database: str, statement: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement (or several without parameters) and return the last one's rows."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def psql(self, database: str, statements: str) -> str:
        """Run *statements* through psql, stopping at the first error; returns unaligned rows without headers."""
        result = self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-", database=database, stdin=statements)
        return result.stdout.rstrip("\n")

    def run(
        self, program: str, *arguments: str | Path, database: str = "postgres", stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a client program of this installation against *database*; raises with its messages if it fails."""
        result = subprocess.run(
            [self.bin_dir / program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(database),
        )
        if result.returncode != 0:
            raise LabError(f"{program} ended with status {result.returncode}: {result.stderr[-2000:]}")
        return result

    def create_database(
        self,
        name: str | None = None,
        *,
        template: str | None = None,
        encoding: str | None = None,
        owner: str | None = None,
    ) -> str:
        """Make a database and return its name (a fresh one if none is given).

        :param encoding: another than UTF8; its locale is then C.
        """
        name = name or f"db_{secrets.token_hex(5)}"
        # For a small template the server's own way, through its log, costs twice as much.
        clauses = [composer.SQL("CREATE DATABASE {} STRATEGY file_copy").format(composer.Identifier(name))]
        if encoding:
            clauses.append(composer.SQL("ENCODING {} LOCALE 'C'").format(composer.Literal(encoding)))
            template = template or "template0"
        if template:
            clauses.append(composer.SQL("TEMPLATE {}").format(composer.Identifier(template)))
        if owner:
            clauses.append(composer.SQL("OWNER {}").format(composer.Identifier(owner)))
        self._administer(composer.SQL(" ").join(clauses))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database with its connections, if it is there."""
        self._administer(composer.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(composer.Identifier(name)))

    @contextmanager
    def database(self, **options: str) -> Iterator[str]:
        """A fresh database's name, for as long as the block runs; options as of :meth:`create_database`."""
        name = self.create_database(**options)
        try:
            yield name
        finally:
            self.drop_database(name)

    def create_role(self, name: str, options: str = "LOGIN", *, password: str | None = None) -> str:
        """Make a role and return its password (a fresh one if none is given).

        :param options: as after ``CREATE ROLE name``, without the password.
        """
        password = password or secrets.token_urlsafe(12)
        statement = composer.SQL("CREATE ROLE {} {} PASSWORD {}").format(
            composer.Identifier(name), composer.SQL(options), composer.Literal(password)
        )
        self._administer(statement)
        return password

    def _administer(self, statement: composer.Composable) -> None:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()
