"""The JSON Schema of a document as it is published, made from the classes that read and write it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .records import Record


@dataclass(frozen=True)
class PublishedSchema:
    """The schema of a kind of documents, which ``tools/schemas.py`` writes into ``docs/``."""

    document: Record[Any]
    title: str

    def as_dict(self) -> dict[str, Any]:
        """The schema (JSON Schema, draft 2020-12).

        What it refuses, reading the document refuses; beyond it, reading checks what concerns several values at once.
        """
        definitions: dict[str, Any] = {}
        top = self.document.schema(definitions)
        dialect = "https://json-schema.org/draft/2020-12/schema"
        return {"$schema": dialect, "title": self.title, **top, "$defs": definitions}

    def to_text(self) -> str:
        """The text of the schema's file."""
        return json.dumps(self.as_dict(), indent=2) + "\n"
