"""Promises of reading names in the encoding of a dump."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive.encodings import codec_of, decode
from hypothesis import given
from hypothesis import strategies as st

# pg_encoding_to_char of every encoding that a database can have, or a client ask for.
NAMES = [
    "SQL_ASCII",
    "EUC_JP",
    "EUC_CN",
    "EUC_KR",
    "EUC_TW",
    "EUC_JIS_2004",
    "UTF8",
    "MULE_INTERNAL",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN1256",
    "WIN1258",
    "WIN866",
    "WIN874",
    "KOI8R",
    "WIN1251",
    "WIN1252",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "WIN1250",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1257",
    "KOI8U",
    "SJIS",
    "BIG5",
    "GBK",
    "UHC",
    "GB18030",
    "JOHAB",
    "SHIFT_JIS_2004",
]
WITHOUT_CODEC = {"SQL_ASCII", "EUC_TW", "MULE_INTERNAL"}


def codec(name: str) -> str:
    return codec_of(f"SET client_encoding = '{name}';\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_encoding_of_a_server_has_a_codec(name: str) -> None:
    assert (codec(name) == "utf-8") is (name in WITHOUT_CODEC | {"UTF8"})


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("LATIN1", b"stra\xdfe", "straße"),
        ("LATIN9", b"\xa4", "€"),
        ("WIN1252", b"\x80", "€"),
        ("WIN1251", b"\xca\xeb\xfe\xf7", "Ключ"),
        ("KOI8R", b"\xeb\xcc\xc0\xde", "Ключ"),
        ("EUC_JP", "日本語".encode("euc_jp"), "日本語"),
        ("SJIS", "日本語".encode("shift_jis"), "日本語"),
        ("UHC", "한국어".encode("cp949"), "한국어"),
        ("GB18030", "中文🐘".encode("gb18030"), "中文🐘"),
    ],
)
def test_names_are_read_in_their_encoding(name: str, raw: bytes, text: str) -> None:
    assert decode(raw, codec(name)) == text


@pytest.mark.parametrize("statement", ["", "SET client_encoding = ''", "SET client_encoding = 'nonsense';", "'UTF8'"])
def test_an_unknown_encoding_is_read_as_utf8(statement: str) -> None:
    assert codec_of(statement) == "utf-8"


@given(st.sampled_from(NAMES), st.binary(max_size=12))
def test_no_bytes_fail_to_be_read(name: str, raw: bytes) -> None:
    assert bool(decode(raw, codec(name))) is bool(raw)


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_different_bytes_stay_different_in_utf8(one: bytes, other: bytes) -> None:
    assert (decode(one, "utf-8") == decode(other, "utf-8")) is (one == other)
