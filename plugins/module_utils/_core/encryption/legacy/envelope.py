"""Reader of the JSON envelope of AES-256-GCM that export scripts on Node.js write.

``{"iv": "<hex>", "authTag": "<32 hex digits>", "data": "<hex>"}``, the key being 64 hexadecimal digits. The
fields may come in any order; the file is never held in memory. Plaintext is handed out before the tag at the
end was checked, so nobody may act on it before :meth:`EnvelopeDecryptor.finalize` has returned.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import CryptoError, FormatError
from ..cipher import DECRYPT, Cipher, DecryptionOptions, Format
from .blockcipher import gcm_decryptor

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext

STEP = "decrypt the AES-256-GCM envelope"
_TAG_BYTES = 16
_FIELDS = ("iv", "authTag", "data")
_OPENING = re.compile(rb'\s*([{,])\s*"([A-Za-z]{1,16})"\s*:\s*"')
_SHORT_VALUE = re.compile(rb'([0-9a-fA-F]{0,512})"')
_CLOSING = re.compile(rb"\s*\}\s*")
_IV = re.compile(rb'"iv"\s*:\s*"([0-9a-fA-F]{16,256})"')
_HEX_END = re.compile(rb"[^0-9a-fA-F]")
_MAX_OPENING_BYTES = 4096
_KEY = re.compile(r"[0-9a-fA-F]{64}")
_SECRET = re.compile(rb"[0-9a-fA-F]{64}\s*\Z")
# Some other JSON may well begin with a field "data": its value must be nothing but hexadecimal digits.
_ENVELOPE = re.compile(
    rb"\s*\{\s*(?:"
    rb'"(?:iv|authTag)"\s*:\s*"[0-9a-fA-F]{2,64}"\s*,\s*"(?:iv|authTag|data)"\s*:\s*"'
    rb'|"data"\s*:\s*"[0-9a-fA-F]*(?:\Z|"\s*,\s*"(?:iv|authTag)"\s*:\s*"))'
)


def parse_key(text: str) -> bytes | None:
    """The key in *text* (64 hexadecimal digits); None if it is something else."""
    stripped = text.strip()
    return bytes.fromhex(stripped) if _KEY.fullmatch(stripped) else None


def find_iv(tail: bytes) -> bytes | None:
    """The initialization vector among a file's last bytes, for files that have it behind the data."""
    found = _IV.findall(tail)
    return _unhex(found[-1], "iv") if found and len(found[-1]) % 2 == 0 else None


class EnvelopeCipher(Cipher):
    """See :class:`Cipher`; it is read and not written."""

    name = "envelope"
    formats = (Format("AES-256-GCM envelope", "envelope"),)

    def __init__(self, given: DecryptionOptions) -> None:
        super().__init__(given)
        self._keys: list[bytes] = []

    @classmethod
    def detect(cls, head: bytes) -> Format | None:
        """See :meth:`Cipher.detect`."""
        return cls.formats[0] if _ENVELOPE.match(head) else None

    @classmethod
    def is_secret(cls, data: bytes) -> bool:
        """See :meth:`Cipher.is_secret`."""
        return _SECRET.search(data) is not None

    @property
    def has_keys(self) -> bool:
        """See :attr:`Cipher.has_keys`."""
        return bool(self._keys)

    def take(self, text: str, where: str) -> bool:
        """See :meth:`Cipher.take`."""
        key = parse_key(text)
        if key is None:
            return False
        self._keys.append(key)
        return True

    def open(self, found: Format, tail: bytes, others: Iterable[bytes]) -> EnvelopeDecryptor:
        """See :meth:`Cipher.open`; the passphrase may be the key."""
        keys = list(self._keys)
        given = parse_key(self.given.passphrase or "")
        keys += [given] if given is not None and given not in keys else []
        if len(keys) != 1:
            raise CryptoError(
                DECRYPT,
                f"the file is an AES-256-GCM envelope: one key is needed, and {len(keys) or 'none'} were given",
                hint="give the 64 hexadecimal digits of ENCRYPTION_KEY as an identity",
            )
        return EnvelopeDecryptor(keys[0], iv=find_iv(tail))


class EnvelopeDecryptor:
    """The stage that decrypts one envelope.

    :param key: 32 bytes.
    :param iv: where it is known already because it stands behind the data.
    """

    name = "envelope"

    def __init__(self, key: bytes, *, iv: bytes | None = None) -> None:
        self._key = key
        self._iv = iv
        self._fields: dict[str, bytes] = {}
        self._context: AEADDecryptionContext | None = None
        self._in_data = False
        self._nibble = b""
        self._buffer = b""

    def update(self, chunk: bytes) -> bytes:
        """Take the next text and return the plaintext of the data in it."""
        self._buffer += chunk
        output: list[bytes] = []
        while True:
            if self._in_data:
                output.append(self._read_data())
            if self._in_data or not self._read_field():
                return b"".join(output)

    def finalize(self) -> bytes:
        """Raise unless the envelope is whole and authentic; there is no more plaintext."""
        if self._in_data or not _CLOSING.fullmatch(self._buffer):
            raise CryptoError(STEP, "the file is truncated, or something was appended behind the envelope")
        missing = [name for name in _FIELDS if name not in self._fields]
        if missing:
            raise FormatError(STEP, f"the envelope lacks {' and '.join(missing)}")
        if self._context is None:
            raise AssertionError("no key was chosen")
        from cryptography.exceptions import InvalidTag

        try:
            return self._context.finalize_with_tag(self._fields["authTag"])
        except InvalidTag:
            raise CryptoError(STEP, "not authentic: the key does not fit, or the file is damaged or altered") from None

    def _read_field(self) -> bool:
        """Read one short field, or the beginning of the data; False when more text is needed."""
        opening = _OPENING.match(self._buffer)
        if opening is None:
            # A regular end waits for finalize(); anything else is no envelope once it is too long.
            if len(self._buffer) > _MAX_OPENING_BYTES or (self._fields and b"}" in self._buffer[:1]):
                self._check_end()
            return False
        name = opening[2].decode()
        if name not in _FIELDS or name in self._fields or (opening[1] == b"{") != (not self._fields):
            raise FormatError(STEP, "the file is JSON, but not {iv, authTag, data}")
        if name == "data":
            self._begin_data(opening.end())
            return True
        value = _SHORT_VALUE.match(self._buffer, opening.end())
        if value is None:
            if len(self._buffer) > _MAX_OPENING_BYTES:
                raise FormatError(STEP, f"{name} is not a short hexadecimal text")
            return False
        self._set(name, _unhex(value[1], name))
        self._buffer = self._buffer[value.end() :]
        return True

    def _check_end(self) -> None:
        if not _CLOSING.fullmatch(self._buffer):
            raise CryptoError(STEP, "something was appended behind the envelope, or it is damaged")
        self._buffer = b"}"

    def _set(self, name: str, value: bytes) -> None:
        if name == "authTag" and len(value) != _TAG_BYTES:
            # A shortened tag can be forged by trying.
            raise CryptoError(STEP, "authTag is not 16 bytes long")
        if name == "iv":
            if not 8 <= len(value) <= 128:
                raise CryptoError(STEP, "iv is not 8 to 128 bytes long")
            if self._iv is not None and self._iv != value:
                raise FormatError(STEP, "the envelope has two different values of iv")
            self._iv = value
        self._fields[name] = value

    def _begin_data(self, position: int) -> None:
        if self._iv is None:
            raise FormatError(
                STEP,
                "iv stands behind the data, and the end of the stream cannot be looked at beforehand",
                hint="read the envelope from a file",
            )
        self._buffer = self._buffer[position:]
        self._fields["data"] = b""
        self._in_data = True
        self._context = gcm_decryptor(self._key, self._iv)

    def _read_data(self) -> bytes:
        if self._context is None:
            raise AssertionError("no key was chosen")
        text, self._buffer = self._nibble + self._buffer, b""
        end = _HEX_END.search(text)
        if end is not None:
            if end[0] != b'"' or end.start() % 2:
                raise FormatError(STEP, "data is not hexadecimal throughout")
            text, self._buffer = text[: end.start()], text[end.end() :]
            self._in_data = False
        usable = len(text) - len(text) % 2
        self._nibble = text[usable:]
        return self._context.update(_unhex(text[:usable], "data"))


def _unhex(text: bytes, name: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except binascii.Error:
        raise FormatError(STEP, f"{name} is not hexadecimal throughout") from None
