"""The plain bytes of a set's artifact, read by ranges where its encryption allows that.

Nothing is handed out that is not authentic. An age file whose head is in the manifest is proven by that head, since it
fixes the key of every chunk; any other file by its SHA-256, in a reading of its own before the first byte is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from ...backupset.artifact import Artifact
from ...catalogue.good_set import GoodSet
from ...encryption.age import NoMatchError, SeekableReader
from ...encryption.age.ranges import stream_range
from ...encryption.detect import HEAD_BYTES
from ...encryption.identities import Decryption
from ...errors import CryptoError
from ...stream.pipeline import Transform
from ...stream.transforms import Gunzip, Unzstd, read_frames

STEP = "read the backup"
Ranges = Sequence[tuple[int, int]]
"""Offset and length of each piece, ascending and apart from each other."""


class PlainReader:
    """One artifact as it was before compression and encryption. Its ranges may be read again and again."""

    def __init__(self, good: GoodSet, artifact: Artifact) -> None:
        self._good = good
        self.artifact = artifact

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """The bytes of all ranges, one after the other, in pieces of any size."""
        raise NotImplementedError

    def fetch(self, offset: int, length: int) -> bytes:
        """A small range as a whole."""
        return b"".join(self.ranges([(offset, length)]))

    def _stored(self, offset: int, length: int) -> Iterator[bytes]:
        return self._good.location.read(self._good.key(self.artifact), offset=offset, length=length)


class SeekablePlain(PlainReader):
    """Of an age file, or of one that is not encrypted: every range is a request of its own."""

    def __init__(self, good: GoodSet, artifact: Artifact, decryption: Decryption) -> None:
        super().__init__(good, artifact)
        self._age: SeekableReader | None = None
        if artifact.age_head is None:
            good.prove(artifact)
        else:
            self._check_head(artifact.age_head.size, artifact.age_head.sha256)
        if artifact.encryption == "age":
            self._age = self._open(decryption)

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """See :meth:`PlainReader.ranges`."""
        for offset, length in _joined(wanted):
            yield from self._unwrapped(offset, length)

    def _unwrapped(self, offset: int, length: int) -> Iterator[bytes]:
        frames = self.artifact.frames
        if frames is None:
            return self._decrypted(offset, length)
        age = self._age
        size = self.artifact.size if age is None else age.plain_size

        def fetch(start: int, count: int) -> bytes:
            return b"".join(self._decrypted(start, count))

        return read_frames(fetch, frames, self.artifact.plain_size or 0, size, offset, length)

    def _decrypted(self, offset: int, length: int) -> Iterator[bytes]:
        if self._age is None:
            return self._stored(offset, length)
        return stream_range(self._age, self._stored, offset, length)

    def _open(self, decryption: Decryption) -> SeekableReader:
        def fetch(offset: int, length: int) -> bytes:
            return b"".join(self._stored(offset, length))

        try:
            identities = decryption.age_identities()
        except CryptoError as error:
            raise does_not_fit(error, self.artifact) from None
        try:
            return SeekableReader(fetch, self.artifact.size, identities, name=f"decrypt {self.artifact.name}")
        except NoMatchError as error:
            raise does_not_fit(error, self.artifact) from None

    def _check_head(self, size: int, sha256: str) -> None:
        head = b"".join(self._stored(0, size))
        if hashlib.sha256(head).hexdigest() != sha256:
            raise CryptoError(
                "check the artifact",
                f"{self.artifact.name} in location '{self._good.location.name}' is not the file that was written there",
                hint="it was damaged or exchanged: restore from another location",
            )


class StreamedPlain(PlainReader):
    """Of a file that can only be decrypted from its beginning: a range costs all that lies before it."""

    def __init__(self, good: GoodSet, artifact: Artifact, decryption: Decryption) -> None:
        super().__init__(good, artifact)
        self._decryption = decryption
        good.prove(artifact)

    def ranges(self, wanted: Ranges) -> Iterator[bytes]:
        """See :meth:`PlainReader.ranges`."""
        pieces = whole(self._good, self.artifact, self._decryption)
        position, piece = 0, b""
        for offset, length in wanted:
            left = length
            while left:
                if position + len(piece) <= offset + length - left:
                    position += len(piece)
                    piece = next(pieces, b"")
                    if not piece:
                        raise CryptoError(STEP, f"{self.artifact.name} ends before its recorded size")
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
    return kind(good, artifact, decryption)


def whole(
    good: GoodSet, artifact: Artifact, decryption: Decryption, passing: Callable[[bytes], object] | None = None
) -> Iterator[bytes]:
    """An artifact's plain bytes from its beginning to its end, decrypted and decompressed.

    What comes may be used only when the last piece has come, unless the artifact was proven before.

    :param passing: told the stored bytes as they are read.
    """
    stored = good.location.read(good.key(artifact))
    if passing is not None:
        stored = _told(stored, passing)
    head = b""
    while len(head) < HEAD_BYTES and (piece := next(stored, b"")):
        head += piece
    stages: list[Transform] = [] if artifact.encryption == "none" else [decryption.transform_for(head)]
    if artifact.compression == "zstd":
        stages.append(Unzstd())
    elif artifact.compression == "gzip":
        stages.append(Gunzip())
    for piece in chain([head], stored):
        data = piece
        for stage in stages:
            data = stage.update(data)
        yield data
    for number, stage in enumerate(stages):
        data = stage.finalize()
        for following in stages[number + 1 :]:
            data = following.update(data)
        yield data


def _told(pieces: Iterator[bytes], passing: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        passing(piece)
        yield piece


def does_not_fit(error: CryptoError, artifact: Artifact) -> CryptoError:
    """The error for keys none of which fits, with the recipients that the manifest names."""
    return CryptoError(
        f"decrypt {artifact.name}",
        f"{error.message}; it was encrypted to {', '.join(artifact.recipients)}",
        hint="give the secret key of one of them",
    )


def _joined(wanted: Ranges) -> Iterator[tuple[int, int]]:
    """The same ranges, neighbours as one: each costs a request."""
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
