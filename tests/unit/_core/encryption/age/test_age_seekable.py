"""Random access: the same bytes as the stream, few requests, and no trust in a size that was not proven."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    HeaderError,
    NoMatchError,
    NotAgeError,
    PayloadError,
    SeekableReader,
    Stanza,
    TrailingDataError,
    TruncatedError,
    X25519Identity,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st
from support.age_files import BORDER_SIZES, CHUNK, NONCE, SEALED, Served, encrypt, plaintext

KEY = X25519Identity.generate()
TRUTH = plaintext(5 * CHUNK + 1000)
DATA = encrypt(TRUTH, [KEY.recipient, X25519Identity.generate().recipient])
START = DATA.index(b"\n", DATA.index(b"\n---") + 1) + 1 + NONCE


def _served(data: bytes = DATA) -> tuple[Served, SeekableReader]:
    served = Served(data)
    reader = served.reader([KEY])
    served.requests.clear()
    return served, reader


def _chunks(first: int, last: int) -> tuple[int, int]:
    """The request for these chunks of DATA."""
    end = min(START + (last + 1) * SEALED, len(DATA))
    return START + first * SEALED, end - START - first * SEALED


@given(reads=st.lists(st.tuples(st.integers(0, len(TRUTH) + CHUNK), st.integers(0, 3 * CHUNK)), max_size=6))
def test_any_reads_give_the_same_bytes_as_the_stream(reads: list[tuple[int, int]]) -> None:
    _, reader = _served()
    for offset, length in reads:
        assert reader.pread(offset, length) == TRUTH[offset : offset + length]


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_the_size_and_all_bytes_are_right_around_the_borders_of_chunks(size: int) -> None:
    _, reader = _served(encrypt(plaintext(size), [KEY.recipient]))
    assert reader.plain_size == size
    assert reader.pread(0, size + 10) == plaintext(size)
    assert reader.pread(size, 10) == b""
    assert reader.pread(max(0, size - 1), 10) == plaintext(size)[-1:]


def test_opening_fetches_the_header_with_one_small_request() -> None:
    served = Served(DATA)
    served.reader([KEY])
    assert served.requests[0] == (0, 8192)
    assert sum(length for _, length in served.requests) <= 8192 + NONCE


def test_a_long_header_is_fetched_in_few_requests() -> None:
    class Long:
        def wrap(self, file_key: bytes) -> Stanza:
            return Stanza("example.com/long", ("x" * 100_000,), b"")

    data = encrypt(TRUTH, [Long(), KEY.recipient])
    served = Served(data)
    assert served.reader([KEY]).pread(10, 5) == TRUTH[10:15]
    assert len(served.requests) <= 8


def test_only_the_chunks_touched_are_fetched_and_neighbours_at_once() -> None:
    served, reader = _served()
    reader.pread(2 * CHUNK - 1, CHUNK + 2)
    assert served.requests == [_chunks(1, 3)]


def test_the_chunk_read_last_is_not_fetched_again() -> None:
    served, reader = _served()
    for offset in range(0, 2 * CHUNK, 10_000):
        assert reader.pread(offset, 10_000) == TRUTH[offset : offset + 10_000]
    assert served.requests == [_chunks(0, 0), _chunks(1, 1), _chunks(2, 2)]


def test_the_size_is_proven_once_and_only_when_it_is_asked_for() -> None:
    served, reader = _served()
    reader.pread(0, 100)
    assert served.requests == [_chunks(0, 0)]
    assert [reader.plain_size for _ in range(3)] == [len(TRUTH)] * 3
    assert served.requests[1:] == [_chunks(5, 5)]


def test_a_read_of_the_end_proves_the_size() -> None:
    served, reader = _served()
    reader.pread(len(TRUTH) - 1, 1)
    assert reader.plain_size == len(TRUTH)
    assert served.requests == [_chunks(5, 5)]


WRONG_SIZES = {
    "cut at a chunk's end": (DATA[: START + 3 * SEALED], TruncatedError),
    "cut before the first chunk": (DATA[:START], TruncatedError),
    "cut to an empty chunk": (DATA[: START + 3 * SEALED + 16], TruncatedError),
    "cut to less than a tag": (DATA[: START + 3 * SEALED + 15], TruncatedError),
    "cut in a chunk": (DATA[:-1], PayloadError),
    "with a byte more": (DATA + b"x", PayloadError),
    "with chunks more": (DATA + DATA[START:], PayloadError),
    "one chunk twice": (DATA[: START + SEALED] + DATA[START:], PayloadError),
}


@pytest.mark.parametrize("name", WRONG_SIZES)
def test_a_size_is_not_told_before_the_last_chunk_is_proven(name: str) -> None:
    data, error = WRONG_SIZES[name]
    _, reader = _served(data)
    with pytest.raises(error):
        _ = reader.plain_size
    with pytest.raises(error):
        reader.pread(len(TRUTH) * 9, 1)


def test_chunks_in_front_of_a_cut_are_still_readable() -> None:
    _, reader = _served(DATA[: START + 3 * SEALED])
    assert reader.pread(CHUNK, CHUNK) == TRUTH[CHUNK : 2 * CHUNK]
    with pytest.raises(TruncatedError, match="after 3 chunk"):
        reader.pread(2 * CHUNK, 1)


def test_data_after_a_full_final_chunk_is_called_that() -> None:
    data = encrypt(plaintext(2 * CHUNK), [KEY.recipient])
    _, reader = _served(data + data[-SEALED:])
    with pytest.raises(TrailingDataError, match="chunk 1 is the final one"):
        reader.pread(CHUNK, 1)


def test_a_damaged_chunk_spoils_itself_only() -> None:
    data = bytearray(DATA)
    data[START + 2 * SEALED + 5] ^= 1
    _, reader = _served(bytes(data))
    assert reader.plain_size == len(TRUTH)
    for number in (0, 1, 3, 4, 5):
        assert reader.pread(number * CHUNK, CHUNK) == TRUTH[number * CHUNK :][:CHUNK]
    for offset, length in ((2 * CHUNK, 1), (0, 5 * CHUNK)):
        with pytest.raises(PayloadError, match="chunk 2 is not authentic"):
            reader.pread(offset, length)


def test_an_answer_of_another_length_is_refused() -> None:
    served, reader = _served()
    served.data = DATA[: START + 2 * SEALED - 5]
    with pytest.raises(TruncatedError, match="were asked for"):
        reader.pread(CHUNK, 10)


def test_a_chunk_that_moved_is_refused() -> None:
    served, reader = _served()
    first, second = DATA[START : START + SEALED], DATA[START + SEALED : START + 2 * SEALED]
    served.data = DATA[:START] + second + first + DATA[START + 2 * SEALED :]
    for offset in (0, CHUNK):
        with pytest.raises(PayloadError, match="not authentic"):
            reader.pread(offset, 1)


def test_a_file_that_cannot_be_opened_says_so_at_once() -> None:
    for data in (b"", b"PGDMP"):
        with pytest.raises(NotAgeError):
            Served(data).reader([KEY])
    for data in (DATA[:50], DATA[: START - NONCE], DATA[: START - 1]):
        with pytest.raises(HeaderError):
            Served(data).reader([KEY])
    with pytest.raises(NoMatchError):
        Served(DATA).reader([X25519Identity.generate()])
    with pytest.raises(ConfigError, match="no identity"):
        Served(DATA).reader([])


def test_an_armored_file_is_not_taken_for_a_damaged_one() -> None:
    with pytest.raises(NotAgeError):
        Served(encrypt(TRUTH, [KEY.recipient], armor=True)).reader([KEY])


def test_an_error_names_the_step_that_it_was_given() -> None:
    with pytest.raises(NotAgeError, match=r"read backup\.dump\.age: not an age file"):
        SeekableReader(lambda offset, length: b"?" * length, 100, [KEY], name="read backup.dump.age")
    reader = SeekableReader(Served(DATA).fetch, len(DATA) - 1, [KEY], name="read backup.dump.age")
    with pytest.raises(PayloadError, match=r"read backup\.dump\.age: payload chunk 5"):
        _ = reader.plain_size


def test_negative_positions_are_refused() -> None:
    _, reader = _served()
    for offset, length in ((-1, 5), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            reader.pread(offset, length)


def test_a_read_of_everything_fetches_everything_once() -> None:
    served, reader = _served()
    assert reader.pread(0, 1 << 60) == TRUTH
    assert served.requests == [_chunks(0, 5)]
