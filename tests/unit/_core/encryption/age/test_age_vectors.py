"""The test vectors of the age format, published with its specification (C2SP CCTV, age/testdata)."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    ArmorError,
    HeaderError,
    HeaderMacError,
    Identity,
    NoMatchError,
    PayloadError,
    ScryptIdentity,
    X25519Identity,
    parse_identities,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.filekey import open_header
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.header import encode_header
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError
from support.age_files import CHUNK, Served, decrypt

VECTORS = Path(__file__).parent / "vectors"
KNOWN_KEYS = {"expect", "payload", "identity", "passphrase", "armored", "compressed", "file key", "comment"}
ERRORS: dict[str, type[CryptoError]] = {
    "no match": NoMatchError,
    "HMAC failure": HeaderMacError,
    "header failure": HeaderError,
    "payload failure": PayloadError,
    "armor failure": ArmorError,
}
ODD_SIZES = (1, 7, 65551, 2, 131105, 65552, 3, 1000)
NOT_SUPPORTED = "post-quantum (hybrid) identities are not supported"


@dataclass(frozen=True)
class Vector:
    name: str
    fields: dict[str, list[str]]
    data: bytes

    @classmethod
    def read(cls, path: Path) -> Vector:
        text, _, data = path.read_bytes().partition(b"\n\n")
        fields: dict[str, list[str]] = {}
        for line in text.decode("utf-8").split("\n"):
            key, _, value = line.partition(": ")
            fields.setdefault(key, []).append(value)
        return cls(path.name, fields, zlib.decompress(data) if "compressed" in fields else data)

    @property
    def expect(self) -> str:
        return self.fields["expect"][0]

    @property
    def armored(self) -> bool:
        return "armored" in self.fields

    def skip_reason(self) -> str | None:
        if unknown := set(self.fields) - KNOWN_KEYS:
            return f"unknown header key {', '.join(sorted(unknown))}"
        return NOT_SUPPORTED if self.fields.get("identity") and not self.identities() else None

    def identities(self) -> list[Identity]:
        """Those of a supported type; any one where the vector fails before a key is needed."""
        keys = [text for text in self.fields.get("identity", []) if not text.startswith("AGE-SECRET-KEY-PQ-")]
        found = [identity for text in keys for identity in parse_identities(text)]
        passphrases = [ScryptIdentity(text) for text in self.fields.get("passphrase", [])]
        if "identity" not in self.fields and not passphrases:
            return [X25519Identity.generate()]
        return [*found, *passphrases]


ALL = [Vector.read(path) for path in sorted(VECTORS.iterdir())]
APPLICABLE = [
    pytest.param(vector, marks=[pytest.mark.skip(reason=reason)] if (reason := vector.skip_reason()) else [])
    for vector in ALL
]
each_vector = pytest.mark.parametrize("vector", APPLICABLE, ids=[vector.name for vector in ALL])


def test_every_vector_is_run_but_those_of_post_quantum_keys(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = Counter(vector.skip_reason() for vector in ALL)
    # On stderr, because the output of pytest-xdist's workers goes nowhere.
    with capsys.disabled():
        print(
            f"\nage vectors: {reasons[None]} of {len(ALL)} run, {reasons[NOT_SUPPORTED]} skipped ({NOT_SUPPORTED})",
            file=sys.stderr,
        )
    assert reasons == {None: 125, NOT_SUPPORTED: 18}


@each_vector
def test_a_vector_ends_as_it_must_whether_fed_whole_or_in_pieces(vector: Vector) -> None:
    ways: list[tuple[int, ...]] = [(), ODD_SIZES]
    if len(vector.data) < 4096:
        ways.append((1,))
    for sizes in ways:
        for armored in (None, vector.armored):
            _check(vector, sizes, armored)


def _check(vector: Vector, sizes: tuple[int, ...], armored: bool | None) -> None:
    outcome = decrypt(vector.data, vector.identities(), sizes=sizes, armored=armored)
    if vector.expect == "success":
        assert outcome.error is None
        assert outcome.header is not None
        file_key = open_header(outcome.header, vector.identities())
        assert file_key.hex() == vector.fields["file key"][0]
        again = encode_header(outcome.header.stanzas, file_key)
        assert len(again) == outcome.header.size
        assert vector.armored or vector.data.startswith(again)
    elif vector.expect == "armor failure" and armored is None:
        # Without being told that it should be armored, some are not recognised as age files at all.
        assert isinstance(outcome.error, ArmorError | HeaderError)
    else:
        assert type(outcome.error) in {ERRORS[vector.expect], *ERRORS[vector.expect].__subclasses__()}
    if "payload" in vector.fields:
        assert hashlib.sha256(outcome.released).hexdigest() == vector.fields["payload"][0]
    elif vector.expect == "armor failure":
        assert b"age".startswith(outcome.released)
    else:
        assert outcome.released == b""


@pytest.mark.parametrize(
    "vector",
    [parameter for parameter in APPLICABLE if not parameter.values[0].armored],
    ids=[vector.name for vector in ALL if not vector.armored],
)
def test_a_binary_vector_read_by_ranges_ends_as_it_must(vector: Vector) -> None:
    streamed = decrypt(vector.data, vector.identities()).released
    if vector.expect == "success":
        reader = Served(vector.data).reader(vector.identities())
        assert reader.plain_size == len(streamed)
        assert reader.pread(0, len(streamed) + 1) == streamed
        return
    released = b""
    with pytest.raises(ERRORS[vector.expect]):
        reader = Served(vector.data).reader(vector.identities())
        for offset in range(0, len(vector.data), CHUNK):
            released += reader.pread(offset, CHUNK)
    assert streamed.startswith(released)
    with contextlib.suppress(CryptoError):
        # Where the chunk that ends the file is intact, its size is known, and it is the true one.
        assert Served(vector.data).reader(vector.identities()).plain_size >= len(streamed)
