"""Whether an encrypted file that is there already can be what encrypting a certain file gives.

Encryption is randomised, so the bytes never tell. What tells without a key: format, for how many or which
recipients, and the size, which age makes exact.
"""

from __future__ import annotations

import base64
import binascii

from ..errors import BackupError
from .age import ArmorError, HeaderError
from .age.armor import ArmorReader
from .age.header import Header, HeaderParser
from .age.stream import CHUNK_SIZE, NONCE_SIZE
from .detect import Format, detect
from .gpg.openpgp import message_key_ids
from .recipients import Encryption

HEAD_BYTES = 64 * 1024
"""How much of the file's beginning :func:`fits` wants."""

_TAG_BYTES = 16
_ARMOR_LINE_BYTES = 48
_ARMOR_FRAME = len("-----BEGIN AGE ENCRYPTED FILE-----\n-----END AGE ENCRYPTED FILE-----\n")
_FORMATS = {
    ("age", False): Format.AGE,
    ("age", True): Format.AGE_ARMOR,
    ("gpg", False): Format.GPG,
    ("gpg", True): Format.GPG_ARMOR,
}


def fits(head: bytes, size: int, plain_size: int | None, encryption: Encryption) -> bool:
    """Whether a file may have been made by *encryption*.

    :param head: its first :data:`HEAD_BYTES`.
    :param size: bytes of the whole file.
    :param plain_size: bytes of what it should hold; None if that is not known.
    """
    if detect(head) is not _FORMATS.get((encryption.scheme, encryption.armor)):
        return False
    if encryption.scheme == "age":
        return _fits_age(head, size, plain_size, encryption)
    return _fits_gpg(head, size, plain_size, encryption)


def _fits_age(head: bytes, size: int, plain_size: int | None, encryption: Encryption) -> bool:
    header = _age_header(head, armored=encryption.armor)
    if header is None:
        return False
    # Who the recipients are is hidden by design; how many, is not.
    kinds = [stanza.type for stanza in header.stanzas]
    wanted = ["X25519"] * len(encryption.recipients) or ["scrypt"]
    if kinds != wanted:
        return False
    return plain_size is None or size == age_file_size(plain_size, header.size, armor=encryption.armor)


def age_file_size(plain_size: int, header_size: int, *, armor: bool) -> int:
    """Bytes of an age file: header, nonce, chunks of 64 KiB with a tag each, and armor where wanted."""
    chunks = max(1, -(-plain_size // CHUNK_SIZE))
    size = header_size + NONCE_SIZE + plain_size + chunks * _TAG_BYTES
    if not armor:
        return size
    lines = -(-size // _ARMOR_LINE_BYTES)
    return _ARMOR_FRAME + 4 * -(-size // 3) + lines


def _age_header(head: bytes, *, armored: bool) -> Header | None:
    try:
        data = ArmorReader().update(head) if armored else head
        return HeaderParser().feed(data)
    except (HeaderError, ArmorError):
        return None


def _fits_gpg(head: bytes, size: int, plain_size: int | None, encryption: Encryption) -> bool:
    key_ids = _gpg_key_ids(head, armored=encryption.armor)
    if key_ids is None or len(key_ids) != len(encryption.recipients):
        return False
    left = list(key_ids)
    for wanted in encryption.key_ids:
        found = next((key_id for key_id in left if key_id in wanted), None)
        if found is None:
            return False
        left.remove(found)
    return plain_size is None or plain_size < size <= encryption.size_limit(plain_size)


def _gpg_key_ids(head: bytes, *, armored: bool) -> tuple[str, ...] | None:
    try:
        return message_key_ids(_dearmor(head) if armored else head)
    except (BackupError, binascii.Error):
        return None


def _dearmor(head: bytes) -> bytes:
    """The first bytes of an armored OpenPGP message (RFC 9580, section 6.2)."""
    _head, _separator, body = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    text = b"".join(body.split(b"\n=")[0].split())
    return base64.b64decode(text[: len(text) - len(text) % 4])
