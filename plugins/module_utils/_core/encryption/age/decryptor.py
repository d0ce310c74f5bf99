"""Decryption as a stage of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...errors import ConfigError
from .armor import ArmorReader
from .errors import AgeError, HeaderError
from .filekey import Identity, open_header
from .header import Header, HeaderParser
from .stream import NONCE_SIZE, ChunkCipher, StreamOpener

_HEADER_PIECE = 64 * 1024
_ARMOR_BEGINNINGS = b"- \t\r\n\v\f"


class Decryptor:
    """Decrypts an age v1 file, chunk by chunk. A :class:`pipeline.Transform`; use it once.

    Nothing is returned that is not authentic, but what is returned may be the beginning of a file that turns out to
    be cut off: only a :meth:`finalize` without an error says that it was whole.

    :param identities: tried in turn.
    :param armored: whether the file is text (PEM); told by its first byte if None.
    :param others: further headers for the file; see :func:`filekey.open_header`.
    :param name: the stage's name, and the step named in errors: put the file's name in.
    :raises ConfigError: no identity.
    """

    def __init__(
        self,
        identities: Sequence[Identity],
        *,
        armored: bool | None = None,
        others: Iterable[bytes] = (),
        name: str = "decrypt",
    ) -> None:
        check_identities(identities)
        self.name = name
        self.header: Header | None = None
        """What the file's header says, once it was read; also where no identity matches, and then not authentic."""
        self._identities = tuple(identities)
        self._others = others
        self._armored = armored
        self._armor = ArmorReader() if armored else None
        self._parser = HeaderParser()
        self._nonce = bytearray()
        self._file_key = b""
        self._opener: StreamOpener | None = None
        self._error: AgeError | None = None

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes of the file and return the plaintext that is ready.

        :raises CryptoError: see :mod:`.errors`; every later call raises it again. Where a chunk before the fault is
            still to be returned, the error comes with the next call.
        """
        self._raise_again()
        try:
            return self._advance(self._dearmor(chunk))
        except AgeError as error:
            self._remember(error)
            raise

    def finalize(self) -> bytes:
        """The last plaintext.

        :raises CryptoError: the file is cut off, empty, goes on after its end, or is not authentic.
        """
        self._raise_again()
        try:
            if self._armor is not None:
                self._armor.finalize()
            if self._opener is None:
                raise self._end_of_header()
            return self._opener.finalize()
        except AgeError as error:
            self._remember(error)
            raise

    def _raise_again(self) -> None:
        if self._error is not None:
            raise self._error

    def _remember(self, error: AgeError) -> None:
        error.step = self.name
        self._error = error

    def _dearmor(self, chunk: bytes) -> bytes:
        if self._armored is None and chunk:
            self._armored = chunk[0] in _ARMOR_BEGINNINGS
            self._armor = ArmorReader() if self._armored else None
        return self._armor.update(chunk) if self._armor is not None else chunk

    def _advance(self, data: bytes) -> bytes:
        if self._opener is not None:
            return self._opener.update(data)
        start = 0
        while self.header is None and start < len(data):
            piece = data[start : start + _HEADER_PIECE]
            start += len(piece)
            self.header = self._parser.feed(piece)
            if self.header is not None:
                self._file_key = open_header(self.header, self._identities, self._others)
                return self._begin_payload(self._parser.rest() + data[start:])
        return self._begin_payload(data) if self.header is not None else b""

    def _begin_payload(self, data: bytes) -> bytes:
        missing = NONCE_SIZE - len(self._nonce)
        self._nonce += data[:missing]
        if len(self._nonce) < NONCE_SIZE:
            return b""
        self._opener = StreamOpener(ChunkCipher(self._file_key, bytes(self._nonce)))
        return self._opener.update(data[missing:])

    def _end_of_header(self) -> HeaderError:
        if self.header is None:
            return self._parser.end()
        return HeaderError("header malformed: the file ends before its payload", hint="the file was truncated")


def check_identities(identities: Sequence[Identity]) -> None:
    """Refuse to begin without any identity.

    :raises ConfigError: there is none.
    """
    if not identities:
        raise ConfigError("decrypt", "no identity is given", hint="give a secret key (AGE-SECRET-KEY-1...)")
