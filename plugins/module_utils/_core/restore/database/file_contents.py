"""A file that an older procedure left: a dump or a script of SQL, compressed and encrypted in any way that is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...encryption.identities import Decryption
from ...errors import FormatError
from ...postgres.archive import ArchiveWalker, Toc
from ...reading.legacy_file import STEP, FileStream, LayeredFile, UnwrappedFile
from ...stream.files import RegularFile
from .script_calls import ActsOfScript

_SCRIPT = re.compile(rb"^-- PostgreSQL database dump\r?$", re.MULTILINE)
_CLUSTER = re.compile(rb"^-- PostgreSQL database cluster dump\r?$", re.MULTILINE)
# What newer versions write behind it is a command of psql that has no meaning but to end a mode.
_COMPLETE = re.compile(
    rb"^-- PostgreSQL database dump complete\r?\n(?:--\r?\n|\\unrestrict [A-Za-z0-9]+\r?\n|\s)*\Z", re.MULTILINE
)
_COMMITS = re.compile(rb"^(?:COMMIT|ROLLBACK);\r?$", re.MULTILINE)
_TAIL_BYTES = 4096


class FileContents:
    """A file whose contents were read once from beginning to end, and so are known to be whole.

    :param size: bytes as it is stored.
    :param toc: the table of contents of a dump; None for a script.
    :param direct: whether programs can read the file as it is.
    :param commits: whether a script ends transactions by itself, as it does around large objects.
    :param acts: how statements of a script call out when they are executed.
    :param marked: whether a script has pg_dump's own first lines, and so an end that shows that it is whole.
    """

    def __init__(self, file: RegularFile, decryption: Decryption) -> None:
        self._file = LayeredFile(file, decryption)
        self.name = self._file.name
        self.path = self._file.path
        self.size = self._file.size
        self.toc: Toc | None = None
        self.direct = False
        self.commits = False
        self.marked = False
        self.acts: tuple[str, ...] = ()
        with self._file.first_reading():
            unwrapped = self._file.unwrap_layers()
            self.warnings = unwrapped.warnings
            self._prove(unwrapped, decryption.max_toc)

    def source(self) -> FileStream:
        """The plain contents, once more from the beginning."""
        return FileStream(self._file)

    def _prove(self, unwrapped: UnwrappedFile, max_toc: int) -> None:
        if unwrapped.is_dump:
            self.direct = not unwrapped.layers
            walker = ArchiveWalker(max_toc=max_toc)
            for piece in unwrapped.pieces:
                walker.update(piece)
            walker.finalize()
            self.toc = walker.toc
            return
        if unwrapped.problem is not None:
            raise FormatError(
                STEP,
                f"this is neither a dump nor a script of SQL: {unwrapped.problem}",
                hint="dumps of pg_dump -Fc and -Fp are read",
            )
        self._check_script(unwrapped.head, unwrapped.pieces)

    def _check_script(self, head: bytes, pieces: Iterator[bytes]) -> None:
        if _CLUSTER.search(head):
            raise FormatError(
                STEP,
                "this is a dump of a whole server (pg_dumpall)",
                hint="restore it with psql on an empty server, or take one database out of it",
            )
        tail, acts = b"", ActsOfScript()
        for piece in pieces:
            acts.update(piece)
            window = tail + piece
            self.commits = self.commits or _COMMITS.search(window) is not None
            tail = window[-_TAIL_BYTES:]
        acts.finalize()
        self.acts = tuple(acts.found)
        self.marked = _SCRIPT.search(head) is not None
        if self.marked and not _COMPLETE.search(tail):
            raise FormatError(STEP, "the script has no end: the dump was cut off", hint="take another copy")
        self.warnings.append("a script does not say how many rows it has, so nothing could be compared")
