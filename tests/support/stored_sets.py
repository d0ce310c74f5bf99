"""Backup sets as somebody reads them who has the files, a key, age, zstd, openssl and PostgreSQL's programs only."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import Fingerprint, fingerprints
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import user_tables

from .postgres import PostgresServer
from .programs import require_tool

_RESTRICT = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)


@dataclass(frozen=True)
class StoredSet:
    """One set in a directory.

    :param directory: the set's own.
    :param identity: the file of an age identity that can decrypt it.
    """

    directory: Path
    identity: Path

    @property
    def names(self) -> set[str]:
        """The names of the set's files."""
        return {path.name for path in self.directory.iterdir()}

    @property
    def manifest(self) -> dict[str, Any]:
        """The parsed manifest."""
        document: dict[str, Any] = json.loads((self.directory / "manifest.json").read_bytes())
        return document

    def artifacts(self, role: str) -> list[dict[str, Any]]:
        """The manifest's entries of one role, dumps ordered by part."""
        found = [artifact for artifact in self.manifest["artifacts"] if artifact["role"] == role]
        return sorted(found, key=lambda artifact: artifact["part"] or 0)

    def digest(self, name: str) -> str:
        """The SHA-256 of one of the set's files, in hexadecimal."""
        return hashlib.sha256((self.directory / name).read_bytes()).hexdigest()

    def decrypt(self, name: str) -> bytes:
        """Return one of the set's files, decrypted by age."""
        argv: list[str | Path] = [require_tool("age"), "-d", "-i", self.identity, self.directory / name]
        return subprocess.run(argv, capture_output=True, check=True).stdout

    def plain(self, artifact: dict[str, Any]) -> bytes:
        """An artifact, decrypted and decompressed by the usual programs."""
        data = self.decrypt(artifact["name"])
        program = {"zstd": "zstd", "gzip": "gzip"}.get(artifact["compression"])
        if program is None:
            return data
        return subprocess.run([require_tool(program), "-d", "-c"], input=data, capture_output=True, check=True).stdout

    @property
    def rows(self) -> dict[tuple[str, str], int]:
        """A mapping from table to its number of rows in the manifest."""
        return {(table["schema"], table["name"]): table["rows"] for table in self.manifest["tables"]}

    @property
    def fingerprints(self) -> dict[tuple[str, str], str]:
        """Table -> fingerprint, as the manifest says, where there is one."""
        tables = self.manifest["tables"]
        return {(one["schema"], one["name"]): one["fingerprint"]["value"] for one in tables if one["fingerprint"]}

    def restore(self, server: PostgresServer, database: str) -> None:
        """All parts into an empty database: the definitions, every part's data, then indexes and constraints."""
        parts = [self.plain(artifact) for artifact in self.artifacts("dump")]
        if len(parts) == 1:
            pg_restore(server, parts[0], "--exit-on-error", f"--dbname={database}")
            return
        pg_restore(server, parts[0], "--exit-on-error", "--section=pre-data", f"--dbname={database}")
        for part in parts:
            pg_restore(server, part, "--exit-on-error", "--section=data", f"--dbname={database}")
        pg_restore(server, parts[0], "--exit-on-error", "--section=post-data", f"--dbname={database}")

    @contextmanager
    def restored(self, server: PostgresServer, **options: str) -> Iterator[str]:
        """The name of a database that was made from it; options as of ``create_database``."""
        with server.database(**{"template": "template0", **options}) as name:
            self.restore(server, name)
            yield name


def pg_restore(server: PostgresServer, archive: bytes, *arguments: str) -> bytes:
    """Run pg_restore of the server's version on *archive*; its output, or an error with its messages."""
    result = subprocess.run(
        [server.bin_dir / "pg_restore", *arguments], input=archive, capture_output=True, env=server.environment()
    )
    if result.returncode != 0:
        raise AssertionError(result.stderr.decode("utf-8", "replace"))
    return result.stdout


def pg_dump(server: PostgresServer, database: str, *options: str) -> bytes:
    """Return the output of pg_dump of the server's version."""
    argv = [server.bin_dir / "pg_dump", *options, database]
    return subprocess.run(argv, capture_output=True, check=True, env=server.environment()).stdout


def script_of(server: PostgresServer, database: str) -> bytes:
    """A whole database as SQL, for comparing two of them; in the database's own encoding."""
    result = subprocess.run(
        [server.bin_dir / "pg_dump", "--no-sync", database], capture_output=True, check=True, env=server.environment()
    )
    # A random word in each dump.
    return _RESTRICT.sub("", result.stdout.decode("latin-1")).encode("latin-1")


def contents_of(server: PostgresServer, database: str) -> dict[tuple[str, str], Fingerprint]:
    """Fingerprint and number of rows of every table that holds any itself."""
    connection = connect(ConnectionOptions.parse(server.login(database)))
    try:
        tables = [info.table for info in user_tables(connection) if info.relkind == "r"]
        connection.cursor().execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found: dict[tuple[str, str], Fingerprint] = fingerprints(connection, tables)
        return found
    finally:
        connection.close()


def assert_same_contents(stored: StoredSet, server: PostgresServer, database: str) -> None:
    """Whether every table of *database*, and no other, is in the manifest as it is there."""
    found = contents_of(server, database)
    assert {table: one.rows for table, one in found.items()} == stored.rows
    assert {table: one.value for table, one in found.items()} == stored.fingerprints
