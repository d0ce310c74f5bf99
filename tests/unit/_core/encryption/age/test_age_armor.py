"""ASCII armor: one text for one file."""

from __future__ import annotations

import base64
import contextlib

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import ArmorError, X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.armor import (
    BEGIN_LINE,
    ArmorReader,
    ArmorWriter,
)
from hypothesis import given
from hypothesis import strategies as st
from support.age_files import BORDER_SIZES, decrypt, encrypt, pieces, plaintext

KEY = X25519Identity.generate()
cuts = st.lists(st.integers(1, 150), max_size=6)


def _armor(data: bytes, sizes: list[int]) -> bytes:
    writer = ArmorWriter()
    return b"".join([*(writer.update(piece) for piece in pieces(data, sizes)), writer.finalize()])


def _dearmor(text: bytes, sizes: list[int]) -> bytes:
    reader = ArmorReader()
    data = b"".join([reader.update(piece) for piece in pieces(text, sizes)])
    reader.finalize()
    return data


@given(data=st.binary(max_size=400), writing=cuts, reading=cuts)
def test_any_data_survives_however_it_is_cut(data: bytes, writing: list[int], reading: list[int]) -> None:
    text = _armor(data, writing)
    assert _dearmor(text, reading) == data
    assert _dearmor(b" \r\n" + text.replace(b"\n", b"\r\n") + b"\t \n\n", reading) == data
    assert _dearmor(text.rstrip(b"\n"), reading) == data


@given(data=st.binary(max_size=400), sizes=cuts)
def test_the_text_is_strict_pem(data: bytes, sizes: list[int]) -> None:
    lines = _armor(data, sizes).decode("ascii").split("\n")
    assert lines[0] == "-----BEGIN AGE ENCRYPTED FILE-----"
    assert lines[-2:] == ["-----END AGE ENCRYPTED FILE-----", ""]
    assert all(len(line) == 64 for line in lines[1:-3])
    assert base64.b64decode("".join(lines[1:-2]), validate=True) == data


@given(data=st.binary(min_size=1, max_size=200), place=st.integers(0, 400), junk=st.sampled_from([*range(1, 128)]))
def test_no_other_text_stands_for_the_same_data(data: bytes, place: int, junk: int) -> None:
    text = _armor(data, [])
    place %= len(text)
    changed = text[:place] + bytes([text[place] ^ junk]) + text[place + 1 :]
    if changed.split() == text.split():
        return
    with contextlib.suppress(ArmorError):
        assert _dearmor(changed, []) != data


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_an_armored_file_is_recognised_by_itself(size: int) -> None:
    truth = plaintext(size)
    data = encrypt(truth, [KEY.recipient], armor=True, sizes=(1000,))
    assert data.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    for sizes in ((), (7777,), (65536,)):
        assert decrypt(data, [KEY], sizes=sizes).released == truth


def test_an_armored_file_cut_off_anywhere_is_refused() -> None:
    data = encrypt(b"text", [KEY.recipient], armor=True)
    for size in range(len(data) - 1):
        outcome = decrypt(data[:size], [KEY])
        assert outcome.error is not None
        assert outcome.released == b""


@pytest.mark.parametrize("text", [b"x" * 100_000, b"\n" + b"-" * 100, BEGIN_LINE + b"x" * 100])
def test_a_text_that_is_no_armor_is_refused_without_keeping_it(text: bytes) -> None:
    reader = ArmorReader()
    with pytest.raises(ArmorError):
        for piece in pieces(text, [10]):
            reader.update(piece)
    assert len(reader._buffer) < 200


def test_told_that_it_is_armored_a_binary_file_is_refused() -> None:
    data = encrypt(b"text", [KEY.recipient])
    assert isinstance(decrypt(data, [KEY], armored=True).error, ArmorError)
