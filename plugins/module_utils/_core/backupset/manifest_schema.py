"""The published JSON Schema of the manifest.

``python -m`` on this module prints it: that is how ``docs/manifest.schema.json`` is made.
"""

from __future__ import annotations

import sys
from typing import Any

from ..documents.published_schema import schema_of, schema_text
from .manifest import SHAPE


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12)."""
    return schema_of(SHAPE, "Manifest of a mobul.backup set, version 1")


def published() -> str:
    """The text of ``docs/manifest.schema.json``, generated from the classes."""
    return schema_text(json_schema())


if __name__ == "__main__":
    sys.stdout.write(published())
