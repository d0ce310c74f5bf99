"""Encryption as a stage of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from .armor import ArmorWriter
from .filekey import Recipient, new_header
from .stream import StreamSealer


class Encryptor:
    """Encrypts a stream to an age v1 file, chunk by chunk. A :class:`pipeline.Transform`; use it once.

    :param recipients: each of them can decrypt the file alone; a passphrase must be the only one.
    :param armor: write text (PEM) instead of bytes; a third larger and slower.
    :raises ConfigError: no recipient, or a combination that the format forbids.
    """

    def __init__(self, recipients: Sequence[Recipient], *, armor: bool = False, name: str = "encrypt") -> None:
        self.name = name
        file_key, header = new_header(recipients)
        self._sealer = StreamSealer(file_key)
        self._prefix = header + self._sealer.nonce
        self._armor = ArmorWriter() if armor else None
        self._finalized = False

    def update(self, chunk: bytes) -> bytes:
        """Take the next plaintext and return what is ready of the file; the header with the first call."""
        return self._write(self._sealer.update(self._alive(chunk)))

    def finalize(self) -> bytes:
        """The final chunk, without which the file cannot be decrypted."""
        self._alive(b"")
        self._finalized = True
        last = self._write(self._sealer.finalize())
        return last + self._armor.finalize() if self._armor else last

    def _alive(self, chunk: bytes) -> bytes:
        if self._finalized:
            raise RuntimeError("an Encryptor is used once: a second file needs keys of its own")
        return chunk

    def _write(self, data: bytes) -> bytes:
        if self._prefix:
            data, self._prefix = self._prefix + data, b""
        return self._armor.update(data) if self._armor else data
