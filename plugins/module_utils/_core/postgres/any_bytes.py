"""Texts of a server that need not be of any encoding.

A database without an encoding (``SQL_ASCII``) holds the bytes that its clients sent, and the names of roles, databases
and tablespaces, which all databases share, are those of whichever client made them. They are read as UTF-8; each byte
that is none becomes a lone surrogate (PEP 383), as in a manifest, and the same byte when it is sent back. The server is
asked to pass on what is stored, since it would check what it sends as UTF-8 and fail.
"""

from __future__ import annotations

import codecs
from typing import Any

from .names import identifier
from .types import Connection, Identifier

CODEC = "mobul_any_bytes"

_RAW = "SQL_ASCII"
_READ_AS_STORED = ("UTF8", _RAW)
"""Encodings of databases whose texts are, or may be, UTF-8 as they are stored."""


def read_as_stored(connection: Connection) -> None:
    """Let a session of a database that is of UTF-8, or of no encoding, take and give texts byte by byte."""
    from psycopg2 import extensions, sql

    if server_encoding(connection) not in _READ_AS_STORED:
        return
    # psycopg2 has Python's codec for ASCII there, with which no name but an English one could be read.
    extensions.encodings[_RAW] = extensions.encodings[_RAW.replace("_", "")] = CODEC
    # It quotes a name after it has made strict UTF-8 of it.
    sql.Identifier.as_string = _quoted  # type: ignore[assignment, method-assign]
    connection.set_client_encoding(_RAW)


def server_encoding(connection: Connection) -> str:
    """The database's encoding, as the server calls it."""
    return str(connection.info.parameter_status("server_encoding"))


def script_encoding(*encodings: str) -> str:
    """The client encoding of programs and scripts that have to do with databases of *encodings*."""
    return _RAW if _RAW in encodings else "UTF8"


def _quoted(names: Identifier, context: object) -> str:
    """The names as SQL; the server refuses what is no text of its encoding before it reads a quote in it."""
    return identifier(*names.strings)


def _encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    return codecs.utf_8_encode(text, "surrogateescape")


def _decode(data: Any, errors: str = "strict") -> tuple[str, int]:
    return codecs.utf_8_decode(data, "surrogateescape", True)


def _find(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(_encode, _decode, name=CODEC) if name == CODEC else None


codecs.register(_find)
