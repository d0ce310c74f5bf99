"""The published JSON Schema of the manifest, made from the classes that read and write it.

``python -m`` on this module prints it: that is how ``docs/manifest.schema.json`` is made.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .manifest import SHAPE


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12).

    What it refuses, :meth:`Manifest.parse` refuses; beyond it, parsing checks what concerns several values at once.
    """
    definitions: dict[str, Any] = {}
    top = SHAPE.schema(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of a mobul.backup set, version 1",
        **top,
        "$defs": definitions,
    }


def published() -> str:
    """The text of ``docs/manifest.schema.json``, generated from the classes."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published())
