"""An incident's details: encrypted where the procedure runs, so that no other host has them in the open."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence

from ..backup.attachments import MAX_BYTES, seal
from ..durations import STEP
from ..encryption.recipients import parse_encryption
from ..errors import ConfigError
from ..stream.files import RegularFile

_TEXT, _FILE = "incident_details", "incident_details_file"
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")


def check_details(values: Mapping[str, str]) -> None:
    """See that the file with the details can be read; raise :class:`ConfigError` where it cannot."""
    if values.get(_FILE):
        _read(values[_FILE])


def sealed_details(values: Mapping[str, str], recipients: Sequence[str], gnupghome: str | None) -> list[dict[str, str]]:
    """What ``pg_backup`` takes as its option ``attachments``; empty where no details were given.

    :param recipients: of the set.
    :raises ConfigError: the details cannot be read, or there is nobody to encrypt them to.
    """
    if values.get(_FILE):
        plain, name = _read(values[_FILE]), f"incident.{_extension(values[_FILE])}"
    elif values.get(_TEXT):
        plain, name = values[_TEXT].encode("utf-8", "surrogateescape"), "incident.txt"
    else:
        return []
    if not recipients:
        raise ConfigError(STEP, "an incident's details are never written in the open", hint="give backup_recipients")
    encryption = parse_encryption(recipients, gnupghome=gnupghome)
    try:
        return [{"name": name, "content": base64.b64encode(seal(plain, encryption)).decode()}]
    finally:
        encryption.close()


def _read(given: str) -> bytes:
    try:
        with RegularFile(os.path.expanduser(given), step=STEP) as file:
            data = file.read_at(0, MAX_BYTES + 1)
    except ConfigError as error:
        raise ConfigError(STEP, f"{_FILE}: {error.message}", hint="a file where ansible-playbook runs") from None
    if not 0 < len(data) <= MAX_BYTES:
        hint = "compress it, or keep it elsewhere"
        raise ConfigError(STEP, f"{_FILE}: {given!r} is empty or has more than {MAX_BYTES} bytes", hint=hint)
    return data


def _extension(path: str) -> str:
    found = os.path.splitext(path)[1].lstrip(".")
    return found if _EXTENSION.fullmatch(found) else "txt"
