"""The record of new recipients of an old set: beside the set, a new header for each of its age files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from ..documents.records import ListOf, MapOf
from ..documents.values import Choice, Text, Time
from .artifact import ARTIFACT_NAME
from .fields import NAMED, SHA256
from .set_records import SetRecord

_NAME = re.compile(r"rekeyed_[0-9]{8}_[0-9]{6}\.json")
_HEADER = Text(r"age-encryption\.org/v1\n[\u0020-\u007e\n]{1,20000}", "the header of an age file")


@dataclass(frozen=True, kw_only=True)
class Rekey(SetRecord):
    """The set can be decrypted by further recipients."""

    what = "rekey record"
    kind = "mobul.backup/rekey"

    format: Annotated[str, Choice(kind)] = kind
    rekeyed_at: Annotated[datetime, Time()]
    manifest: Annotated[str, SHA256, "SHA-256 of the set's manifest.json."]
    recipients: Annotated[tuple[str, ...], ListOf(NAMED), "Public keys that the new headers are for."]
    headers: Annotated[
        Mapping[str, str],
        MapOf(Text(ARTIFACT_NAME, "a plain file name"), _HEADER),
        "Artifact -> a header that can stand in the place of its own.",
    ]


def rekey_name(time: datetime) -> str:
    """The object's name of a rekey record made at *time*.

    :param time: in UTC.
    """
    return f"rekeyed_{time:%Y%m%d_%H%M%S}.json"


def is_rekey_name(name: str) -> bool:
    """Whether an object of that name in a set's directory is such a record."""
    return _NAME.fullmatch(name) is not None
