"""JSON documents of ours that lie in a location: each tells its format and version, and comes from anyone."""

from __future__ import annotations

from typing import TypeVar

from ..errors import FormatError
from .strict_json import check_size, dumps, loads
from .values import FieldType, Mismatch

Value = TypeVar("Value")


def read_document(
    field_type: FieldType[Value], data: bytes, *, what: str, kind: str, version: int, proven: bool = False
) -> Value:
    """Parse and check a document that may come from anyone.

    :param what: in words, ``manifest``.
    :param kind: its member ``format``.
    :param version: the newest that is known.
    :param proven: whether a signature vouches for *data*; see :func:`strict_json.loads`.
    :raises FormatError: naming the path of what is wrong and what was expected.
    """
    step = f"read the {what}"
    document = loads(data, step, proven=proven)
    if not isinstance(document, dict) or document.get("format") != kind:
        raise FormatError(step, f'this is not a {what}: it does not say "format": "{kind}"')
    found = document.get("version")
    if isinstance(found, int) and found > version:
        raise FormatError(
            step,
            f"the {what} is of version {found}, made by a newer version of this collection",
            hint=f"this one reads version {version}: update the collection",
        )
    try:
        return field_type.read(document)
    except Mismatch as mismatch:
        raise FormatError(step, str(mismatch)) from None


def write_document(field_type: FieldType[Value], value: Value, *, what: str) -> bytes:
    """The document as it is stored: equal values have equal bytes.

    :raises FormatError: it is not one that :func:`read_document` would accept.
    """
    step = f"write the {what}"
    try:
        document = field_type.write(value)
        field_type.read(document)
    except Mismatch as mismatch:
        raise FormatError(step, str(mismatch)) from None
    data = dumps(document)
    check_size(data, step, proven=True)
    return data
