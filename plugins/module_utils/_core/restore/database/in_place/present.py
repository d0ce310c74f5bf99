"""What a database has now: its schema as pg_dump tells of it, and the statements that make parts of that again."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence

from ....errors import SourceError
from ....postgres.archive import ArchiveWalker, Toc
from ....postgres.archive.extract import TocText
from ....postgres.known_settings import unknown_settings, without_unknown
from ....postgres.programs import Program
from ....stream.process import ProcessSource, child_environment, describe_status
from ..children import tool_message

STEP = "look at the database"


class PresentSchema:
    """The schema of the database before the restore, read by pg_dump when an object is made.

    :param environment: leads pg_dump into the database.
    :param lock_timeout: seconds that it waits for a table.
    :param without: options that leave out what the role may not read.
    """

    def __init__(
        self, pg_dump: Program, environment: Mapping[str, str], lock_timeout: int, without: Sequence[str] = ()
    ) -> None:
        walker = ArchiveWalker(keep_raw=True)

        def follow(piece: bytes) -> None:
            walker.update(piece)

        argv = [
            pg_dump.path, "--format=custom", "--schema-only", "--no-password", "--compress=0",
            f"--lock-wait-timeout={lock_timeout * 1000}", *without,
        ]  # fmt: skip
        ProcessSource(argv, environment=environment, step=STEP).run(follow)
        self.toc: Toc = walker.toc
        self._text = TocText(walker.toc, walker.reader.header, walker.reader.raw)

    def script(self, keep: Collection[int], pg_restore: Program, server_version_num: int) -> bytes:
        """The SQL that creates the entries with these dump ids."""
        result = subprocess.run(
            [pg_restore.path, "--file=-"],
            input=b"".join(self._text.only(keep)),
            capture_output=True,
            check=False,
            env=child_environment(),
        )
        if result.returncode != 0:
            message = tool_message(result.stderr.decode("utf-8", "replace"))
            raise SourceError(STEP, f"{describe_status('pg_restore', result.returncode)}: {message}")
        return without_unknown(result.stdout, unknown_settings(server_version_num))
