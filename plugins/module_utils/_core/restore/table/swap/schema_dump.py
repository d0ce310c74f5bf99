"""What pg_dump says of the whole database's schema, and the SQL that pg_restore makes of parts of that."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ....errors import SourceError
from ....platforms.left_out_tables import without_tables
from ....postgres.any_bytes import script_encoding, server_encoding
from ....postgres.archive import ArchiveWalker, Toc, TocEntry
from ....postgres.archive.encodings import DEFAULT, decode
from ....postgres.archive.extract import TocText
from ....postgres.connection import ConnectionOptions
from ....postgres.environment import child_environment_for
from ....postgres.known_settings import unknown_settings, without_unknown
from ....postgres.names import TableName
from ....postgres.programs import Program, find_program
from ....postgres.types import Connection
from ....stream.process import ProcessSource, child_environment, describe_status
from .statements import keep_casts

STEP = "read the schema"
_BEGIN = re.compile(r"\A((?:--[^\n]*\n|\n)*)\\restrict [^\n]*\n")
_END = re.compile(r"\n\\unrestrict [^\n]*\n\s*\Z")
_CLIENT_ENCODING = re.compile(r"^SET client_encoding = .*;\n", re.MULTILINE)
"""How a session is spoken to is its own matter."""
_HINT = (
    "strategy swap compares the schema of the whole database, which the role must be able to read: GRANT "
    "pg_read_all_data to it, or use strategy: merge or replace"
)
_BODIES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
"""What has text in it that is not the server's own."""


@dataclass(frozen=True)
class Tools:
    """The pg_dump and pg_restore that fit the server, with their connection.

    :param encoding: in which a session is spoken to, see :mod:`postgres.any_bytes`.
    :param without: pg_dump's options that leave out what the role may not read.
    """

    options: ConnectionOptions
    server_version_num: int
    encoding: str
    pg_dump: Program
    pg_restore: Program
    without: tuple[str, ...] = ()

    @classmethod
    def find(
        cls,
        options: ConnectionOptions,
        connection: Connection,
        pg_bin_dir: str | None,
        unseen: Sequence[TableName] = (),
    ) -> Tools:
        """Find programs that fit the server.

        :param unseen: what the role may not read, and no dump is to have.
        """
        version, encoding = connection.server_version, script_encoding(server_encoding(connection))
        found = [find_program(name, version, pg_bin_dir) for name in ("pg_dump", "pg_restore")]
        without = tuple(without_tables(unseen, server_encoding(connection)))
        return cls(options, version, encoding, found[0], found[1], without)


class SchemaDump:
    """The table of contents of a dump without rows."""

    def __init__(self, walker: ArchiveWalker, tools: Tools) -> None:
        self.toc: Toc = walker.toc
        self._text = TocText(walker.toc, walker.reader.header, walker.reader.raw)
        self._tools = tools

    def script(self, keep: Collection[int]) -> str:
        """The SQL that creates the entries with these dump ids, with their owners and grants."""
        kept = [entry for entry in self.toc.entries if entry.dump_id in keep]
        return script_of(b"".join(self._text.only(keep)), kept, self._tools)


def script_of(archive: bytes, entries: Sequence[TocEntry], tools: Tools, codec: str = DEFAULT) -> str:
    """The SQL that pg_restore makes of an archive without rows, as the server understands it, for any session.

    :param entries: all that are in it.
    :param codec: of the archive's texts.
    """
    result = subprocess.run(
        [tools.pg_restore.path, "--file=-"], input=archive, capture_output=True, check=False, env=child_environment()
    )
    if result.returncode != 0:
        message = result.stderr.decode("utf-8", "replace").strip()
        raise SourceError(STEP, f"{describe_status('pg_restore', result.returncode)}: {message}")
    known = without_unknown(result.stdout, unknown_settings(tools.server_version_num))
    script = _CLIENT_ENCODING.sub("", _END.sub("\n", _BEGIN.sub(r"\1", decode(known, codec))), count=1)
    for entry in entries:
        if entry.desc not in _BODIES and (kept := keep_casts(entry.defn)) != entry.defn:
            script = script.replace(entry.defn, kept)
    return script


def dump_schema(tools: Tools) -> SchemaDump:
    """Run pg_dump for the schema of the whole database, as it is committed."""
    walker = ArchiveWalker(keep_raw=True)

    def follow(piece: bytes) -> None:
        walker.update(piece)

    argv = [
        tools.pg_dump.path, "--format=custom", "--compress=0", "--schema-only", f"--encoding={tools.encoding}",
        "--no-password", "--lock-wait-timeout=60000", *tools.without,
    ]  # fmt: skip
    with child_environment_for(tools.options, server_version_num=tools.server_version_num) as environment:
        try:
            ProcessSource(argv, environment=environment, step=STEP).run(follow)
        except SourceError as error:
            raise SourceError(error.step, error.message, hint=error.hint or _HINT) from None
    return SchemaDump(walker, tools)
