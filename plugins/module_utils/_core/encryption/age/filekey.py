"""From recipients to a header that wraps a new file key, and from a header and identities back to the file key.

A file may have further headers that lie elsewhere and wrap the same file key for others. They need nobody's word: the
file's own header has a MAC under the file key, and only a key that this MAC fits is ever used. Whoever does not know
the file key can make no header that passes, and whoever knows it can read the file and gains nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from ...errors import ConfigError
from . import passphrase, x25519
from .errors import AgeError, HeaderError, HeaderMacError, NoMatchError
from .header import MAX_HEADER_SIZE, Header, HeaderParser, Stanza, encode_header

FILE_KEY_SIZE = 16
MAX_OTHER_RECIPIENTS = 100
"""Of another header for a file: whoever can write to a location can make some, and each stanza costs work."""
_CHECKS = {x25519.TYPE: x25519.check_stanza, passphrase.TYPE: passphrase.check_stanza}
_SHOWN_TYPES = 4
_SHOWN_TYPE_LENGTH = 32


class Recipient(Protocol):
    """A public key that wraps the file key of a new file."""

    def wrap(self, file_key: bytes) -> Stanza:
        """A new stanza that holds *file_key*."""


class Identity(Protocol):
    """A private key or passphrase that unwraps the file key of a file."""

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key, or None where *stanza* is for another; called only with stanzas that passed their check."""

    def describe(self) -> str:
        """The name of the identity in messages; never the secret itself."""


def new_header(recipients: Sequence[Recipient]) -> tuple[bytes, bytes]:
    """Make a random file key and wrap it for each recipient.

    :return: the file key and the whole header.
    :raises ConfigError: there is no recipient, or a passphrase is not alone, or there are too many.
    """
    if not recipients:
        raise ConfigError("encrypt", "no recipient is given", hint="give at least one public key (age1...)")
    if len(recipients) > 1 and any(isinstance(recipient, passphrase.ScryptRecipient) for recipient in recipients):
        raise ConfigError(
            "encrypt",
            "a passphrase cannot be combined with other recipients: the age format forbids it",
            hint="give either one passphrase or public keys",
        )
    file_key = os.urandom(FILE_KEY_SIZE)
    return file_key, wrap_header(file_key, recipients)


def wrap_header(file_key: bytes, recipients: Sequence[Recipient]) -> bytes:
    """The header that wraps *file_key* for *recipients*; another one each time."""
    header = encode_header([recipient.wrap(file_key) for recipient in recipients], file_key)
    if len(header) > MAX_HEADER_SIZE:
        raise ConfigError("encrypt", f"{len(recipients)} recipients are too many for a header that can be read back")
    return header


def open_header(header: Header, identities: Sequence[Identity], others: Iterable[bytes] = ()) -> bytes:
    """The file key of an authentic header.

    :param others: further headers for the file, from anyone; taken only as far as they are needed. One that is damaged,
        for nobody here or for another file is passed by.
    :raises HeaderError: a stanza breaks the specification.
    :raises NoMatchError: no identity opens it.
    :raises HeaderMacError: it was changed.
    """
    file_key = _unwrap(header, identities)
    if file_key is not None:
        return file_key
    for other in others:
        file_key = _unwrap_other(other, identities)
        if file_key is not None and header.is_authentic(file_key):
            return file_key
    raise _no_match(header.stanzas, identities)


def wraps(other: bytes, file_key: bytes, count: int) -> bool:
    """Whether *other* is a whole header of *file_key* for *count* public keys."""
    try:
        header = _other_header(other)
    except AgeError:
        return False
    return header.is_authentic(file_key) and len(header.stanzas) == count


def _unwrap(header: Header, identities: Sequence[Identity]) -> bytes | None:
    _check_stanzas(header.stanzas)
    for identity in identities:
        for stanza in header.stanzas:
            file_key = identity.unwrap(stanza)
            if file_key is not None:
                if not header.is_authentic(file_key):
                    raise HeaderMacError("header not authentic: its MAC is wrong", hint="the file was changed")
                return file_key
    return None


def _unwrap_other(other: bytes, identities: Sequence[Identity]) -> bytes | None:
    try:
        return _unwrap(_other_header(other), identities)
    except AgeError:
        return None


def _other_header(data: bytes) -> Header:
    parser = HeaderParser()
    header = parser.feed(data)
    if header is None:
        raise parser.end()
    # A passphrase's stanza could ask for gigabytes of memory and minutes of time.
    plain = all(stanza.type == x25519.TYPE for stanza in header.stanzas)
    if header.size != len(data) or not plain or len(header.stanzas) > MAX_OTHER_RECIPIENTS:
        raise HeaderError(f"it is not a header for 1 to {MAX_OTHER_RECIPIENTS} public keys and no more")
    return header


def _check_stanzas(stanzas: Sequence[Stanza]) -> None:
    for stanza in stanzas:
        check = _CHECKS.get(stanza.type)
        if check is not None:
            check(stanza)
    # A passphrase is also taken as proof of who wrote the file, which a second recipient would undermine.
    if len(stanzas) > 1 and any(stanza.type == passphrase.TYPE for stanza in stanzas):
        raise HeaderError("header malformed: a scrypt stanza is not alone")


def _no_match(stanzas: Sequence[Stanza], identities: Sequence[Identity]) -> NoMatchError:
    counts = Counter(stanza.type[:_SHOWN_TYPE_LENGTH] for stanza in stanzas)
    wanted = [f"{count} of type {kind}" for kind, count in counts.most_common(_SHOWN_TYPES)]
    if len(counts) > _SHOWN_TYPES:
        wanted.append("more of other types")
    given = ", ".join(identity.describe() for identity in identities)
    by_passphrase = any(stanza.type == passphrase.TYPE for stanza in stanzas)
    needed = "passphrase it was encrypted with" if by_passphrase else "secret key of one of its recipients"
    return NoMatchError(
        f"no identity matches: the file has {len(stanzas)} recipient(s), {' and '.join(wanted)}; "
        f"the identities given are for {given}",
        hint=f"give the {needed}",
    )
