"""The JSON Schema of a document as it is published, made from the classes that read and write it."""

from __future__ import annotations

import json
from typing import Any

from .records import Record


def schema_of(document: Record[Any], title: str) -> dict[str, Any]:
    """The schema (JSON Schema, draft 2020-12).

    What it refuses, reading the document refuses; beyond it, reading checks what concerns several values at once.
    """
    definitions: dict[str, Any] = {}
    top = document.schema(definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **top, "$defs": definitions}


def schema_text(schema: dict[str, Any]) -> str:
    """The text of the schema's file in ``docs/``."""
    return json.dumps(schema, indent=2) + "\n"
