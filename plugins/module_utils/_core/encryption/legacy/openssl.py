"""Reader of files that ``openssl enc -aes-256-cbc -salt`` made: ``Salted__``, eight bytes of salt, AES-256-CBC.

Such a file says neither how its key was derived from the password nor whether it was altered. The derivation
is found by trying those that OpenSSL has used as defaults on the file's beginning and looking which result is
plausible. Damage shows only where it breaks the padding at the end: a bit flipped in the middle garbles
sixteen bytes and nobody notices. That is the format's limit; :data:`UNAUTHENTICATED` says it to the user.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ConfigError, CryptoError, FormatError
from ..cipher import DECRYPT, Cipher, DecryptionOptions, Format
from .blockcipher import cbc_decryptor

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

STEP = "decrypt with the openssl password"
UNAUTHENTICATED = (
    "files of 'openssl enc' carry no proof of integrity: damage or tampering inside may go unnoticed; "
    "compare the result with a known checksum where there is one"
)
SAMPLE_BYTES = 64 * 1024
"""How much ciphertext is waited for before the derivation is chosen."""

_MAGIC = b"Salted__"
_MAGIC_BASE64 = b"U2FsdGVkX1"
_SALT_BYTES = 8
_BLOCK = 16
_KEY_BYTES = 32
_DEFAULT_ITERATIONS = 10000
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ENOUGH_TEXT = 256
_MISFIT = "the password is wrong or the file is damaged"


@dataclass(frozen=True)
class Derivation:
    """How a key comes from a password.

    :param kdf: ``pbkdf2``, or ``legacy`` for EVP_BytesToKey with one iteration.
    :param digest: name of the hash, for example ``sha256`` or ``md5``.
    """

    kdf: str
    digest: str
    iterations: int = 1

    def __str__(self) -> str:
        pbkdf2 = f"-pbkdf2 -iter {self.iterations} " if self.kdf == "pbkdf2" else ""
        return f"{pbkdf2}-md {self.digest}"

    def key_and_iv(self, password: bytes, salt: bytes) -> tuple[bytes, bytes]:
        """Key (32 bytes) and initialization vector (16 bytes)."""
        size = _KEY_BYTES + _BLOCK
        if self.kdf == "pbkdf2":
            data = hashlib.pbkdf2_hmac(self.digest, password, salt, self.iterations, size)
        else:
            data = _bytes_to_key(self.digest, password, salt, size)
        return data[:_KEY_BYTES], data[_KEY_BYTES:size]


def _bytes_to_key(digest: str, password: bytes, salt: bytes, size: int) -> bytes:
    """OpenSSL's EVP_BytesToKey with a count of 1 (its manual page gives the formula)."""
    data = previous = b""
    while len(data) < size:
        previous = hashlib.new(digest, previous + password + salt, usedforsecurity=False).digest()
        data += previous
    return data


DEFAULTS = (
    Derivation("legacy", "sha256"),
    Derivation("pbkdf2", "sha256", _DEFAULT_ITERATIONS),
    Derivation("legacy", "md5"),
)
"""What OpenSSL does without options, likeliest first: since 1.1.0, with -pbkdf2, and before 1.1.0."""


def derivations(
    kdf: str | None = None, digest: str | None = None, iterations: int | None = None
) -> tuple[Derivation, ...]:
    """Those that fit what the user knows; :data:`DEFAULTS` when that is nothing.

    :param kdf: ``pbkdf2`` or ``legacy``.
    :param digest: what was given as -md.
    :param iterations: what was given as -iter, which implies PBKDF2.
    """
    if iterations is not None and (kdf == "legacy" or iterations < 1):
        raise ConfigError(STEP, "iterations go with kdf pbkdf2 only, and are at least 1")
    if digest is not None and digest not in hashlib.algorithms_available:
        raise ConfigError(STEP, f"unknown digest {digest!r}", hint="what was given to openssl as -md: sha256, md5 ...")
    if kdf is None and iterations is not None:
        kdf = "pbkdf2"
    if kdf is None and digest is None:
        return DEFAULTS
    kdfs = (kdf,) if kdf else ("legacy", "pbkdf2")
    digests = (digest,) if digest else ("sha256", "md5", "sha512", "sha1")
    return tuple(
        Derivation(kdf, digest, (iterations or _DEFAULT_ITERATIONS) if kdf == "pbkdf2" else 1)
        for digest in digests
        for kdf in kdfs
    )


class OpensslCipher(Cipher):
    """See :class:`Cipher`; it is read and not written."""

    name = "openssl"
    formats = (
        Format("openssl enc", "openssl", warning=UNAUTHENTICATED),
        Format("openssl enc (base64)", "openssl", armored=True, warning=UNAUTHENTICATED),
    )
    suffixes = (".enc",)

    def __init__(self, given: DecryptionOptions) -> None:
        super().__init__(given)
        known = given.openssl
        self._candidates = derivations(known.kdf, known.digest, known.iterations)

    @classmethod
    def detect(cls, head: bytes) -> Format | None:
        """See :meth:`Cipher.detect`."""
        if head.startswith(_MAGIC):
            return cls.formats[0]
        return cls.formats[1] if head.startswith(_MAGIC_BASE64) else None

    def open(self, found: Format, tail: bytes, others: Iterable[bytes]) -> OpensslDecryptor:
        """See :meth:`Cipher.open`."""
        if self.given.passphrase is None:
            raise CryptoError(DECRYPT, "the file was encrypted by 'openssl enc': its password is needed")
        return OpensslDecryptor(self.given.passphrase, self._candidates, self.given.detect, base64=found.armored)


class OpensslDecryptor:
    """The stage that decrypts one file; the module's documentation has the format.

    :param candidates: derivations to choose from, likeliest first.
    :param detect: tells what kind of file a derivation gives.
    :ivar derivation: the one chosen, once enough of the file has come by.
    """

    name = "openssl"

    def __init__(
        self,
        password: str,
        candidates: Sequence[Derivation],
        detect: Callable[[bytes], Format],
        *,
        base64: bool = False,
    ) -> None:
        self.derivation: Derivation | None = None
        self._password = password.encode()
        self._candidates = candidates
        self._detect = detect
        self._decoder = Base64Decoder() if base64 else None
        self._pending = b""
        self._context: CipherContext | None = None
        self._held = b""

    def update(self, chunk: bytes) -> bytes:
        """Decrypt *chunk*; the last block is held back, because it holds the padding."""
        if self._decoder is not None:
            chunk = self._decoder.update(chunk)
        if self._context is None:
            self._pending += chunk
            if len(self._pending) < len(_MAGIC) + _SALT_BYTES + SAMPLE_BYTES + _BLOCK:
                return b""
            chunk = self._choose(complete=False)
        return self._decrypt(chunk)

    def finalize(self) -> bytes:
        """The last bytes, without padding; raise :class:`CryptoError` if that does not fit."""
        if self._decoder is not None:
            self._pending += self._decoder.finalize()
        output = b""
        if self._context is None:
            output = self._decrypt(self._choose(complete=True))
        if self._context is None:
            raise AssertionError("no key was chosen")
        try:
            self._context.finalize()
        except ValueError:
            raise CryptoError(STEP, "the file is truncated: its length is no multiple of the block size") from None
        rest = _unpad(output + self._held)
        if rest is None:
            raise CryptoError(STEP, _MISFIT)
        return rest

    def _decrypt(self, chunk: bytes) -> bytes:
        if self._context is None:
            raise AssertionError("no key was chosen")
        data = self._held + self._context.update(chunk)
        self._held = data[-_BLOCK:]
        return data[:-_BLOCK]

    def _choose(self, *, complete: bool) -> bytes:
        """Set up the decryption by the first candidate that gives something plausible; return the ciphertext."""
        if not self._pending.startswith(_MAGIC):
            raise FormatError(STEP, "the file does not begin as one of 'openssl enc' with a salt")
        salt = self._pending[len(_MAGIC) : len(_MAGIC) + _SALT_BYTES]
        ciphertext = self._pending[len(_MAGIC) + _SALT_BYTES :]
        if complete and (not ciphertext or len(ciphertext) % _BLOCK):
            raise CryptoError(STEP, "the file is truncated: its length is no multiple of the block size")
        sample = ciphertext if complete else ciphertext[:SAMPLE_BYTES]
        derivation = self._likeliest(salt, sample, complete)
        if derivation is None:
            raise CryptoError(
                STEP,
                f"{_MISFIT}; tried the key derivations: {'; '.join(map(str, self._candidates))}",
                hint="if the password is right, say which options openssl enc was given",
            )
        self.derivation = derivation
        self._context = cbc_decryptor(*self.derivation.key_and_iv(self._password, salt))
        self._pending = b""
        return ciphertext

    def _likeliest(self, salt: bytes, sample: bytes, complete: bool) -> Derivation | None:
        best: Derivation | None = None
        best_score = 0
        for candidate in self._candidates:
            context = cbc_decryptor(*candidate.key_and_iv(self._password, salt))
            plaintext: bytes | None = context.update(sample) + context.finalize()
            if complete:
                plaintext = _unpad(plaintext or b"")
            if plaintext is None:
                continue
            # Without an alternative the end decides: the plaintext may be of a kind that is not known here.
            score = (
                1
                if len(self._candidates) == 1
                else _plausibility(plaintext, self._detect(plaintext), complete=complete)
            )
            if score > best_score:
                best, best_score = candidate, score
        return best


class Base64Decoder:
    """Decodes base64 text that comes in pieces, line ends anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what can be decoded so far."""
        data = self._rest + b"".join(chunk.split())
        usable = len(data) - len(data) % 4
        self._rest = data[usable:]
        return self._decode(data[:usable])

    def finalize(self) -> bytes:
        """Raise unless the text ended at a whole group."""
        return self._decode(self._rest)

    def _decode(self, data: bytes) -> bytes:
        try:
            return binascii.a2b_base64(data, strict_mode=True)
        except binascii.Error:
            raise FormatError(STEP, "the file is truncated, or not base64 throughout") from None


def _unpad(data: bytes) -> bytes | None:
    """*data* without its PKCS #7 padding (RFC 5652, section 6.3); None where that is wrong."""
    count = data[-1] if data else 0
    if not 1 <= count <= _BLOCK or data[-count:] != bytes([count]) * count:
        return None
    return data[:-count]


def _plausibility(plaintext: bytes, found: Format, *, complete: bool) -> int:
    """How likely somebody wanted to keep this: 0 not at all, 1 a short mark that chance could make, 2 surely."""
    if found.weak:
        return 1
    return 2 if found.known or _is_text(plaintext, complete=complete) else 0


def _is_text(data: bytes, *, complete: bool) -> bool:
    if _CONTROL.search(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        cut_at_the_end = not complete and error.start >= len(data) - 3
        # Text of another encoding has no control characters either; random bytes of this length always do.
        return cut_at_the_end or len(data) >= _ENOUGH_TEXT
    return True
