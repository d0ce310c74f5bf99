"""The types of field that the documents of a set share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..documents.values import Integer, Mismatch, Parsed, Text
from .naming import KINDS, SetId, check_name

NAMED = Text(empty=False)
COUNT = Integer()
SHA256 = Text(r"[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits in lower case")
SHORT_HASH = Text(r"[0-9a-f]{16}", "16 hexadecimal digits in lower case")
LSN = Text(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}", "a WAL position like '1F/2B003C40'")
ID = Parsed(SetId.parse, rf"({'|'.join(KINDS)})_[0-9]{{8}}_[0-9]{{6}}", "the id of a backup")
_NAME_PATTERN = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
LABEL = Parsed(lambda text: check_name(text, "label"), _NAME_PATTERN, "a name of letters, digits, '.', '_' and '-'")


def check_unique(values: Iterable[object], what: str, path: Sequence[str | int]) -> None:
    """Raise Mismatch at the second of two equal values.

    :param what: what one of them is, for the message.
    :param path: where the list of them lies in the document.
    """
    seen: set[object] = set()
    for number, value in enumerate(values):
        if value in seen:
            raise Mismatch(f"a {what} that did not come before", value, path=[*path, number])
        seen.add(value)
