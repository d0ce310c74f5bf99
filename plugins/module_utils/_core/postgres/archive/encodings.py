"""The server's names of character sets, as a dump's ENCODING entry carries them, and Python's codecs for them.

Source: PostgreSQL's manual, "Character Set Support". Text that a codec cannot read keeps its bytes as lone
surrogates (``surrogateescape``), so that reading a dump never fails on a name and no two names become one.
"""

from __future__ import annotations

import codecs
import re

DEFAULT = "utf-8"

_STATEMENT = re.compile(r"SET client_encoding = '([A-Za-z0-9_-]+)'")

# What Python knows by another name; SQL_ASCII, MULE_INTERNAL and EUC_TW have no codec and are read as UTF-8.
_CODECS = {
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
    **{name: name.lower() for name in ("BIG5", "GB18030", "GBK", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7")},
    **{name: name.lower() for name in ("ISO_8859_8", "JOHAB", "SJIS")},
}


def encoding_of(statement: str) -> str:
    """What the definition of an ENCODING entry names (``SET client_encoding = 'LATIN1';``); "" for anything else."""
    match = _STATEMENT.match(statement)
    return match[1] if match else ""


def codec_of(statement: str) -> str:
    """Python's codec for the definition of an ENCODING entry."""
    return codecs.lookup(_CODECS.get(encoding_of(statement), DEFAULT)).name


def decode(raw: bytes | memoryview, codec: str) -> str:
    """Read *raw*; what the codec cannot read stays as lone surrogates."""
    return str(raw, codec, "surrogateescape")


def encode(text: str, codec: str) -> bytes:
    """The bytes that :func:`decode` has read *text* from."""
    return text.encode(codec, "surrogateescape")
