"""The packet framing of OpenPGP messages (RFC 9580, sections 4.2 and 10.3), without any cryptography.

gpg decides what is authentic. This module only tells what a file is, to which keys it is encrypted, and that
nothing stands behind the encrypted data, which gpg itself passes over in silence for some packets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import CryptoError, FormatError

STEP = "read the OpenPGP message"

TAG_PKESK = 1
TAG_SKESK = 3
TAG_SECRET_KEY = 5
TAG_PUBLIC_KEY = 6
TAG_SECRET_SUBKEY = 7
TAG_SED = 9
TAG_MARKER = 10
TAG_SEIPD = 18
TAG_AEAD = 20
"""Encrypted data of GnuPG 2.3 and later, before RFC 9580 settled it otherwise."""
TAG_PADDING = 21

_DATA_TAGS = (TAG_SEIPD, TAG_AEAD)
_LEADING_TAGS = (TAG_PKESK, TAG_SKESK, TAG_MARKER, TAG_PADDING)
_ESK_VERSIONS = {TAG_PKESK: (3, 6), TAG_SKESK: (4, 5, 6)}
_MARKER_BODY = b"PGP"
_KEPT_BODY_BYTES = 64
_MAX_LEADING_BYTES = 1024 * 1024
_ARMOR_END = b"-----END PGP MESSAGE-----"


@dataclass(frozen=True)
class Header:
    """The header of one OpenPGP packet.

    :param size: bytes that the header itself takes.
    :param length: bytes of the body, or of its first part; None means up to the end of the file.
    :param partial: whether another length follows that many bytes.
    """

    tag: int
    size: int
    length: int | None
    partial: bool = False


def read_header(data: bytes) -> Header | None:
    """The header at the start of *data*; None when more bytes are needed. Raises :class:`FormatError`."""
    if not data:
        return None
    first = data[0]
    if not first & 0x80:
        raise FormatError(STEP, "the bytes are not an OpenPGP packet")
    if first & 0x40:
        part = _new_length(data[1:])
        return part and Header(first & 0x3F, 1 + part[0], part[1], part[2])
    kind = first & 3
    if kind == 3:
        return Header((first >> 2) & 0xF, 1, None)
    width = 1 << kind
    if len(data) < 1 + width:
        return None
    return Header((first >> 2) & 0xF, 1 + width, int.from_bytes(data[1 : 1 + width], "big"))


def _new_length(data: bytes) -> tuple[int, int, bool] | None:
    """Bytes taken, length, whether partial (RFC 9580, section 4.2.1)."""
    if not data:
        return None
    first = data[0]
    if first < 192:
        return 1, first, False
    if first < 224:
        return (2, ((first - 192) << 8) + data[1] + 192, False) if len(data) >= 2 else None
    if first < 255:
        return 1, 1 << (first & 0x1F), True
    return (5, int.from_bytes(data[1:5], "big"), False) if len(data) >= 5 else None


def begins_message(head: bytes) -> bool:
    """Whether *head* begins an encrypted message: a session key's packet of a known version, or a marker."""
    try:
        header = read_header(head)
    except FormatError:
        return False
    if header is None or header.partial or header.length is None:
        return False
    body = head[header.size : header.size + header.length]
    if header.tag == TAG_MARKER:
        return body == _MARKER_BODY
    return bool(body) and body[0] in _ESK_VERSIONS.get(header.tag, ())


def begins_key(head: bytes) -> str | None:
    """``"secret"`` or ``"public"`` when *head* begins with a binary OpenPGP key of version 3 to 6."""
    try:
        header = read_header(head)
    except FormatError:
        return None
    if header is None or not header.length or head[header.size : header.size + 1] not in (b"\3", b"\4", b"\5", b"\6"):
        return None
    if header.tag in (TAG_SECRET_KEY, TAG_SECRET_SUBKEY):
        return "secret"
    return "public" if header.tag == TAG_PUBLIC_KEY else None


class MessageFrame:
    """Checks the packet framing of an encrypted message while it passes.

    :ivar key_ids: the keys it is encrypted to, 16 hexadecimal digits each (zeros for a hidden recipient).
    :ivar passphrases: to how many passphrases it is encrypted.
    :ivar in_data: whether all session keys have been seen.
    """

    def __init__(self) -> None:
        self.key_ids: list[str] = []
        self.passphrases = 0
        self.in_data = False
        self._buffer = b""
        self._tag = 0
        self._left: int | None = 0
        self._partial = False
        self._body = bytearray()
        self._leading = 0

    def update(self, chunk: bytes) -> None:
        """Look at the next bytes; raise :class:`CryptoError` for what no encrypted message may contain."""
        if self._left is None:
            return
        data = self._buffer + chunk
        position = 0
        while position < len(data) and self._left is not None:
            if self._left:
                taken = min(self._left, len(data) - position)
                self._take_body(data, position, taken)
                position += taken
                continue
            size = self._next(data[position : position + 6])
            if not size:
                break
            position += size
        self._buffer = data[position:] if self._left is not None else b""

    def finalize(self) -> None:
        """Raise :class:`CryptoError` unless the message ended here."""
        if not self.in_data or self._buffer or self._partial or self._left:
            raise CryptoError(STEP, "the file is truncated: the encrypted message does not end")

    def _next(self, data: bytes) -> int:
        """Read the next length or header and return its size; 0 when it is not complete yet."""
        if self._partial:
            part = _new_length(data)
            if part is None:
                return 0
            self._left, self._partial = part[1], part[2]
            return part[0]
        if self.in_data:
            raise CryptoError(STEP, "something was appended behind the encrypted message")
        header = read_header(data)
        if header is None:
            return 0
        self._begin(header)
        return header.size

    def _begin(self, header: Header) -> None:
        self._tag, self._left, self._partial = header.tag, header.length, header.partial
        self._body.clear()
        if header.tag == TAG_SED:
            raise CryptoError(
                STEP,
                "the message has no integrity protection (no MDC), so that nobody can tell whether it was altered",
                hint="if its origin is beyond doubt, decrypt it by hand with gpg --ignore-mdc-error",
            )
        if header.tag in _DATA_TAGS:
            self.in_data = True
            return
        if header.tag not in _LEADING_TAGS or header.partial or header.length is None:
            raise CryptoError(STEP, f"an encrypted message cannot contain a packet of type {header.tag} here")
        self._leading += header.length
        if self._leading > _MAX_LEADING_BYTES:
            raise CryptoError(STEP, "the message has more than 1 MiB of session keys")
        if header.tag == TAG_SKESK:
            self.passphrases += 1

    def _take_body(self, data: bytes, position: int, taken: int) -> None:
        if self._left is None:
            raise AssertionError("no packet was begun")
        self._left -= taken
        if self._tag != TAG_PKESK:
            return
        self._body += data[position : position + min(taken, _KEPT_BODY_BYTES - len(self._body))]
        if not self._left:
            self.key_ids.append(_key_id(bytes(self._body)))


def _key_id(body: bytes) -> str:
    """Whose public key a session key is encrypted with (RFC 9580, section 5.1)."""
    if body[:1] == b"\3" and len(body) >= 9:
        return body[1:9].hex().upper()
    if body[:1] == b"\6" and len(body) > 2 and body[1]:
        fingerprint = body[3 : 2 + body[1]]
        # The key id is the end of a version 4 fingerprint and the beginning of later ones.
        return (fingerprint[-8:] if body[2] == 4 else fingerprint[:8]).hex().upper()
    return "0" * 16


class ArmorFrame:
    """Checks that nothing but white space follows an armored message."""

    def __init__(self) -> None:
        self._tail = b""
        self._ended = False

    def update(self, chunk: bytes) -> None:
        """Look at the next bytes; raise :class:`CryptoError` when something follows the end line."""
        if not self._ended:
            data = self._tail + chunk
            end = data.find(_ARMOR_END)
            if end < 0:
                self._tail = data[-len(_ARMOR_END) :]
                return
            self._ended = True
            chunk = data[end + len(_ARMOR_END) :]
        if re.search(rb"\S", chunk):
            raise CryptoError(STEP, "something was appended behind the encrypted message")

    def finalize(self) -> None:
        """Raise :class:`CryptoError` unless the end line was seen."""
        if not self._ended:
            raise CryptoError(STEP, "the file is truncated: the armor's last line is missing")


def message_key_ids(head: bytes) -> tuple[str, ...] | None:
    """The keys that the binary message beginning with *head* is encrypted to; None if *head* is too short."""
    frame = MessageFrame()
    frame.update(head)
    return tuple(frame.key_ids) if frame.in_data else None
