"""What the tests of the age format share: whole files through push-style stages, cut in any way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    Decryptor,
    Encryptor,
    Header,
    Identity,
    Recipient,
    SeekableReader,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError

CHUNK = 64 * 1024
SEALED = CHUNK + 16
NONCE = 16
BORDER_SIZES = (0, 1, 2, 15, 16, 17, 4096, 65535, 65536, 65537, 131071, 131072, 131073, 196608, 300_000)


@dataclass(frozen=True)
class Outcome:
    """How a decryption ended: every byte that it let out, and its error."""

    released: bytes
    error: CryptoError | None
    header: Header | None = None


def plaintext(size: int, seed: int = 0) -> bytes:
    """Bytes in which every position shows: no two places of any use look alike."""
    return b"".join((number * 2654435761 + seed * 97).to_bytes(8, "big") for number in range(size // 8 + 1))[:size]


def pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """*data* cut into pieces of these sizes in turn, over and over; an empty sequence is one piece."""
    start = number = 0
    while start < len(data):
        size = sizes[number % len(sizes)] if sizes else len(data)
        yield data[start : start + size]
        start, number = start + size, number + 1


def encrypt(data: bytes, recipients: Sequence[Recipient], *, armor: bool = False, sizes: Sequence[int] = ()) -> bytes:
    """Return a complete age file as bytes."""
    encryptor = Encryptor(recipients, armor=armor)
    return b"".join([*(encryptor.update(piece) for piece in pieces(data, sizes)), encryptor.finalize()])


def decrypt(
    data: bytes, identities: Sequence[Identity], *, sizes: Sequence[int] = (), armored: bool | None = None
) -> Outcome:
    """Everything that comes out of a whole age file, and the error at which that ended."""
    decryptor = Decryptor(identities, armored=armored)
    released = []
    error = None
    try:
        for piece in pieces(data, sizes):
            released.append(decryptor.update(piece))
        released.append(decryptor.finalize())
    except CryptoError as raised:
        error = raised
    return Outcome(b"".join(released), error, decryptor.header)


class Served:
    """A file that is read by ranges, and which ranges those were."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.requests: list[tuple[int, int]] = []

    def fetch(self, offset: int, length: int) -> bytes:
        """Return the bytes of a range, as :class:`SeekableReader` calls it."""
        self.requests.append((offset, length))
        return self.data[offset : offset + length]

    def reader(self, identities: Sequence[Identity]) -> SeekableReader:
        """Return a reader of the complete file."""
        return SeekableReader(self.fetch, len(self.data), identities)
