"""What a reader hands out are the bytes that were proven, whatever the store answers later."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.artifact import AgeHead, Artifact
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import GoodSet
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.loading import LoadedSet
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import Encryptor, X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.ranges import head_size
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.reading import artifact as reading
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.artifact import (
    NotAsWritten,
    StoredArtifact,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.plain import open_plain
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import make_globals, make_manifest
from support.memory_location import MemoryLocation

SET = "weekly_20250105_000000"
IDENTITY = X25519Identity.generate()
BLOCK = 64
KEPT = 100


class Turncoat(MemoryLocation):
    """A store that gives every byte truly once, and from the second time on as *other* has it."""

    def __init__(self, other: bytes) -> None:
        super().__init__("turncoat")
        self.other = other
        self.given: set[int] = set()

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        true = b"".join(super().read(key, offset=offset, length=length))
        answer = bytearray(true)
        for place in range(offset, offset + len(true)):
            if place in self.given and place < len(self.other):
                answer[place - offset] = self.other[place]
            self.given.add(place)
        for start in range(0, len(answer), 50):
            yield bytes(answer[start : start + 50])


def encrypted(plain: bytes) -> bytes:
    stage = Encryptor([IDENTITY.recipient])
    return stage.update(plain) + stage.finalize()


def make(stored: bytes, other: bytes, **changes: Any) -> tuple[GoodSet, Artifact, Turncoat]:
    told = {
        "size": len(stored),
        "sha256": hashlib.sha256(stored).hexdigest(),
        "compression": "none",
        "age_head": None,
        "plain_size": None,
        **changes,
    }
    artifact = replace(make_globals(SetId.parse(SET)), **told)
    manifest = make_manifest(SET, "shop", artifacts=(artifact,))
    location = Turncoat(other)
    good = GoodSet(location, LoadedSet(manifest, manifest.to_bytes(), "good"))
    location.add(good.key(artifact), stored)
    return good, artifact, location


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(reading, "KEPT_BYTES", KEPT)


def handed_out(good: GoodSet, artifact: Artifact, wanted: Sequence[tuple[int, int]], times: int) -> Iterator[bytes]:
    """All that a reader gives for *wanted*, over and over, until it refuses."""
    try:
        reader = open_plain(good, artifact, Decryption.parse([str(IDENTITY)]))
        for _time in range(times):
            for piece in wanted:
                yield reader.fetch(*piece)
            yield b"".join(reader.pieces())
    except BackupError:
        return


RANGES = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 300)), max_size=4)


@given(size=st.integers(0, 700), wanted=RANGES, seed=st.integers(0, 9))
def test_a_file_that_is_not_encrypted_is_the_proven_one_or_refused(
    size: int, wanted: list[tuple[int, int]], seed: int
) -> None:
    made = random.Random(seed)
    plain, other = made.randbytes(size), made.randbytes(size)
    good, artifact, _location = make(plain, other, encryption="none", recipients=())
    found = list(handed_out(good, artifact, [one for one in wanted if sum(one) <= size], 2))
    expected = [plain[offset : offset + length] for offset, length in wanted if offset + length <= size] + [plain]
    assert found == (expected * 2)[: len(found)]


@given(size=st.integers(0, 700), wanted=RANGES, recorded=st.booleans())
def test_an_age_file_is_the_proven_one_or_refused(size: int, wanted: list[tuple[int, int]], recorded: bool) -> None:
    plain = random.Random(size).randbytes(size)
    stored, other = encrypted(plain), encrypted(bytes(size))
    length = head_size(stored)
    head = AgeHead(length, hashlib.sha256(stored[:length]).hexdigest()) if recorded else None
    good, artifact, _location = make(stored, other, encryption="age", age_head=head, plain_size=size)
    found = list(handed_out(good, artifact, [one for one in wanted if sum(one) <= size], 2))
    expected = [plain[offset : offset + count] for offset, count in wanted if offset + count <= size] + [plain]
    assert found == (expected * 2)[: len(found)]


def test_what_is_read_a_second_time_is_refused_by_name() -> None:
    plain = random.Random(1).randbytes(1000)
    good, artifact, _location = make(plain, bytes(1000), encryption="none", recipients=())
    reader = open_plain(good, artifact, Decryption.parse([]))
    with pytest.raises(NotAsWritten, match="in location 'turncoat' is not the file that was written there"):
        reader.fetch(300, 100)


def test_a_small_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    good, artifact, location = make(b"its roles\n", b"OTHER", encryption="none", recipients=())
    reader = open_plain(good, artifact, Decryption.parse([]))
    assert [b"".join(reader.pieces()) for _time in range(3)] == [b"its roles\n"] * 3
    assert location.requests["read"] == 1


def test_the_head_of_an_age_file_is_read_once() -> None:
    stored = encrypted(bytes(500))
    length = head_size(stored)
    head = AgeHead(length, hashlib.sha256(stored[:length]).hexdigest())
    good, artifact, location = make(stored, stored, encryption="age", age_head=head)
    open_plain(good, artifact, Decryption.parse([str(IDENTITY)]))
    assert location.given == set(range(length))


def test_a_head_that_does_not_end_where_it_was_recorded_to_end_is_refused() -> None:
    stored = encrypted(bytes(500))
    length = head_size(stored) + 5
    head = AgeHead(length, hashlib.sha256(stored[:length]).hexdigest())
    good, artifact, _location = make(stored, stored, encryption="age", age_head=head)
    with pytest.raises(BackupError, match="does not end where it was recorded to end"):
        open_plain(good, artifact, Decryption.parse([str(IDENTITY)]))


@pytest.mark.parametrize("told", [499, 501])
def test_more_or_less_inside_than_the_manifest_says_is_an_error(told: int) -> None:
    stored = encrypted(bytes(500))
    good, artifact, _location = make(stored, stored, encryption="age", plain_size=told)
    reader = open_plain(good, artifact, Decryption.parse([str(IDENTITY)]))
    with pytest.raises(BackupError, match=r"bytes inside instead of 501|more inside than its 499 bytes"):
        list(reader.pieces())


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_one_pass_ends_with_an_error_when_the_file_is_another(change: Any) -> None:
    plain = random.Random(2).randbytes(300)
    good, artifact, location = make(plain, plain, encryption="none", recipients=())
    location.add(good.key(artifact), change(plain))
    pieces = StoredArtifact(good, artifact).stored()
    with pytest.raises(NotAsWritten, match=r"more than its 300|299 instead of 300|another SHA-256"):
        list(pieces)
