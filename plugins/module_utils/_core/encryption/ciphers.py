"""The ciphers that there are."""

from __future__ import annotations

from collections.abc import Mapping

from .age.cipher import AgeCipher
from .cipher import Cipher
from .gpg.cipher import GpgCipher
from .legacy.envelope import EnvelopeCipher
from .legacy.openssl import OpensslCipher

_TYPES: tuple[type[Cipher], ...] = (AgeCipher, GpgCipher, OpensslCipher, EnvelopeCipher)
CIPHERS: Mapping[str, type[Cipher]] = {cipher.name: cipher for cipher in _TYPES}
"""By their names. The first is what a passphrase encrypts with where no format is asked for."""
