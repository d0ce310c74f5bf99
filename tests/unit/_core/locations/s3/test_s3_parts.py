"""A stream of any length is cut into parts that S3 takes, and comes out of its buffers as it went in."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.parts import (
    BLOCK_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    PART_BYTES,
    ByteBudget,
    PartBody,
    PartBuffer,
    SendingCancelled,
    SpareBuffers,
    base_part_size,
    part_size,
)
from hypothesis import given
from hypothesis import strategies as st

TIB = 1024**4
SIZES = st.one_of(st.none(), st.integers(0, 5 * TIB), st.integers(0, 100 * 1024**3))


@given(SIZES, st.sampled_from([MIN_PART_BYTES, PART_BYTES, 64 * MIB]))
def test_five_tebibytes_fit_whatever_was_expected(hint: int | None, smallest: int) -> None:
    base = base_part_size(hint, smallest)
    sizes = [part_size(number, base) for number in range(1, MAX_PARTS + 1)]
    assert sum(sizes) >= 5 * TIB
    assert min(sizes) >= MIN_PART_BYTES
    assert max(sizes) <= MAX_PART_BYTES
    assert sizes == sorted(sizes)


@given(st.integers(1, 5 * TIB))
def test_an_object_no_larger_than_expected_has_parts_of_one_size(hint: int) -> None:
    base = base_part_size(hint)
    count = -(-hint // base)
    assert part_size(count, base) == base


@pytest.mark.parametrize("hint", [None, 0, 1, 290_000_000, 50 * 1024**3])
def test_parts_stay_small_as_long_as_that_is_enough(hint: int | None) -> None:
    assert base_part_size(hint) == PART_BYTES


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60), st.binary(max_size=60))
def test_a_buffer_gives_back_what_it_took(chunks: list[bytes], limit: int, used_before: bytes) -> None:
    parts: list[bytes] = []
    buffer = PartBuffer(bytearray(used_before))
    for chunk in chunks:
        pending = memoryview(chunk)
        while pending:
            if buffer.size == limit:
                parts.append(bytes(buffer.view()))
                buffer = PartBuffer(buffer.data)
            pending = pending[buffer.fill(pending, limit) :]
    parts.append(bytes(buffer.view()))
    assert b"".join(parts) == b"".join(chunks)
    assert all(len(part) == limit for part in parts[:-1])


def test_a_small_object_takes_little_memory() -> None:
    buffer = PartBuffer()
    buffer.fill(memoryview(b"manifest"), PART_BYTES)
    assert len(buffer.data) == 8


def test_buffers_are_used_again_but_not_hoarded() -> None:
    spare = SpareBuffers(1)
    first, second, odd = (PartBuffer(bytearray(size)) for size in (PART_BYTES, PART_BYTES, 10))
    for buffer in (odd, first, second):
        spare.give_back(buffer)
    assert spare.take(2 * PART_BYTES).data == b""
    assert spare.take(PART_BYTES).data is first.data
    assert spare.take(PART_BYTES).data == b""


@given(st.integers(0, 3 * BLOCK_BYTES + 1))
def test_a_body_is_read_in_blocks_and_again_from_the_beginning(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    body = PartBody(memoryview(data)[:size], lambda: False)
    for _ in range(2):
        assert body.seek(0) == 0
        blocks = list(iter(lambda: bytes(body.read(16384)), b""))
        assert b"".join(blocks) == data[:size]
        assert all(len(block) <= BLOCK_BYTES for block in blocks)
        assert body.tell() == len(body) == size
    assert body.seek(-1, 2) == size - 1


def test_a_body_ends_once_its_upload_is_cancelled() -> None:
    cancelled = False
    body = PartBody(memoryview(bytes(3 * BLOCK_BYTES)), lambda: cancelled)
    body.read()
    cancelled = True
    with pytest.raises(SendingCancelled):
        body.read()


def test_the_budget_holds_back_until_there_is_room() -> None:
    budget = ByteBudget(10)
    assert budget.acquire(6, lambda: False)
    released = threading.Event()

    def release() -> None:
        released.set()
        budget.release(6)

    threading.Timer(0.05, release).start()
    assert budget.acquire(6, lambda: False)
    assert released.is_set()


def test_what_is_larger_than_the_budget_goes_alone() -> None:
    budget = ByteBudget(10)
    assert budget.acquire(100, lambda: False)
    assert not budget.acquire(1, lambda: True)
    budget.release(100)
    assert budget.acquire(1, lambda: True)
