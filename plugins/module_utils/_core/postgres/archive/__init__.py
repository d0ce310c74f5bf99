"""pg_dump's custom format: its table of contents, where its blocks lie, and what schema it carries."""

from __future__ import annotations

from .differences import SchemaDifferences, schema_differences
from .schema import is_borrowed, object_digest, object_name, schema_fingerprint, schema_objects
from .toc import Section, TableData, Toc, TocEntry
from .walker import ArchiveWalker, Block, DataObserver

__all__ = [
    "ArchiveWalker",
    "Block",
    "DataObserver",
    "SchemaDifferences",
    "Section",
    "TableData",
    "Toc",
    "TocEntry",
    "is_borrowed",
    "object_digest",
    "object_name",
    "schema_differences",
    "schema_fingerprint",
    "schema_objects",
]
