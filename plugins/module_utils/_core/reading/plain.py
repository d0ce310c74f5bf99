"""The plain bytes of a set's artifact, read by ranges where its encryption and compression allow that.

Nothing is handed out that is not proven to be what the manifest tells of; see :mod:`.artifact`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from ..backupset.artifact import Artifact
from ..catalogue.good_set import GoodSet
from ..encryption.age import NoMatchError, SeekableReader
from ..encryption.age.cipher import AgeCipher
from ..encryption.age.ranges import stream_range
from ..encryption.detect import HEAD_BYTES
from ..encryption.identities import Decryption
from ..errors import BackupError, CryptoError, FormatError
from ..stream.stages import Transform, through
from ..stream.transforms import Gunzip, Unzstd, read_frames
from .artifact import StoredArtifact, VerifiedByHead, VerifiedFile, open_verified

STEP = "read the backup"
Result = TypeVar("Result")
Ranges = Sequence[tuple[int, int]]
"""Offset and length of each piece, ascending and apart from each other."""


class PlainReader:
    """One artifact as it was before compression and encryption. It may be read again and again.

    Where a location fails, or its copy turns out to be damaged, reading goes on in the next one.

    :param verified: *file*, read with a proof.
    """

    def __init__(self, file: StoredArtifact, verified: VerifiedFile, decryption: Decryption) -> None:
        self.artifact = file.artifact
        self._file = file
        self._verified = verified
        self._decryption = decryption

    def pieces(self) -> Generator[bytes, None, None]:
        """All plain bytes, from the first to the last.

        :raises BackupError: no key fits, or it is not what the manifest tells of.
        """
        return self._resuming(
            lambda done: _skip(done, unwrap(self._file, self._verified.read(0, self.artifact.size), self._decryption))
        )

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """The bytes of all ranges, one after the other, in pieces of any size."""
        raise NotImplementedError

    def fetch(self, offset: int, length: int) -> bytes:
        """The plain bytes of a small range, in one piece."""
        return b"".join(self.ranges([(offset, length)]))

    def _with_failover(self, read: Callable[[], Result]) -> Result:
        """What *read* returns in the first location that does not fail."""
        while True:
            location = self._file.location
            try:
                return read()
            except BackupError as error:
                if not self._file.go_on(location, error):
                    raise

    def _resuming(self, begin: Callable[[int], Iterator[bytes]]) -> Generator[bytes, None, None]:
        """The pieces of *begin*, which is given how many bytes came before, from one location after the other."""
        done = 0
        while True:
            location = self._file.location
            try:
                for piece in begin(done):
                    done += len(piece)
                    yield piece
            except BackupError as error:
                if not self._file.go_on(location, error):
                    raise
            else:
                return


class SeekablePlain(PlainReader):
    """Of an age file, or of one that is not encrypted: every range is a request of its own."""

    def __init__(self, file: StoredArtifact, verified: VerifiedFile, decryption: Decryption) -> None:
        super().__init__(file, verified, decryption)
        self._age = self._open() if self.artifact.is_age else None

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """See :meth:`PlainReader.ranges`."""
        for offset, length in _joined(wanted):
            yield from self._unwrapped(offset, length)

    def _unwrapped(self, offset: int, length: int) -> Iterator[bytes]:
        frames = self.artifact.frames
        if frames is None:
            return self._decrypted(offset, length)
        age = self._age
        size = self.artifact.size if age is None else self._with_failover(lambda: age.plain_size)

        def fetch(start: int, count: int) -> bytes:
            return b"".join(self._decrypted(start, count))

        return read_frames(fetch, frames, self.artifact.plain_size or 0, size, offset, length)

    def _decrypted(self, offset: int, length: int) -> Iterator[bytes]:
        def begin(done: int) -> Iterator[bytes]:
            if self._age is None:
                return self._verified.read(offset + done, length - done)
            return stream_range(self._age, self._verified.read, offset + done, length - done)

        return self._resuming(begin)

    def _open(self) -> SeekableReader:
        def fetch(offset: int, length: int) -> bytes:
            return b"".join(self._verified.read(offset, length))

        head = self._verified.head if isinstance(self._verified, VerifiedByHead) else None
        try:
            identities = self._decryption.cipher(AgeCipher).identities()
        except CryptoError as error:
            raise does_not_fit(error, self.artifact) from None
        name = f"decrypt {self.artifact.name}"
        try:
            return self._with_failover(
                lambda: SeekableReader(
                    fetch, self.artifact.size, identities, head=head, others=self._file.other_headers, name=name
                )
            )
        except NoMatchError as error:
            raise does_not_fit(error, self.artifact) from None


class StreamedPlain(PlainReader):
    """Of a file that can only be decrypted from its beginning: a range costs all that lies before it."""

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """See :meth:`PlainReader.ranges`."""
        with contextlib.closing(self.pieces()) as pieces:
            yield from self._cut(pieces, wanted)

    def _cut(self, pieces: Iterator[bytes], wanted: Ranges) -> Iterator[bytes]:
        position, piece = 0, b""
        for offset, length in wanted:
            left = length
            while left:
                if position + len(piece) <= offset + length - left:
                    position += len(piece)
                    following = next(pieces, None)
                    if following is None:
                        raise CryptoError(STEP, f"{self.artifact.name} ends before its recorded size")
                    piece = following
                    continue
                start = offset + length - left - position
                part = piece[start : start + left]
                left -= len(part)
                yield part


def open_plain(good: GoodSet, artifact: Artifact, decryption: Decryption) -> PlainReader:
    """The reader for an artifact, which is proven by then.

    :raises CryptoError: it is not the file that the manifest tells of, or no key fits.
    """
    by_ranges = artifact.encryption in ("age", "none") and (artifact.compression == "none" or artifact.frames)
    kind = SeekablePlain if by_ranges else StreamedPlain
    file = StoredArtifact(good, artifact)
    return kind(file, open_verified(file), decryption)


def unwrap(file: StoredArtifact, stored: Iterator[bytes], decryption: Decryption) -> Iterator[bytes]:
    """What is inside of an artifact, from its stored bytes: decrypted, and then decompressed.

    What comes is proven as far as *stored* is; it is whole when the last piece has come.

    :raises CryptoError: no key fits.
    :raises FormatError: there is more or less inside than the manifest says.
    """
    artifact, head = file.artifact, b""
    while len(head) < HEAD_BYTES and (piece := next(stored, None)) is not None:
        head += piece
    stages: list[Transform] = []
    if artifact.encryption != "none":
        stages.append(decryption.transform_for(head, others=file.other_headers))
    if artifact.compression == "zstd":
        stages.append(Unzstd())
    elif artifact.compression == "gzip":
        stages.append(Gunzip())
    if artifact.plain_size is None:
        stages.append(decryption.allowance(artifact.size))
    size = 0
    try:
        for piece in through(_prepend(head, stored), stages):
            size += len(piece)
            if artifact.plain_size is not None and size > artifact.plain_size:
                raise FormatError(STEP, f"{artifact.name} has more inside than its {artifact.plain_size} bytes")
            yield piece
    except NoMatchError as error:
        raise does_not_fit(error, artifact) from None
    if artifact.plain_size is not None and size != artifact.plain_size:
        raise FormatError(STEP, f"{artifact.name} has {size} bytes inside instead of {artifact.plain_size}")


def _skip(count: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of *pieces* after the first *count*."""
    for piece in pieces:
        if len(piece) > count:
            yield piece[count:]
        count = max(0, count - len(piece))


def _prepend(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def does_not_fit(error: CryptoError, artifact: Artifact) -> CryptoError:
    """The error for keys none of which fits, with the recipients that the manifest names."""
    return CryptoError(
        f"decrypt {artifact.name}",
        f"{error.message}; it was encrypted to {', '.join(artifact.recipients)}",
        hint="give the secret key of one of them, or one that it was rekeyed to",
    )


def _joined(wanted: Ranges) -> Iterator[tuple[int, int]]:
    """The ranges with neighbours joined, since each costs one request."""
    begin = end = -1
    for offset, length in wanted:
        if offset == end:
            end += length
            continue
        if end > begin:
            yield begin, end - begin
        begin, end = offset, offset + length
    if end > begin:
        yield begin, end - begin
