"""The age v1 file format (C2SP, https://c2sp.org/age): keys, encryption, decryption and random access."""

from __future__ import annotations

from .decryptor import Decryptor
from .encryptor import Encryptor
from .errors import (
    AgeError,
    ArmorError,
    HeaderError,
    HeaderMacError,
    NoMatchError,
    NotAgeError,
    PayloadError,
    TrailingDataError,
    TruncatedError,
)
from .filekey import Identity, Recipient
from .header import Header, Stanza
from .keys import parse_identities, parse_recipient
from .passphrase import ScryptIdentity, ScryptRecipient
from .seekable import SeekableReader
from .x25519 import X25519Identity, X25519Recipient

__all__ = [
    "AgeError",
    "ArmorError",
    "Decryptor",
    "Encryptor",
    "Header",
    "HeaderError",
    "HeaderMacError",
    "Identity",
    "NoMatchError",
    "NotAgeError",
    "PayloadError",
    "Recipient",
    "ScryptIdentity",
    "ScryptRecipient",
    "SeekableReader",
    "Stanza",
    "TrailingDataError",
    "TruncatedError",
    "X25519Identity",
    "X25519Recipient",
    "parse_identities",
    "parse_recipient",
]
