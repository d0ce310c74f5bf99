"""Patterns of pg_dump that match exactly one table.

Inside double quotes pg_dump takes everything literally and a doubled quote as one; the rules are those of
psql's patterns (PostgreSQL documentation, psql, "Patterns").
"""

from __future__ import annotations

import os

from ..errors import PreflightError
from .names import identifier


def dump_pattern(schema: str, table: str, *, encoding: str = "UTF8") -> str:
    """The value of ``--table=`` for this one table.

    :param encoding: the database's; pg_dump takes its arguments as text of that encoding, whatever the locale.
    :return: text that becomes bytes of *encoding* when it is passed to a program.
    """
    pattern = identifier(schema, table)
    return os.fsdecode(pattern.encode(python_codec(encoding), "surrogateescape"))


def python_codec(encoding: str) -> str:
    """Python's name of one of PostgreSQL's encodings."""
    # Names in a database without an encoding are what the clients sent: UTF-8, and bytes that stand for themselves.
    if encoding in ("UTF8", "SQL_ASCII"):
        return "utf-8"
    from psycopg2.extensions import encodings

    if encoding not in encodings:
        raise PreflightError("name the tables", f"the database's encoding {encoding} is not known here")
    return encodings[encoding]
