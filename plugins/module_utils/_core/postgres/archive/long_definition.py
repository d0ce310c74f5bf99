"""Definitions too long to be kept: what is told of them is a digest, taken while they pass by in pieces."""

from __future__ import annotations

import codecs
import hashlib

from .toc import LongText


class LongDefinition:
    """One of them, of which nothing but the piece at hand is ever held.

    :param length: bytes that it has.
    :param codec: of its text.
    :param compared: whether it has a digest of its own. One that may hold secrets, or whose parts are listed in any
        order, has that only where it can be brought into its one form; all that are longer are alike.
    :ivar left: how many bytes are to come.
    """

    def __init__(self, length: int, codec: str, *, compared: bool) -> None:
        self.left = length
        self.compared = compared
        self._decoder = codecs.getincrementaldecoder(codec)("surrogateescape")
        self._digest = hashlib.sha256()

    def take(self, data: bytes | memoryview) -> int:
        """Take what belongs to it from the beginning of *data*, and tell how many bytes that was."""
        piece = bytes(data[: self.left])
        self.left -= len(piece)
        if self.compared:
            text = self._decoder.decode(piece, final=not self.left)
            self._digest.update(text.encode("utf-8", "surrogateescape"))
        return len(piece)

    @property
    def text(self) -> LongText:
        """The beginning, length and digest of the definition."""
        return self._digest
