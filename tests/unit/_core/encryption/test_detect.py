"""What a file is, told by its beginning."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.cipher import Format
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.ciphers import CIPHERS
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.detect import (
    BZIP2,
    EMPTY,
    GZIP,
    PGDUMP,
    UNKNOWN,
    XZ,
    ZSTD,
    detect,
)
from hypothesis import given
from hypothesis import strategies as st

AGE, AGE_ARMOR = CIPHERS["age"].formats
GPG, GPG_ARMOR = CIPHERS["gpg"].formats
OPENSSL, OPENSSL_BASE64 = CIPHERS["openssl"].formats
(ENVELOPE_FORMAT,) = CIPHERS["envelope"].formats
IV = "00112233445566778899aabbccddeeff"
ENVELOPE = {"iv": IV, "authTag": IV, "data": "a0" * 5000}
PKESK_OLD_FORMAT = bytes.fromhex("845e0372")
PKESK_NEW_FORMAT = bytes.fromhex("c15e0372")
SKESK = bytes.fromhex("8c0d04090302")


def envelope(*names: str) -> bytes:
    return json.dumps({name: ENVELOPE[name] for name in names}).encode()[:4096]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", EMPTY),
        (b"age-encryption.org/v1\n-> X25519", AGE),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", AGE_ARMOR),
        (b"\r\n-----BEGIN AGE ENCRYPTED FILE-----\n", AGE_ARMOR),
        (PKESK_OLD_FORMAT, GPG),
        (PKESK_NEW_FORMAT, GPG),
        (SKESK, GPG),
        (b"\xca\x03PGP\x85\x01\x0c\x03", GPG),
        (b"-----BEGIN PGP MESSAGE-----\n\n", GPG_ARMOR),
        (b"Salted__\x01\x02", OPENSSL),
        (b"U2FsdGVkX1+abc", OPENSSL_BASE64),
        (envelope("iv", "authTag", "data"), ENVELOPE_FORMAT),
        (envelope("authTag", "iv", "data"), ENVELOPE_FORMAT),
        (envelope("data", "iv", "authTag"), ENVELOPE_FORMAT),
        (b'{ "data": "", "iv": "00"}', ENVELOPE_FORMAT),
        (b'\n{\n  "iv" : "0011",\n  "data": "ab', ENVELOPE_FORMAT),
        (b"PGDMP\x01\x0f\x00", PGDUMP),
        (gzip.compress(b"x", mtime=0), GZIP),
        (lzma.compress(b"x"), XZ),
        (bz2.compress(b"x"), BZIP2),
        (b"\x28\xb5\x2f\xfd\x04", ZSTD),
    ],
)
def test_a_file_is_told_by_its_mark(head: bytes, expected: Format) -> None:
    assert detect(head) is expected


@pytest.mark.parametrize(
    "head",
    [
        b"id,name\n1,x\n",
        b"-- PostgreSQL database dump\n",
        b'[{"id": 1}]',
        b'{"data": "not hexadecimal", "iv": "00"}',
        b'{"data": [1, 2], "iv": "00"}',
        b'{"data": "abcd", "next": "00"}',
        b'{"iv": "xyz", "data": "00"}',
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        # Text in which the first byte alone could be that of an OpenPGP packet.
        "Ärger,Größe\n".encode(),
        "Ångström\n".encode(),
        "Ááá\n".encode(),
        "\u0141\u00f3d\u017a\n".encode("iso8859-2"),
    ],
)
def test_what_has_no_mark_is_unknown(head: bytes) -> None:
    assert detect(head) is UNKNOWN


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=1))
def test_no_line_of_text_is_taken_for_an_openpgp_message(text: str) -> None:
    assert detect(text.encode()).scheme != "gpg" or text.startswith("-----BEGIN PGP MESSAGE-----")


def test_the_formats_of_a_cipher_name_it_and_the_second_is_text() -> None:
    for name, cipher in CIPHERS.items():
        assert {each.scheme for each in cipher.formats} == {name}
        assert [each.armored for each in cipher.formats] == [False, True][: len(cipher.formats)]
