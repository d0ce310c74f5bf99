"""Thousands of damaged files, others in each run, none of which may yield a byte that is not the truth."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity, parse_identities
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from support.age_files import CHUNK, NONCE, SEALED, Served, decrypt, encrypt, plaintext
from support.effort import examples

EXAMPLES = examples(1_500)
KEY = parse_identities("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX")[0]
SIZES = (2 * CHUNK + 100, 3 * CHUNK, 2 * CHUNK + 1, 700, 0)
"""Three chunks with a short last one, a full last one and the shortest; a single chunk; and nothing."""
CUTS: tuple[tuple[int, ...], ...] = ((), (1000,), (SEALED,), (65_537, 3, 40_000))


@dataclass(frozen=True)
class Sample:
    """A good file and what is in it."""

    truth: bytes = field(repr=False)
    data: bytes = field(repr=False)

    @cached_property
    def header_size(self) -> int:
        return self.data.index(b"\n", self.data.index(b"\n--- ") + 1) + 1

    @cached_property
    def borders(self) -> list[int]:
        """Where the nonce and each chunk begin, each tag begins, and the file ends."""
        start = self.header_size + NONCE
        starts = list(range(start, len(self.data), SEALED))
        tags = [min(start + SEALED, len(self.data)) - 16 for start in starts]
        return [0, self.header_size, *starts, *tags, len(self.data)]

    @property
    def chunk_count(self) -> int:
        return max(1, -(-len(self.truth) // CHUNK))

    def parts(self) -> list[bytes]:
        """The header's lines, the nonce, and the chunks."""
        start = self.header_size + NONCE
        lines = self.data[: self.header_size].splitlines(keepends=True)
        chunks = [self.data[place : place + SEALED] for place in range(start, len(self.data), SEALED)]
        return [*lines, self.data[self.header_size : start], *chunks]


def _sample(number: int, size: int) -> Sample:
    recipients = [KEY.recipient, X25519Identity.generate().recipient]
    truth = plaintext(size, seed=number)
    return Sample(truth, encrypt(truth, recipients if number % 2 else recipients[::-1]))


# Two of each size, so that a part of another file fits exactly where it is put.
SAMPLES = [_sample(number, size) for number, size in enumerate(SIZES * 2)]


def _place(draw: st.DrawFn, sample: Sample) -> int:
    """A position in the file: half of them close to where something begins."""
    if draw(st.booleans()):
        border = draw(st.sampled_from(sample.borders))
        return min(max(0, border + draw(st.integers(-40, 40))), len(sample.data) - 1)
    return draw(st.sampled_from(range(len(sample.data))))


def _index(draw: st.DrawFn, items: Sequence[object]) -> int:
    return draw(st.sampled_from(range(len(items))))


def _junk(draw: st.DrawFn) -> bytes:
    return draw(st.binary(min_size=1, max_size=40))


def _flip(draw: st.DrawFn, sample: Sample) -> bytes:
    place, data = _place(draw, sample), sample.data
    return data[:place] + bytes([data[place] ^ draw(st.integers(1, 255))]) + data[place + 1 :]


def _delete(draw: st.DrawFn, sample: Sample) -> bytes:
    place = _place(draw, sample)
    return sample.data[:place] + sample.data[place + draw(st.integers(1, 200)) :]


def _insert(draw: st.DrawFn, sample: Sample) -> bytes:
    place = _place(draw, sample)
    return sample.data[:place] + _junk(draw) + sample.data[place:]


def _duplicate(draw: st.DrawFn, sample: Sample) -> bytes:
    place = _place(draw, sample)
    return sample.data[: place + draw(st.integers(1, 200))] + sample.data[place:]


def _truncate(draw: st.DrawFn, sample: Sample) -> bytes:
    return sample.data[: _place(draw, sample)]


def _truncate_at_border(draw: st.DrawFn, sample: Sample) -> bytes:
    return sample.data[: draw(st.sampled_from(sample.borders[:-1]))]


def _append(draw: st.DrawFn, sample: Sample) -> bytes:
    return sample.data + _junk(draw)


def _append_part(draw: st.DrawFn, sample: Sample) -> bytes:
    return sample.data + draw(st.sampled_from(draw(st.sampled_from(SAMPLES)).parts()))


def _swap_parts(draw: st.DrawFn, sample: Sample) -> bytes:
    parts = sample.parts()
    first, second = _index(draw, parts), _index(draw, parts)
    parts[first], parts[second] = parts[second], parts[first]
    return b"".join(parts)


def _swap_chunks(draw: st.DrawFn, sample: Sample) -> bytes:
    parts = sample.parts()
    chunks = range(len(parts))[-sample.chunk_count :]
    first, second = draw(st.sampled_from(chunks)), draw(st.sampled_from(chunks))
    parts[first], parts[second] = parts[second], parts[first]
    return b"".join(parts)


def _drop_part(draw: st.DrawFn, sample: Sample) -> bytes:
    parts = sample.parts()
    del parts[_index(draw, parts)]
    return b"".join(parts)


def _double_part(draw: st.DrawFn, sample: Sample) -> bytes:
    parts = sample.parts()
    parts.insert(_index(draw, parts), parts[_index(draw, parts)])
    return b"".join(parts)


def _splice_part(draw: st.DrawFn, sample: Sample) -> bytes:
    """One part of another file in its own place or in that of another one."""
    parts, others = sample.parts(), draw(st.sampled_from(SAMPLES)).parts()
    place = _index(draw, parts)
    parts[place] = others[min(place, len(others) - 1) if draw(st.booleans()) else _index(draw, others)]
    return b"".join(parts)


def _splice_rest(draw: st.DrawFn, sample: Sample) -> bytes:
    """This file's beginning and another one's end."""
    parts, others = sample.parts(), draw(st.sampled_from(SAMPLES)).parts()
    cut = _index(draw, parts)
    return b"".join(parts[:cut] + others[cut if draw(st.booleans()) else _index(draw, others) :])


MUTATIONS: dict[Callable[[st.DrawFn, Sample], bytes], int] = {
    _flip: 8,
    _delete: 4,
    _insert: 4,
    _duplicate: 4,
    _truncate: 4,
    _truncate_at_border: 1,
    _append: 2,
    _append_part: 1,
    _swap_parts: 1,
    _swap_chunks: 1,
    _drop_part: 1,
    _double_part: 1,
    _splice_part: 2,
    _splice_rest: 2,
}
"""With how often each is tried: the more different files it can make, the more often."""


@dataclass(frozen=True, repr=False)
class Damaged:
    """A file that is not the good one any more, and what was done to it."""

    sample: Sample
    mutation: str
    data: bytes

    def __repr__(self) -> str:
        size, good = len(self.data), len(self.sample.data)
        pairs = zip(self.data, self.sample.data, strict=False)
        first = next((place for place, (byte, was) in enumerate(pairs) if byte != was), None)
        return f"{self.mutation}: {size} bytes instead of {good}, the first difference at {first}"


@st.composite
def damaged_files(draw: st.DrawFn, mutate: Callable[[st.DrawFn, Sample], bytes]) -> Damaged:
    sample = draw(st.sampled_from(SAMPLES))
    data = mutate(draw, sample)
    # What changed nothing (a chunk swapped with itself, say) or made another good file whole is no damage.
    assume(all(data != sample.data for sample in SAMPLES))
    return Damaged(sample, mutate.__name__.strip("_"), data)


def _assert_only_truth(damaged: Damaged, sizes: tuple[int, ...]) -> None:
    outcome = decrypt(damaged.data, [KEY], sizes=sizes)
    assert outcome.error is not None
    assert _truth(damaged).startswith(outcome.released)


def _assert_only_truth_by_ranges(damaged: Damaged) -> None:
    truth = _truth(damaged)
    with pytest.raises(CryptoError):
        reader = Served(damaged.data).reader([KEY])
        for offset in range(0, len(damaged.data) + CHUNK, CHUNK):
            assert reader.pread(offset, CHUNK) == truth[offset : offset + CHUNK]


def _truth(damaged: Damaged) -> bytes:
    """What may come out: the plaintext of the file whose header and nonce this one has; mostly of that it was."""
    for sample in [damaged.sample, *SAMPLES]:
        if damaged.data.startswith(sample.data[: sample.header_size + NONCE]):
            return sample.truth
    return b""


def test_thousands_of_mutations_all_fail_without_a_byte_of_false_plaintext(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried: Counter[str] = Counter()
    different: set[int] = set()

    def damaged_file_fails(damaged: Damaged) -> None:
        different.add(hash(damaged.data))
        tried[damaged.mutation] += 1
        _assert_only_truth(damaged, CUTS[tried.total() % len(CUTS)])
        _assert_only_truth_by_ranges(damaged)

    for mutate, weight in MUTATIONS.items():
        share = settings(
            max_examples=max(1, EXAMPLES * weight // sum(MUTATIONS.values())),
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        share(given(damaged=damaged_files(mutate))(damaged_file_fails))()
    # On stderr, because the output of pytest-xdist's workers goes nowhere.
    with capsys.disabled():
        counts = ", ".join(f"{name} {count}" for name, count in tried.most_common())
        print(f"\nage mutations: {tried.total()}, {len(different)} of them different ({counts})", file=sys.stderr)
    assert tried.total() > EXAMPLES * 0.75
    assert len(different) > EXAMPLES / 2
    assert all(tried[mutate.__name__.strip("_")] > EXAMPLES / 1000 for mutate in MUTATIONS)
