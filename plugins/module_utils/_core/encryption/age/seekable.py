"""Random access to the plaintext of an age file by ranged reads of the encrypted one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .decryptor import check_identities
from .errors import AgeError, HeaderError, TruncatedError
from .filekey import Identity, open_header
from .header import Header, HeaderParser
from .primitives import TAG_SIZE
from .stream import CHUNK_SIZE, NONCE_SIZE, SEALED_SIZE, ChunkCipher, check_last_size, not_authentic, trailing_data

Fetch = Callable[[int, int], bytes]
"""``fetch(offset, length)``: exactly these bytes of the encrypted file; raises what it likes."""

_HEADER_FETCH = 8 * 1024


class SeekableReader:
    """Reads any part of the plaintext of a binary (not armored) age file; one thread at a time.

    Fetches the header when it is made, and then the chunks of 64 KiB that are touched: neighbours with one request,
    and the chunk read last not again. Every byte returned is authentic at its place.

    :param size: of the encrypted file in bytes, as the location reports it. Not trusted: the chunk that it makes the
        last is opened as the final one, which fails for every size but the true one.
    :param head: the header and the nonce, where they are known already; they are not fetched then.
    :param others: further headers for the file; see :func:`filekey.open_header`.
    :param name: the step named in errors.
    :raises CryptoError: the header cannot be opened, see :mod:`.errors`.
    :raises ConfigError: no identity.
    """

    def __init__(
        self,
        fetch: Fetch,
        size: int,
        identities: Sequence[Identity],
        *,
        head: bytes | None = None,
        others: Iterable[bytes] = (),
        name: str = "decrypt",
    ) -> None:
        check_identities(identities)
        self.name = name
        self._fetch = fetch
        self._size = size
        self._cached: dict[int, bytes] = {}
        self._size_is_proven = False
        try:
            self.header: Header = self._read_header() if head is None else _parse_head(head)
            self._payload_start = self.header.size + NONCE_SIZE
            if size < self._payload_start:
                raise HeaderError("header malformed: the file ends before its payload", hint="the file was truncated")
            file_key = open_header(self.header, identities, others)
            nonce = self._fetch_exactly(self.header.size, NONCE_SIZE) if head is None else head[-NONCE_SIZE:]
        except AgeError as error:
            error.step = name
            raise
        self._cipher = ChunkCipher(file_key, nonce)
        # Even an empty payload has a chunk.
        self._chunk_count = max(1, -(-(size - self._payload_start) // SEALED_SIZE))

    @property
    def plain_size(self) -> int:
        """Bytes of plaintext.

        The first use reads the last chunk. The number follows from the file's size alone, and a file cut at a
        chunk's end would only look shorter; but no other chunk opens as the final one.

        :raises CryptoError: the file was cut off or something was appended to it.
        """
        self._prove_size()
        return self._size - self._payload_start - self._chunk_count * TAG_SIZE

    def pread(self, offset: int, length: int) -> bytes:
        """The plaintext from *offset*, *length* bytes or fewer where it ends before.

        :raises CryptoError: a chunk that is touched is not authentic.
        """
        if offset < 0 or length < 0:
            raise ValueError("offset and length must not be negative")
        first = offset // CHUNK_SIZE
        last = min((offset + length - 1) // CHUNK_SIZE, self._chunk_count - 1)
        if length == 0 or first > last:
            # That nothing is there is a statement about the file's end, which must be proven like any other.
            self._prove_size()
            return b""
        plaintext = b"".join(self._read_chunks(first, last))
        start = offset - first * CHUNK_SIZE
        return plaintext[start : start + length]

    def sealed_range(self, first: int, last: int) -> tuple[int, int]:
        """Where in the encrypted file the chunks *first* to *last* lie: begin and end.

        :raises CryptoError: the file ends before them.
        """
        if last >= self._chunk_count:
            raise self.cut_off(self._chunk_count * CHUNK_SIZE)
        start = self._payload_start + first * SEALED_SIZE
        end = min(self._payload_start + (last + 1) * SEALED_SIZE, self._size)
        if last == self._chunk_count - 1:
            try:
                check_last_size(end - self._payload_start - last * SEALED_SIZE, last)
            except AgeError as error:
                error.step = self.name
                raise
        return start, end

    def open_sealed(self, sealed: memoryview, first: int) -> list[bytes]:
        """The plaintext of each of the chunks in *sealed*, which begin with number *first*."""
        try:
            return [
                self._open(sealed[place : place + SEALED_SIZE], first + place // SEALED_SIZE)
                for place in range(0, len(sealed), SEALED_SIZE)
            ]
        except AgeError as error:
            error.step = self.name
            raise

    def cut_off(self, position: int) -> TruncatedError:
        """The error for a file that ends before what is asked for."""
        error = TruncatedError(f"truncated: the plaintext ends at byte {position}", hint="use another copy")
        error.step = self.name
        return error

    def _prove_size(self) -> None:
        if not self._size_is_proven:
            last = self._chunk_count - 1
            self._read_chunks(last, last)

    def _read_header(self) -> Header:
        parser = HeaderParser()
        while parser.received < self._size:
            # Twice as much each time: a long header costs few requests, a common one a single small one.
            length = min(max(_HEADER_FETCH, parser.received), self._size - parser.received)
            header = parser.feed(self._fetch_exactly(parser.received, length))
            if header is not None:
                return header
        raise parser.end()

    def _fetch_exactly(self, offset: int, length: int) -> bytes:
        data = self._fetch(offset, length)
        if len(data) != length:
            raise TruncatedError(
                f"truncated: {length} bytes at {offset} were asked for and {len(data)} came",
                hint="the file changed while it was read, or is shorter than its location says",
            )
        return data

    def _read_chunks(self, first: int, last: int) -> list[bytes]:
        cached = [self._cached[first]] if first in self._cached else []
        if cached and first == last:
            return cached
        start, end = self.sealed_range(first + len(cached), last)
        sealed = memoryview(self._fetch_exactly(start, end - start))
        chunks = self.open_sealed(sealed, first + len(cached))
        self._cached = {last: chunks[-1]}
        return cached + chunks

    def _open(self, sealed: memoryview, number: int) -> bytes:
        final = number == self._chunk_count - 1
        plaintext = bytearray(len(sealed) - TAG_SIZE)
        if self._cipher.open_into(sealed, number, memoryview(plaintext), final=final) is None:
            raise self._fault(sealed, number, final)
        self._size_is_proven = self._size_is_proven or final
        return bytes(plaintext)

    def _fault(self, sealed: memoryview, number: int, final: bool) -> AgeError:
        """Why a chunk did not open: it may be in the other role, where the size is not the file's true one."""
        if not self._cipher.is_authentic(sealed, number, final=not final):
            return not_authentic(number, last=final)
        if not final:
            return trailing_data(number)
        return TruncatedError(f"truncated: the payload ends after {number + 1} chunk(s) without a final one")


def _parse_head(head: bytes) -> Header:
    parser = HeaderParser()
    header = parser.feed(head)
    if header is None:
        raise parser.end()
    if header.size + NONCE_SIZE != len(head):
        raise HeaderError("header malformed: it does not end where it was recorded to end")
    return header
