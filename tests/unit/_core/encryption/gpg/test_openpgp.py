"""The framing of OpenPGP messages, checked with packets put together by hand."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.gpg.openpgp import (
    ArmorFrame,
    MessageFrame,
    begins_key,
    message_key_ids,
    read_header,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError, FormatError
from hypothesis import given
from hypothesis import strategies as st

KEY_IDS = ("722A58081C26EC96", "0000000000000000")


def packet(tag: int, body: bytes) -> bytes:
    """One packet with a new-format header of a length in five bytes."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def old_packet(tag: int, body: bytes) -> bytes:
    """One packet with an old-format header of a length in two bytes."""
    return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body


def partial_packet(tag: int, parts: list[int], last: int) -> bytes:
    """One packet whose body comes in parts of 2**n bytes and a last one of any size."""
    data = bytes([0xC0 | tag])
    for power in parts:
        data += bytes([224 + power]) + b"p" * (1 << power)
    return data + b"\xff" + last.to_bytes(4, "big") + b"p" * last


def session_key(key_id: str) -> bytes:
    return b"\3" + bytes.fromhex(key_id) + b"\x12" + b"k" * 84


KEYS = old_packet(1, session_key(KEY_IDS[0])) + packet(1, session_key(KEY_IDS[1]))
MESSAGES = {
    "one length": KEYS + packet(18, b"\1" + b"d" * 5000),
    "parts": KEYS + partial_packet(18, [9, 13, 13, 0], 191),
    "marker and passphrase": packet(10, b"PGP") + packet(3, b"\4\x09\3") + partial_packet(18, [9], 0),
    "gnupg's aead": KEYS + partial_packet(20, [9], 20),
}


def watch(data: bytes, size: int = 0) -> MessageFrame:
    frame = MessageFrame()
    step = size or len(data) or 1
    for start in range(0, len(data), step):
        frame.update(data[start : start + step])
    frame.finalize()
    return frame


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_whole_message_passes_however_it_is_cut(name: str, size: int) -> None:
    frame = watch(MESSAGES[name], size)
    by_passphrase = name == "marker and passphrase"
    assert tuple(frame.key_ids) == (() if by_passphrase else KEY_IDS)
    assert frame.passphrases == by_passphrase


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_cut_anywhere_is_refused(name: str) -> None:
    whole = MESSAGES[name]
    for end in range(len(whole)):
        with pytest.raises(CryptoError, match="truncated"):
            watch(whole[:end])


@given(st.binary(min_size=1, max_size=40), st.sampled_from(sorted(MESSAGES)))
def test_nothing_may_follow_a_message(trailer: bytes, name: str) -> None:
    with pytest.raises(CryptoError, match="appended"):
        watch(MESSAGES[name] + trailer)


def test_a_second_message_behind_the_first_is_refused() -> None:
    with pytest.raises(CryptoError, match="appended"):
        watch(MESSAGES["parts"] * 2, 100)


def test_data_without_integrity_protection_is_refused_at_once() -> None:
    frame = MessageFrame()
    with pytest.raises(CryptoError, match="no integrity protection"):
        frame.update(KEYS + bytes([0xC9, 0x05]))


@pytest.mark.parametrize("tag", [2, 8, 11, 13, 19])
def test_other_packets_have_no_place_in_an_encrypted_message(tag: int) -> None:
    with pytest.raises(CryptoError, match=f"type {tag}"):
        MessageFrame().update(KEYS + packet(tag, b"x"))


def test_session_keys_without_end_are_refused() -> None:
    frame = MessageFrame()
    with pytest.raises(CryptoError, match="1 MiB"):
        for _ in range(20_000):
            frame.update(packet(1, session_key(KEY_IDS[0])))


def test_the_keys_are_known_before_the_data_is() -> None:
    assert message_key_ids(KEYS + b"\xd2\xff\x00\x00\xff\xff\x01") == KEY_IDS
    assert message_key_ids(KEYS) is None


def test_a_version_6_session_key_names_its_key() -> None:
    fingerprint = bytes(range(32))
    body = b"\6" + bytes([33]) + b"\6" + fingerprint + b"\x19" + b"k" * 80
    assert message_key_ids(packet(1, body) + packet(18, b"\2")) == (fingerprint[:8].hex().upper(),)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xc1\xbf", (1, 2, 191, False)),
        (b"\xc1\xc0\x00", (1, 3, 192, False)),
        (b"\xc1\xdf\xff", (1, 3, 8383, False)),
        (b"\xc1\xff\x00\x00\x20\xc0", (1, 6, 8384, False)),
        (b"\xd2\xed", (18, 2, 8192, True)),
        (b"\x84\x5e", (1, 2, 94, False)),
        (b"\x85\x01\x0c", (1, 3, 268, False)),
        (b"\xa7", (9, 1, None, False)),
    ],
)
def test_lengths_are_read_as_the_rfc_writes_them(data: bytes, expected: tuple[int, int, int | None, bool]) -> None:
    header = read_header(data)
    assert header is not None
    assert (header.tag, header.size, header.length, header.partial) == expected
    assert all(read_header(data[:end]) is None for end in range(len(data)))


def test_what_is_no_packet_is_refused() -> None:
    with pytest.raises(FormatError):
        read_header(b"\x7f")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (old_packet(5, b"\4" + b"x" * 50), "secret"),
        (packet(7, b"\4" + b"x" * 50), "secret"),
        (old_packet(6, b"\4" + b"x" * 50), "public"),
        (old_packet(1, b"\3" + b"x" * 50), None),
        (b"id,name\n", None),
        (b"", None),
    ],
)
def test_binary_keys_are_told_apart(data: bytes, kind: str | None) -> None:
    assert begins_key(data) == kind


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_armor_may_be_followed_by_white_space_only(size: int) -> None:
    armor = b"-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n"

    def pass_all(data: bytes) -> None:
        frame = ArmorFrame()
        for start in range(0, len(data), size):
            frame.update(data[start : start + size])
        frame.finalize()

    pass_all(armor + b"\r\n \n")
    with pytest.raises(CryptoError, match="appended"):
        pass_all(armor + b"\nx")
    with pytest.raises(CryptoError, match="truncated"):
        pass_all(armor[:-3])
