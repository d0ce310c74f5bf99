"""The X25519 recipient type (C2SP age, "The X25519 recipient type"): one key pair, ``age1...`` and its secret."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import bech32, primitives
from .errors import HeaderError
from .header import Stanza, check_lengths

TYPE = "X25519"
RECIPIENT_PREFIX = "age"
IDENTITY_PREFIX = "age-secret-key-"
KEY_SIZE = 32
WRAPPED_SIZE = 32
_INFO = b"age-encryption.org/v1/X25519"
_FIELD_PRIME = 2**255 - 19


@dataclass(frozen=True)
class X25519Recipient:
    """A public key: whoever has its identity can decrypt what is encrypted to it. ``str()`` is the ``age1...`` text.

    :param public: 32 bytes (RFC 7748). ValueError for a value that no identity has, so that nothing is ever
        encrypted to nobody.
    """

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != KEY_SIZE or int.from_bytes(self.public, "little") >= _FIELD_PRIME:
            raise ValueError("it is no X25519 public key")
        primitives.x25519(os.urandom(KEY_SIZE), self.public)

    def __str__(self) -> str:
        return bech32.encode(RECIPIENT_PREFIX, self.public)

    def wrap(self, file_key: bytes) -> Stanza:
        """A new stanza that holds *file_key*; another one each time."""
        ephemeral = os.urandom(KEY_SIZE)
        share = primitives.x25519_public(ephemeral)
        shared = primitives.x25519(ephemeral, self.public)
        body = primitives.wrap(_wrap_key(shared, share, self.public), file_key)
        return Stanza(TYPE, (primitives.encode_base64(share),), body)


class X25519Identity:
    """A secret key. ``str()`` is the secret's text, ``repr()`` shows its recipient only.

    :param secret: 32 bytes.
    """

    __slots__ = ("_secret", "recipient")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError("it is no X25519 secret key")
        self._secret = secret
        self.recipient = X25519Recipient(primitives.x25519_public(secret))

    @classmethod
    def generate(cls) -> X25519Identity:
        """A new private key from the system's random source."""
        return cls(os.urandom(KEY_SIZE))

    def __str__(self) -> str:
        return bech32.encode(IDENTITY_PREFIX, self._secret).upper()

    def __repr__(self) -> str:
        return f"X25519Identity(recipient={self.recipient})"

    def describe(self) -> str:
        """The public key that belongs to it."""
        return str(self.recipient)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key, or None where *stanza* is not for this identity.

        :raises HeaderError: the stanza's share is a point of low order.
        """
        if stanza.type != TYPE:
            return None
        share = primitives.decode_base64(stanza.arguments[0])
        try:
            shared = primitives.x25519(self._secret, share)
        except ValueError as error:
            raise HeaderError(f"header malformed: the share of an X25519 stanza is wrong: {error}") from error
        return primitives.unwrap(_wrap_key(shared, share, self.recipient.public), stanza.body)


def check_stanza(stanza: Stanza) -> None:
    """Refuse an X25519 stanza that breaks the specification.

    :raises HeaderError: arguments, share or body are not as they must be. The body's length is checked before any
        decryption, since a longer one could be made to open under several keys (a partitioning oracle).
    """
    if len(stanza.arguments) != 1:
        raise HeaderError("header malformed: an X25519 stanza must have one argument")
    check_lengths(stanza, "the share", KEY_SIZE, "an X25519 stanza", WRAPPED_SIZE)


def _wrap_key(shared: bytes, share: bytes, public: bytes) -> bytes:
    return primitives.hkdf(shared, salt=share + public, info=_INFO)
