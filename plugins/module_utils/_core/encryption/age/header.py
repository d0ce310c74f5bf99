"""The textual header of an age file (C2SP age, "Header"): stanzas that each wrap the file key, and a MAC."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import HeaderError, NotAgeError
from .primitives import decode_base64, encode_base64, hkdf

MAX_HEADER_SIZE = 1024 * 1024
"""Bytes. The format sets no limit; this one keeps hostile input from using memory."""
MAX_STANZAS = 1000
"""Each costs whoever looks for their own as much work as an honest file."""

MAGIC = b"age-encryption.org/"
_VERSION_LINE = b"age-encryption.org/v1"
_COLUMNS = 64
_ARGUMENTS = re.compile(rb"-> [\x21-\x7e]+(?: [\x21-\x7e]+)*")
_BODY_LINE = re.compile(rb"[A-Za-z0-9+/]{0,64}")
_END_LINE = re.compile(rb"--- ([A-Za-z0-9+/]{43})")
_MAC_MARK = b"---"


@dataclass(frozen=True)
class Stanza:
    """The file key wrapped for one recipient, of a kind that ``type`` names: ``X25519``, ``scrypt`` ..."""

    type: str
    arguments: tuple[str, ...]
    body: bytes

    def encode(self) -> bytes:
        """The lines of the stanza as they stand in a header."""
        body = encode_base64(self.body)
        # The last line must be shorter than a full one, if need be empty.
        lines = [body[start : start + _COLUMNS] for start in range(0, len(body) + 1, _COLUMNS)]
        return "".join(f"{line}\n" for line in [" ".join(("->", self.type, *self.arguments)), *lines]).encode("ascii")


def check_lengths(stanza: Stanza, what: str, size: int, kind: str, body_size: int) -> None:
    """Refuse a stanza whose first argument or body has another length than the specification says.

    :param what: the first argument, for errors.
    :param size: bytes that it stands for.
    :param kind: of the stanza, for errors.
    :raises HeaderError: that, or the argument is no base64.
    """
    try:
        found = decode_base64(stanza.arguments[0])
    except ValueError as error:
        raise HeaderError(f"header malformed: {what} of {kind} is {error}") from error
    if len(found) != size or len(stanza.body) != body_size:
        raise HeaderError(f"header malformed: {what} or the body of {kind} has a wrong length")


@dataclass(frozen=True)
class Header:
    """A header as it was read: well formed, and authentic only once its MAC was verified with the file key.

    ``size`` is in bytes; the payload's nonce follows directly.
    """

    stanzas: tuple[Stanza, ...]
    mac: bytes
    authenticated: bytes

    @property
    def size(self) -> int:
        return len(self.authenticated) + len(" \n") + len(encode_base64(self.mac))

    def is_authentic(self, file_key: bytes) -> bool:
        """Whether whoever wrote the header knew *file_key*."""
        return hmac.compare_digest(self.mac, _mac(file_key, self.authenticated))


def encode_header(stanzas: Sequence[Stanza], file_key: bytes) -> bytes:
    """The bytes of a complete header, with its MAC."""
    authenticated = b"".join([_VERSION_LINE, b"\n", *(stanza.encode() for stanza in stanzas), _MAC_MARK])
    return b"%b %b\n" % (authenticated, encode_base64(_mac(file_key, authenticated)).encode("ascii"))


def _mac(file_key: bytes, authenticated: bytes) -> bytes:
    return hmac.digest(hkdf(file_key, salt=b"", info=b"header"), authenticated, hashlib.sha256)


class HeaderParser:
    """Reads a header out of a stream that comes in pieces of any size. Use it once."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._line_start = 0
        self._stanzas: list[Stanza] = []
        self._arguments: list[str] | None = None
        self._body: list[bytes] = []

    @property
    def received(self) -> int:
        """The number of bytes that were fed so far."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Header | None:
        """Take the next bytes; return the header once it is complete, None until then.

        :raises HeaderError: it is malformed or too large; raised as soon as that is certain.
        """
        searched = len(self._buffer)
        self._buffer += data
        if not MAGIC.startswith(self._buffer[: len(MAGIC)]):
            raise NotAgeError("not an age file: it begins with neither the binary form's first line nor the armor's")
        while (end := self._buffer.find(b"\n", searched, MAX_HEADER_SIZE)) >= 0:
            header = self._take(bytes(self._buffer[self._line_start : end]))
            self._line_start = searched = end + 1
            if header is not None:
                return header
        if len(self._buffer) > MAX_HEADER_SIZE:
            raise HeaderError(f"header malformed: it is larger than {MAX_HEADER_SIZE} bytes")
        return None

    def rest(self) -> bytes:
        """The bytes that were fed beyond the end of the header."""
        return bytes(self._buffer[self._line_start :])

    def end(self) -> HeaderError:
        """What is wrong with a stream that ends before its header does."""
        if not self._buffer:
            return NotAgeError("not an age file: it is empty")
        return HeaderError("header malformed: the file ends within it", hint="the file was truncated")

    def _take(self, line: bytes) -> Header | None:
        if self._line_start == 0:
            if line != _VERSION_LINE:
                raise HeaderError("header malformed: only version v1 of the age format is supported")
        elif self._arguments is not None:
            self._take_body(self._arguments, line)
        elif line.startswith(b"->"):
            self._take_arguments(line)
        elif line.startswith(_MAC_MARK):
            return self._take_end(line)
        else:
            raise HeaderError("header malformed: a line is neither a recipient stanza's nor the end's")
        return None

    def _take_arguments(self, line: bytes) -> None:
        if len(self._stanzas) == MAX_STANZAS:
            raise HeaderError(f"header malformed: it has more than {MAX_STANZAS} recipient stanzas")
        if not _ARGUMENTS.fullmatch(line):
            raise HeaderError("header malformed: the first line of a recipient stanza")
        self._arguments = line.decode("ascii").split(" ")[1:]
        self._body = []

    def _take_body(self, arguments: list[str], line: bytes) -> None:
        if not _BODY_LINE.fullmatch(line):
            raise HeaderError(f"header malformed: the body of recipient stanza {len(self._stanzas) + 1}")
        self._body.append(line)
        if len(line) < _COLUMNS:
            body = _decode(b"".join(self._body), f"the body of recipient stanza {len(self._stanzas) + 1}")
            self._stanzas.append(Stanza(arguments[0], tuple(arguments[1:]), body))
            self._arguments = None

    def _take_end(self, line: bytes) -> Header:
        matched = _END_LINE.fullmatch(line)
        if not matched or not self._stanzas:
            raise HeaderError("header malformed: the line of the MAC, or no recipient stanza before it")
        authenticated = bytes(self._buffer[: self._line_start + len(_MAC_MARK)])
        return Header(tuple(self._stanzas), _decode(matched[1], "the MAC"), authenticated)


def _decode(text: bytes, what: str) -> bytes:
    try:
        return decode_base64(text.decode("ascii"))
    except ValueError as error:
        raise HeaderError(f"header malformed: {what} is {error}") from error
