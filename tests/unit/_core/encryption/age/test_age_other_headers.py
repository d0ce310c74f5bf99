"""Another header opens a file for other recipients, and nothing that somebody else made up does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    Decryptor,
    Encryptor,
    Identity,
    NoMatchError,
    ScryptIdentity,
    ScryptRecipient,
    SeekableReader,
    X25519Identity,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.filekey import (
    MAX_OTHER_RECIPIENTS,
    open_header,
    wrap_header,
    wraps,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.header import Header, HeaderParser
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

OLD, NEW, STRANGER = (X25519Identity.generate() for _number in range(3))
PLAIN = os.urandom(150_000)


def encrypted() -> bytes:
    encryptor = Encryptor([OLD.recipient])
    return encryptor.update(PLAIN) + encryptor.finalize()


def header_of(file: bytes) -> Header:
    header = HeaderParser().feed(file)
    assert header is not None
    return header


FILE = encrypted()
HEADER = header_of(FILE)
KEY = open_header(HEADER, [OLD])
OTHER = wrap_header(KEY, [NEW.recipient])


def decrypted(file: bytes, identity: Identity, *others: bytes) -> bytes:
    decryptor = Decryptor([identity], others=others)
    return decryptor.update(file) + decryptor.finalize()


def test_the_new_recipient_reads_the_old_file_in_both_ways() -> None:
    assert decrypted(FILE, NEW, OTHER) == PLAIN
    reader = SeekableReader(lambda offset, length: FILE[offset : offset + length], len(FILE), [NEW], others=[OTHER])
    assert reader.pread(70_000, 100) == PLAIN[70_000:70_100]


def test_new_header_and_old_payload_are_an_age_file() -> None:
    assert decrypted(OTHER + FILE[HEADER.size :], NEW) == PLAIN


def test_who_is_a_recipient_of_neither_header_reads_nothing() -> None:
    with pytest.raises(NoMatchError, match=str(STRANGER.recipient)):
        open_header(HEADER, [STRANGER], [OTHER])


def test_other_headers_are_looked_at_only_where_the_own_one_does_not_open() -> None:
    def others() -> Iterator[bytes]:
        raise AssertionError("nobody needs them")
        yield b""

    assert open_header(HEADER, [OLD], others()) == KEY


def test_a_header_for_another_file_key_is_passed_by_and_hides_no_good_one() -> None:
    forged = wrap_header(os.urandom(16), [NEW.recipient])
    of_another = wrap_header(open_header(header_of(encrypted()), [OLD]), [NEW.recipient])
    for other in (forged, of_another):
        with pytest.raises(NoMatchError):
            open_header(HEADER, [NEW], [other])
    assert open_header(HEADER, [NEW], [forged, of_another, b"", OTHER[:-1], OTHER]) == KEY


@given(st.integers(0, len(OTHER) - 1), st.integers(1, 255))
@settings(max_examples=examples(200), deadline=None)
def test_a_header_that_was_changed_anywhere_opens_nothing(place: int, change: int) -> None:
    changed = bytearray(OTHER)
    changed[place] ^= change
    assert not wraps(bytes(changed), KEY, 1)
    with pytest.raises(NoMatchError):
        open_header(HEADER, [NEW], [bytes(changed)])


@pytest.mark.parametrize("change", [lambda new: new[:-1], lambda new: new + b"x", lambda new: b"", lambda new: FILE])
def test_another_header_is_a_header_and_no_more(change: Callable[[bytes], bytes]) -> None:
    assert wraps(OTHER, KEY, 1)
    assert not wraps(OTHER, KEY, 2)
    assert not wraps(change(OTHER), KEY, 1)
    with pytest.raises(NoMatchError):
        open_header(HEADER, [NEW], [change(OTHER)])


def test_another_header_asks_for_no_passphrase_and_is_for_few() -> None:
    # One that had to be tried would take 4 GiB of memory.
    costly = wrap_header(KEY, [ScryptRecipient("x", work_factor=1)]).replace(b" 1\n", b" 22\n")
    with pytest.raises(NoMatchError):
        open_header(HEADER, [ScryptIdentity("x")], [costly])
    with pytest.raises(NoMatchError):
        open_header(HEADER, [NEW], [wrap_header(KEY, [NEW.recipient] * (MAX_OTHER_RECIPIENTS + 1))])
