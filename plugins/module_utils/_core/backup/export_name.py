"""What the name of an exported file says of what is in it, which then is so."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import ConfigError

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_CIPHERS = {".age": "age", ".gpg": "gpg", ".pgp": "gpg"}
_FORMATS = {".csv": "csv", ".json": "json"}
_UNKNOWN = frozenset((".7z", ".br", ".bz2", ".enc", ".lz4", ".lzma", ".xlsx", ".xz", ".zip"))


@dataclass(frozen=True)
class ExportName:
    """The name's endings; None for what it does not say."""

    data_format: str | None
    compress: str | None
    cipher: str | None

    @classmethod
    def parse(cls, dest: str, step: str) -> ExportName:
        """Read the name of *dest*.

        :raises ConfigError: it ends as a file's name does that cannot be made.
        """
        rest, suffix = os.path.splitext(os.path.basename(dest))
        if cipher := _CIPHERS.get(suffix.lower()):
            rest, suffix = os.path.splitext(rest)
        if suffix.lower() in _UNKNOWN:
            hint = "name it .csv or .json, then .gz or .zst where it is to be compressed, then .age or .gpg"
            raise ConfigError(step, f"dest {dest!r} ends in {suffix}, which is not what can be made", hint=hint)
        if compress := _COMPRESSIONS.get(suffix.lower()):
            suffix = os.path.splitext(rest)[1]
        data_format = _FORMATS.get(suffix.lower())
        return cls(data_format, compress, cipher)


def resolve_format(dest: str, data_format: str | None, compress: str | None, step: str) -> tuple[str, str]:
    """Format and compression: as they were given, else as the name says, else plain CSV.

    :raises ConfigError: what was given contradicts the name.
    """
    name = ExportName.parse(dest, step)
    for option, given, said in (("format", data_format, name.data_format), ("compress", compress, name.compress)):
        if given is not None and said is not None and given != said:
            raise ConfigError(
                step,
                f"{option} is {given}, and the name of dest, {os.path.basename(dest)!r}, says {said}",
                hint=f"leave {option} out, or name the file as what it is",
            )
    return data_format or name.data_format or "csv", compress or name.compress or "none"


def check_cipher(dest: str, scheme: str, step: str) -> None:
    """Refuse a name that says how the file is encrypted, and it would not be.

    :param scheme: how it will be encrypted, ``none`` for not at all.
    """
    said = ExportName.parse(dest, step).cipher
    if said is not None and said != scheme:
        what = "not encrypted, as there are no recipients" if scheme == "none" else f"encrypted by {scheme}"
        hint = "give recipients, or name the file as what it is"
        raise ConfigError(step, f"dest {dest!r} would be {what}, and its name says {said}", hint=hint)
