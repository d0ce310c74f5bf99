"""The published JSON Schema of a procedure's document, made from the classes that read and write it.

``python -m`` on this module prints it: that is how ``docs/procedure.schema.json`` is made.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .document import SHAPE


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12)."""
    definitions: dict[str, Any] = {}
    top = SHAPE.schema(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Document of a mobul.backup procedure, version 1",
        **top,
        "$defs": definitions,
    }


def published() -> str:
    """The text of ``docs/procedure.schema.json``, generated from the classes."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published())
