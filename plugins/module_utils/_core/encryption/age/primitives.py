"""The few cryptographic functions that age is built of, as the specification names them.

The only place that imports ``cryptography``. It may be missing on a host, and that is reported by the first call
rather than by an ImportError of everything that knows this package.
"""

from __future__ import annotations

import base64
import binascii

from ...errors import PreflightError, missing_cryptography

try:
    from cryptography import exceptions
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    InvalidTag = exceptions.InvalidTag
    LIBRARY_ERROR: ImportError | None = None
except ImportError as error:
    LIBRARY_ERROR = error

TAG_SIZE = 16
_WRAP_NONCE = bytes(12)


def require_library() -> None:
    """Raise :class:`PreflightError` where the library ``cryptography`` is missing."""
    if LIBRARY_ERROR is not None:
        raise missing_cryptography("load the encryption library", LIBRARY_ERROR) from LIBRARY_ERROR


def chacha20_poly1305(key: bytes) -> ChaCha20Poly1305:
    """The cipher of RFC 8439 under a key of 32 bytes."""
    require_library()
    try:
        return ChaCha20Poly1305(key)
    except UnsupportedAlgorithm as error:
        raise PreflightError(
            "load the encryption library",
            "this host's OpenSSL offers no ChaCha20-Poly1305, without which there is no age",
            hint="is it in FIPS mode?",
        ) from error


def hkdf(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869); 32 bytes."""
    require_library()
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def scrypt(passphrase: bytes, *, salt: bytes, log_n: int) -> bytes:
    """Scrypt (RFC 7914) with N = 2 ** *log_n*, r = 8, p = 1; 32 bytes. Takes 2 ** (*log_n* + 10) bytes of memory."""
    require_library()
    try:
        return Scrypt(salt=salt, length=32, n=1 << log_n, r=8, p=1).derive(passphrase)
    except MemoryError as error:
        raise PreflightError(
            "derive a key from the passphrase", f"this needs {1 << max(0, log_n - 10)} MiB of memory at once"
        ) from error


def x25519_public(secret: bytes) -> bytes:
    """The public key of the 32 bytes *secret* (RFC 7748)."""
    require_library()
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def x25519(secret: bytes, public: bytes) -> bytes:
    """The shared secret (RFC 7748); ValueError where it is all zero because *public* is a point of low order."""
    require_library()
    private_key = X25519PrivateKey.from_private_bytes(secret)
    try:
        return private_key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise ValueError("it is an X25519 point of low order, which protects nothing") from None


def wrap(key: bytes, file_key: bytes) -> bytes:
    """Encrypt a file key under a key that is used this once."""
    return chacha20_poly1305(key).encrypt(_WRAP_NONCE, file_key, None)


def unwrap(key: bytes, body: bytes) -> bytes | None:
    """The file key in *body*, or None where *key* is not its key."""
    try:
        return chacha20_poly1305(key).decrypt(_WRAP_NONCE, body, None)
    except InvalidTag:
        return None


def encode_base64(data: bytes) -> str:
    """Base64 without padding (RFC 4648, section 4)."""
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes of canonical base64 without padding; raises ValueError for any other text."""
    try:
        data = binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    # The decoder is lenient; that only one text stands for these bytes is what makes a text canonical.
    if encode_base64(data) != text:
        raise ValueError("not canonical base64")
    return data
