"""What counts as proof that a store holds our bytes."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.checksums import (
    Digests,
    Mismatch,
    PartProof,
    encode,
    multipart_etag,
    prove,
    prove_assembly,
    weakest,
)

DATA = b"123456789"
MD5 = hashlib.md5(DATA).hexdigest()


def proofs(*datas: bytes, proof: str = "crc32") -> list[PartProof]:
    made = [Digests(data) for data in datas]
    return [
        PartProof(number, f'"{digests.md5.hex()}"', proof, digests.crc32, digests.md5)
        for number, digests in enumerate(made, 1)
    ]


def test_the_checksum_is_the_published_one() -> None:
    # The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
    assert Digests(DATA).crc32.hex() == "cbf43926"
    assert encode(Digests(DATA).crc32) == "y/Q5Jg=="


@pytest.mark.parametrize(
    ("reply", "proof"),
    [
        ({"ChecksumCRC32": "y/Q5Jg==", "ETag": '"anything"'}, "crc32"),
        ({"ETag": f'"{MD5}"'}, "md5"),
        ({"ETag": MD5.upper(), "ServerSideEncryption": "AES256"}, "md5"),
        ({"ETag": f'"{"0" * 32}"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": f'"{"0" * 32}"', "SSECustomerAlgorithm": "AES256"}, None),
        ({"ETag": f'"{"0" * 32}-2"'}, None),
        ({"ETag": '"CP+dm8yV4fMCEAE="'}, None),
        ({}, None),
    ],
)
def test_an_echo_or_an_md5_is_proof_and_nothing_else(reply: dict[str, str], proof: str | None) -> None:
    assert prove(Digests(DATA), reply) == proof


@pytest.mark.parametrize("reply", [{"ChecksumCRC32": "AAAAAA==", "ETag": f'"{MD5}"'}, {"ETag": f'"{"0" * 32}"'}])
def test_proof_of_the_contrary_is_an_error(reply: dict[str, str]) -> None:
    with pytest.raises(Mismatch):
        prove(Digests(DATA), reply)


def test_a_whole_is_proven_by_its_weakest_part() -> None:
    assert weakest(["crc32", "crc32"]) == "crc32"
    assert weakest(["crc32", "md5"]) == "md5"
    assert weakest(["crc32", None]) is None
    assert weakest([]) is None


def test_the_assembly_is_proven_by_the_checksum_of_checksums() -> None:
    parts = proofs(b"one", b"two")
    whole = encode(Digests(Digests(b"one").crc32 + Digests(b"two").crc32).crc32)
    assert prove_assembly(parts, {"ChecksumCRC32": f"{whole}-2"})
    with pytest.raises(Mismatch):
        prove_assembly(parts[::-1], {"ChecksumCRC32": f"{whole}-2"})


def test_the_assembly_is_proven_by_the_etag_of_etags_or_not_at_all() -> None:
    parts = proofs(b"one", b"two", proof="md5")
    etag = hashlib.md5(hashlib.md5(b"one").digest() + hashlib.md5(b"two").digest()).hexdigest() + "-2"
    assert multipart_etag([Digests(b"one").md5, Digests(b"two").md5]) == etag
    assert prove_assembly(parts, {"ETag": f'"{etag}"'})
    assert not prove_assembly(parts, {"ETag": '"something of the store\'s own"'})
    assert not prove_assembly(parts, {"ChecksumCRC32": "a checksum of the whole object"})
    assert not prove_assembly([], {})
