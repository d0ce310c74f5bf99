"""What can be wrong with an age file. All are :class:`CryptoError`, so a caller may tell them apart or not."""

from __future__ import annotations

from ...errors import CryptoError


class AgeError(CryptoError):
    """An age file that cannot be decrypted; whoever knows the file's name puts it into ``step``."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__("decrypt", message, hint=hint)


class HeaderError(AgeError):
    """The header does not follow the format."""


class NotAgeError(HeaderError):
    """The first bytes are not those of an age file at all."""


class NoMatchError(AgeError):
    """The header is well formed, but none of the identities given opens it."""


class HeaderMacError(AgeError):
    """The header was changed after it was written."""


class PayloadError(AgeError):
    """A chunk of the payload is not authentic, or not where it belongs."""


class TruncatedError(PayloadError):
    """The payload ends before its final chunk."""


class TrailingDataError(PayloadError):
    """Something follows the payload's final chunk."""


class ArmorError(AgeError):
    """The text around the file (PEM, RFC 7468 strict) breaks the format."""
