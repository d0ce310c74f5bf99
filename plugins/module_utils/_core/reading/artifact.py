"""One file of a set in one location, and the only way to read it: what was proven is what is used.

Two exits lead out. :meth:`StoredArtifact.stored` is one pass over the file as it is stored, with the verdict at its
end: for whoever commits nothing before it, as a copy or a check does. :func:`plain.open_plain` gives the bytes inside,
in any order and as often as they are wanted, and hands out none that it has not proven itself. Whoever can write to a
location may exchange a file between two readings: nothing is concluded from an earlier reading but what was kept of it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator

from .. import progress
from ..backupset.artifact import AgeHead, Artifact
from ..catalogue.good_set import GoodSet
from ..encryption.age import AgeError, NoMatchError
from ..errors import BackupError, CryptoError, LocationError
from ..locations.base import Location
from ..stream.transforms import Sha256

BLOCK_BYTES = 1024 * 1024
"""What is hashed as one by :class:`VerifiedByBlocks`: 32 bytes of memory for each MiB of a file."""
KEPT_BYTES = 8 * 1024 * 1024
"""A file up to this size is kept in memory when it is proven, and not read again."""


class NotAsWritten(CryptoError):
    """A file in a location is not the one that the manifest tells of."""


class StoredArtifact:
    """An artifact of a set in one location.

    :param good: the set, whose manifest is trusted as far as it was proven.
    """

    def __init__(self, good: GoodSet, artifact: Artifact) -> None:
        self.artifact = artifact
        self.location = good.location
        self.key = good.key(artifact)
        self._good = good
        self._others = list(good.others)
        self._passed_over = good.passed_over
        self._tag: str | None = None
        self._lock = threading.Lock()

    def go_on(self, failed: Location, error: BackupError) -> bool:
        """Read from the next location from now on, because of *error* in the one that *failed*; False if there is none.

        What was proven of the file holds for every copy of it. Of several threads that fail one moves on.
        """
        if isinstance(error, NoMatchError) or not isinstance(error, (NotAsWritten, LocationError, AgeError)):
            return False
        with self._lock:
            if self.location is not failed:
                return True
            if not self._others:
                return False
            where = "" if f"'{failed.name}'" in error.message else f"location '{failed.name}': "
            self.location, self._tag = self._others.pop(0), None
            self._passed_over.append(
                f"{self.artifact.name} was read on from location '{self.location.name}': {where}{error.message}"
            )
            return True

    @property
    def other_headers(self) -> Iterable[bytes]:
        """Headers for other recipients that lie beside the set; nothing is read before the first is asked for."""
        return _OtherHeaders(self._good, self.artifact.name)

    def stored(self) -> Iterator[bytes]:
        """The stored bytes of the file, from the first to the last.

        What has come may be shown to nobody, and made visible nowhere, before the last piece has.

        :raises NotAsWritten: after the last piece: it is not the file that the manifest tells of.
        :raises LocationError: it cannot be read.
        """
        read = Sha256()
        for piece in self.location.read(self.key):
            read.update(piece)
            progress.advance(len(piece))
            if read.size > self.artifact.size:
                raise self.not_as_written(f"more than its {self.artifact.size} bytes")
            yield piece
        if read.size != self.artifact.size:
            raise self.not_as_written(f"{read.size} instead of {self.artifact.size} bytes")
        if read.hexdigest() != self.artifact.sha256:
            raise self.not_as_written()

    def verify(self) -> None:
        """Read the file once and compare its SHA-256 with the manifest's; says nothing about later readings.

        :raises BackupError: as :meth:`stored`.
        """
        for _piece in self.stored():
            pass

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """A range of the file as it is now, proven by nothing; every range is of one and the same object where the
        store can tell.

        :raises LocationError: it cannot be read, or was exchanged since the first range.
        """
        with self._lock:
            location, tag = self.location, self._tag
        if tag is None:
            info = location.stat(self.key)
            tag = "" if info is None else info.tag
            with self._lock:
                self._tag = tag if self.location is location else self._tag
        for piece in location.read(self.key, offset=offset, length=length, tag=tag):
            progress.advance(len(piece))
            yield piece

    def not_as_written(self, found: str = "another SHA-256 than the manifest says") -> NotAsWritten:
        """The error for a file that is not the one in the manifest.

        :param found: what it has.
        """
        return NotAsWritten(
            "check the artifact",
            f"{self.artifact.name} in location '{self.location.name}' is not the file that was written there: "
            f"it has {found}",
            hint="it was damaged or exchanged: use another copy, and replace this one",
        )


class _OtherHeaders:
    def __init__(self, good: GoodSet, name: str) -> None:
        self._good = good
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        for rekey in self._good.rekeys:
            if self._name in rekey.headers:
                yield rekey.headers[self._name].encode("ascii")


class VerifiedFile:
    """Ranges of a stored file that are those of the file in the manifest, or that whoever decrypts them proves."""

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """The bytes of this range, in pieces of any size.

        :raises NotAsWritten: the file is another by now.
        """
        raise NotImplementedError


class VerifiedByHead(VerifiedFile):
    """Of an age file whose head, kept here, is proven: header and nonce fix the key of every chunk, so that a chunk
    that opens under it is the one that was written (https://c2sp.org/age). Good for nothing but to be decrypted.

    :ivar head: the header and the nonce.
    """

    def __init__(self, file: StoredArtifact, recorded: AgeHead) -> None:
        self._file = file
        self.head = b"".join(file.read(0, recorded.size))
        if len(self.head) != recorded.size or hashlib.sha256(self.head).hexdigest() != recorded.sha256:
            raise file.not_as_written()

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """See :meth:`Proven.read`; the head never comes from the store again."""
        held = self.head[offset : offset + length]
        if held:
            yield held
        if length > len(held):
            yield from self._file.read(offset + len(held), length - len(held))


class VerifiedByBlocks(VerifiedFile):
    """Of any file. One pass proves it and keeps the SHA-256 of each MiB, or the file itself where it is small; a MiB
    that is read again is compared before any of it is handed out.
    """

    def __init__(self, file: StoredArtifact) -> None:
        self._file = file
        self._size = file.artifact.size
        self._digests: list[bytes] = []
        self._small: bytes | None = None
        self._last: tuple[int, bytes] = (-1, b"")
        if self._size <= KEPT_BYTES:
            self._small = b"".join(file.stored())
            return
        with progress.stage(f"prove {file.artifact.name}", self._size):
            self._digests = [hashlib.sha256(block).digest() for block in _blocks(file.stored())]

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """See :meth:`Proven.read`."""
        end = min(offset + length, self._size)
        if self._small is not None:
            yield self._small[offset:end]
            return
        number = offset // BLOCK_BYTES
        for block in self._verified(number, end):
            begin = number * BLOCK_BYTES
            yield block[max(0, offset - begin) : end - begin]
            number += 1

    def _verified(self, first: int, end: int) -> Iterator[bytes]:
        """The blocks from number *first* on that lie before *end*; the one read last is not read again."""
        number, last = self._last
        if number == first:
            yield last
            first += 1
        start = first * BLOCK_BYTES
        if start >= end:
            return
        until = min(-(-end // BLOCK_BYTES) * BLOCK_BYTES, self._size)
        number = first
        for block in _blocks(self._file.read(start, until - start)):
            if number >= len(self._digests) or hashlib.sha256(block).digest() != self._digests[number]:
                raise self._file.not_as_written()
            self._last = (number, block)
            yield block
            number += 1
        if number * BLOCK_BYTES < until:
            raise self._file.not_as_written()


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of :data:`BLOCK_BYTES`; the last may be shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= BLOCK_BYTES:
            yield bytes(held[:BLOCK_BYTES])
            del held[:BLOCK_BYTES]
    if held:
        yield bytes(held)


def open_verified(file: StoredArtifact) -> VerifiedFile:
    """Open the file so that every byte read is verified, in the cheapest way that its encryption allows.

    :raises NotAsWritten: it is not the file that the manifest tells of.
    """
    artifact = file.artifact
    while True:
        location = file.location
        try:
            if artifact.is_age and artifact.age_head is not None:
                return VerifiedByHead(file, artifact.age_head)
            return VerifiedByBlocks(file)
        except BackupError as error:
            if not file.go_on(location, error):
                raise
