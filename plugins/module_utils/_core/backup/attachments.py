"""Small files that go into a set beside its data: the details of an incident, say.

They come encrypted. Whoever gives them encrypts them where they are at home, so that the host that makes the backup
never has them in the open.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..encryption.cipher import FITS_BYTES, Encryption
from ..errors import ConfigError
from ..stream.pipeline import Emit
from ..stream.stages import through

STEP = "check the options"
MAX_BYTES = 8 * 1024 * 1024
"""Of a file as it is stored: it travels as an option of the module."""
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,40})\.([A-Za-z0-9]{1,8})")


@dataclass(frozen=True)
class Attachment:
    """A small file that becomes part of the set, as it is stored there.

    :param stem: its name without the time that every file of a set has, and without extensions.
    :param extension: of what is inside.
    :param data: encrypted.
    """

    stem: str
    extension: str
    data: bytes

    @classmethod
    def parse(cls, options: Mapping[str, Any], taken: Iterable[str]) -> Attachment:
        """From the module's option; raise :class:`ConfigError` if it cannot be right.

        :param taken: stems that other files of the set have.
        """
        match = _NAME.fullmatch(str(options["name"]))
        if match is None or match[1] in taken:
            raise ConfigError(
                STEP, f"attachment {options['name']!r}: the name cannot be used", hint="for example incident.txt"
            )
        try:
            data = base64.b64decode(str(options["content"]), validate=True)
        except (binascii.Error, ValueError):
            hint = "base64 of a file that is encrypted already"
            raise ConfigError(STEP, f"attachment {match[0]}: content is not base64", hint=hint) from None
        if not 0 < len(data) <= MAX_BYTES:
            raise ConfigError(STEP, f"attachment {match[0]} has {len(data)} bytes", hint=f"1 to {MAX_BYTES}")
        return cls(match[1], match[2], data)

    def check(self, encryption: Encryption) -> None:
        """Refuse what is not encrypted as the set is, to as many recipients.

        :raises ConfigError: it is not.
        """
        if not encryption.enabled:
            raise ConfigError(STEP, f"attachment {self.stem}: the set is not encrypted", hint="give recipients")
        if not encryption.fits(self.data[:FITS_BYTES], len(self.data), None):
            hint = "encrypt it to the recipients of the set"
            raise ConfigError(STEP, f"attachment {self.stem} is not encrypted as the set is", hint=hint)


class AttachmentSource:
    """The bytes of one attachment, as the source of a pipeline."""

    def __init__(self, attachment: Attachment) -> None:
        self.name = attachment.stem
        self._data = attachment.data

    def run(self, emit: Emit) -> None:
        """Emit all bytes of the attachment."""
        emit(self._data)

    def cancel(self) -> None:
        """Do nothing: the bytes are in memory and are emitted at once."""


def seal(plain: bytes, encryption: Encryption) -> bytes:
    """The bytes of *plain* as they are stored: encrypted where the set is.

    :raises ConfigError: it is too large, or neither recipients nor a passphrase are given.
    """
    if encryption.size_limit(len(plain)) > MAX_BYTES:
        raise ConfigError(STEP, f"there are {len(plain)} bytes to attach", hint="8 MiB at most: compress them")
    return b"".join(through(iter([plain]), [encryption.transform()]))
