"""The published JSON Schema of a procedure's document.

``python -m`` on this module prints it: that is how ``docs/procedure.schema.json`` is made.
"""

from __future__ import annotations

import sys
from typing import Any

from ..documents.published_schema import schema_of, schema_text
from .document import SHAPE


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12)."""
    return schema_of(SHAPE, "Document of a mobul.backup procedure, version 1")


def published() -> str:
    """The text of ``docs/procedure.schema.json``, generated from the classes."""
    return schema_text(json_schema())


if __name__ == "__main__":
    sys.stdout.write(published())
