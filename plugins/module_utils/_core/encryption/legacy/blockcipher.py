"""AES of the library ``cryptography``, guarded for hosts that lack it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..age.primitives import require_library

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, CipherContext


def cbc_decryptor(key: bytes, iv: bytes) -> CipherContext:
    """AES in CBC mode, without padding."""
    require_library()
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()


def gcm_decryptor(key: bytes, iv: bytes) -> AEADDecryptionContext:
    """AES in GCM mode; the tag is given at the end, with ``finalize_with_tag``."""
    require_library()
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.GCM(iv)).decryptor()
