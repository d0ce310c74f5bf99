"""The scrypt recipient type (C2SP age, "The scrypt recipient type"): a passphrase instead of a key pair."""

from __future__ import annotations

import os
import re

from ...errors import ConfigError
from . import primitives
from .errors import HeaderError
from .header import Stanza, check_lengths

TYPE = "scrypt"
DEFAULT_WORK_FACTOR = 18
"""2 ** 18 rounds: about a second and 256 MiB of memory, once for a file."""
DEFAULT_MAX_WORK_FACTOR = 22
"""What is accepted from a file: up to 4 GiB of memory, the same limit as the age command's."""

_WORK_FACTOR_LIMIT = 30
_SALT_SIZE = 16
_WRAPPED_SIZE = 32
_LABEL = b"age-encryption.org/v1/scrypt"
_WORK_FACTOR = re.compile("[1-9][0-9]*")


class ScryptRecipient:
    """Encrypts to a passphrase; must be the only recipient of a file.

    :param work_factor: the logarithm to base 2 of scrypt's N.
    """

    def __init__(self, passphrase: str, work_factor: int = DEFAULT_WORK_FACTOR) -> None:
        if not 1 <= work_factor <= _WORK_FACTOR_LIMIT:
            raise ConfigError("read the passphrase", f"work factor {work_factor} is not in 1..{_WORK_FACTOR_LIMIT}")
        self._passphrase = _encoded(passphrase)
        self._work_factor = work_factor

    def __repr__(self) -> str:
        return f"ScryptRecipient(work_factor={self._work_factor})"

    def wrap(self, file_key: bytes) -> Stanza:
        """A new stanza that holds *file_key*."""
        salt = os.urandom(_SALT_SIZE)
        body = primitives.wrap(_wrap_key(self._passphrase, salt, self._work_factor), file_key)
        return Stanza(TYPE, (primitives.encode_base64(salt), str(self._work_factor)), body)


class ScryptIdentity:
    """Decrypts with a passphrase.

    :param max_work_factor: a file that asks for more work is refused, before any is done.
    """

    def __init__(self, passphrase: str, max_work_factor: int = DEFAULT_MAX_WORK_FACTOR) -> None:
        self._passphrase = _encoded(passphrase)
        self._max_work_factor = max_work_factor

    def __repr__(self) -> str:
        return f"ScryptIdentity(max_work_factor={self._max_work_factor})"

    def describe(self) -> str:
        """For messages; says nothing about the passphrase."""
        return "a passphrase"

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key, or None where *stanza* is none of this type or the passphrase is wrong.

        :raises HeaderError: the file asks for too much work.
        """
        if stanza.type != TYPE:
            return None
        salt, digits = primitives.decode_base64(stanza.arguments[0]), stanza.arguments[1]
        # The length first: converting a number of a million digits would be work of its own.
        if len(digits) > len(str(self._max_work_factor)) or int(digits) > self._max_work_factor:
            raise HeaderError(
                f"header malformed: the scrypt stanza's work factor is larger than {self._max_work_factor}",
                hint="to decrypt it would take unreasonable time and memory",
            )
        return primitives.unwrap(_wrap_key(self._passphrase, salt, int(digits)), stanza.body)


def check_stanza(stanza: Stanza) -> None:
    """Refuse a scrypt stanza that breaks the specification.

    :raises HeaderError: salt, work factor or body are not as they must be.
    """
    if len(stanza.arguments) != 2:
        raise HeaderError("header malformed: a scrypt stanza must have two arguments")
    check_lengths(stanza, "the salt", _SALT_SIZE, "a scrypt stanza", _WRAPPED_SIZE)
    if not _WORK_FACTOR.fullmatch(stanza.arguments[1]):
        raise HeaderError("header malformed: the work factor of a scrypt stanza is not a positive decimal number")


def _encoded(passphrase: str) -> bytes:
    if not passphrase:
        raise ConfigError("read the passphrase", "it is empty")
    return passphrase.encode("utf-8")


def _wrap_key(passphrase: bytes, salt: bytes, work_factor: int) -> bytes:
    return primitives.scrypt(passphrase, salt=_LABEL + salt, log_n=work_factor)
