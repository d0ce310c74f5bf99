"""The manifest: what a backup set holds, from which database and snapshot, and how to read it.

It is the last object of a set to be written and the first to be read. ``docs/manifest.schema.json`` is made from
the classes below and those of :mod:`.artifact`, and ``docs/backup-set.md`` explains it to people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from ..documents.document import read_document, write_document
from ..documents.published_schema import PublishedSchema
from ..documents.records import Later, ListOf, MapOf, Nullable, Record
from ..documents.values import Choice, Flag, Integer, Mismatch, Text, Time
from .artifact import ARTIFACT_CONDITIONS, Artifact, check_artifact
from .fields import COUNT, ID, LABEL, LSN, NAMED, SHA256, SHORT_HASH, check_unique
from .naming import KINDS, SetId

FORMAT = "mobul.backup/manifest"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The one moment of the database that everything in the set shows."""

    id: Annotated[str, NAMED, "As pg_export_snapshot() named it."]
    time: Annotated[datetime, Time(), "The server's time when the snapshot was taken."]
    wal_lsn: Annotated[str | None, Nullable(LSN), "WAL position at that time, if the server gives it."]


@dataclass(frozen=True, kw_only=True)
class Database:
    """The identity of the database that was backed up."""

    name: Annotated[str, NAMED]
    system_identifier: Annotated[
        str | None,
        Nullable(Text(r"[0-9]{1,20}", "a number in digits")),
        "System identifier of the cluster, if the role may read it.",
    ]
    server_version: Annotated[str, NAMED, "The server's version, as the server writes it."]
    server_version_num: Annotated[int, COUNT, "The server's version as a number, for example 170010 for 17.10."]
    encoding: Annotated[str, NAMED]
    size: Annotated[int, COUNT, "pg_database_size(), in bytes."]
    snapshot: Annotated[Snapshot, Record(Snapshot)]


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A digest of a table's contents that does not depend on the order of its rows."""

    algorithm: Annotated[str, NAMED]
    value: Annotated[str, NAMED]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was in the snapshot: row count, priority, fingerprint."""

    schema: Annotated[str, NAMED]
    name: Annotated[str, NAMED]
    priority: Annotated[int | None, Nullable(Integer(1, 3)), "1 is critical, 3 can be made again."] = None
    personal_data: Annotated[bool, Flag()] = False
    rows: Annotated[int, COUNT]
    fingerprint: Annotated[Fingerprint | None, Nullable(Record(Fingerprint))] = None
    left_out: Annotated[
        bool | None, Later(Flag()), "Whether its rows were left out of the set on purpose. `rows` is 0 then."
    ] = None


def check_table(table: Table) -> None:
    """Raise :class:`Mismatch` if a table whose rows were left out has rows or a fingerprint."""
    if table.left_out and (table.rows or table.fingerprint is not None):
        raise Mismatch("a table without rows and fingerprint, as it is left out", table.rows, path=["rows"])


@dataclass(frozen=True, kw_only=True)
class SchemaFingerprint:
    """A digest of the schema, and one of each of its objects, so that a difference can be named."""

    algorithm: Annotated[str, NAMED]
    fingerprint: Annotated[str, SHA256]
    objects: Annotated[Mapping[str, str], MapOf(NAMED, SHORT_HASH)]


@dataclass(frozen=True, kw_only=True)
class PreviousSet:
    """The set of the same label that came before, so that a missing or replayed set shows."""

    id: Annotated[SetId, ID]
    sha256: Annotated[str, SHA256, "SHA-256 of that set's manifest.json."]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of one set: its database, tables, artifacts and predecessor."""

    format: Annotated[str, Choice(FORMAT)] = FORMAT
    version: Annotated[int, Integer(VERSION, VERSION)] = VERSION
    id: Annotated[SetId, ID, "Kind and time of the set; also the name of its directory."]
    kind: Annotated[str, Choice(*KINDS)]
    label: Annotated[str, LABEL, "The database's name in the catalogue."]
    environment: Annotated[str | None, Nullable(NAMED)] = None
    labels: Annotated[Mapping[str, str], MapOf(NAMED, Text()), "The user's own marks: a deployment's id, say."]
    started: Annotated[datetime, Time()]
    finished: Annotated[datetime, Time()]
    database: Annotated[Database, Record(Database)]
    tools: Annotated[Mapping[str, str], MapOf(NAMED, NAMED), "Program -> version."]
    artifacts: Annotated[
        tuple[Artifact, ...],
        ListOf(Record(Artifact, rule=check_artifact, conditions=ARTIFACT_CONDITIONS)),
    ]
    tables: Annotated[tuple[Table, ...], ListOf(Record(Table, rule=check_table))]
    schema: Annotated[SchemaFingerprint, Record(SchemaFingerprint)]
    large_objects: Annotated[int, COUNT, "How many large objects the database has."]
    large_object_contents: Annotated[
        Fingerprint | None, Later(Record(Fingerprint)), "Fingerprint of all of them, if contents have fingerprints."
    ] = None
    large_object_rights: Annotated[Fingerprint | None, Later(Record(Fingerprint)), "Digest of owners and grants."] = (
        None
    )
    previous: Annotated[PreviousSet | None, Nullable(Record(PreviousSet))] = None
    warnings: Annotated[tuple[str, ...], ListOf(Text())] = ()

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """Schema and name of the tables whose rows are not in it, on purpose."""
        return tuple((table.schema, table.name) for table in self.tables if table.left_out)

    @classmethod
    def parse(cls, data: bytes, *, proven: bool = False) -> Manifest:
        """Read the bytes of a ``manifest.json``, trusting nothing in them.

        :param proven: whether its signature is good; see :func:`strict_json.loads`.
        :raises FormatError: naming the path of what is wrong and what was expected.
        """
        return read_document(RECORD, data, what="manifest", kind=FORMAT, version=VERSION, proven=proven)

    def to_bytes(self) -> bytes:
        """The manifest as it is stored: equal manifests have equal bytes.

        :raises FormatError: it is not one that :meth:`parse` would accept.
        """
        return write_document(RECORD, self, what="manifest")


def check_manifest(manifest: Manifest) -> None:
    """The id's kind is the manifest's; artifacts and tables are there once; a dump's parts are all there, but for a set
    of exported tables, which has nothing else.
    """
    if manifest.kind != manifest.id.kind:
        raise Mismatch(f"{manifest.id.kind!r}, as its id says", manifest.kind, path=["kind"])
    check_unique((artifact.name for artifact in manifest.artifacts), "name", ["artifacts"])
    check_unique(((table.schema, table.name) for table in manifest.tables), "table", ["tables"])
    parts = sorted(artifact.part for artifact in manifest.artifacts if artifact.part is not None)
    if parts != list(range(1, len(parts) + 1)):
        raise Mismatch(f"the parts of a dump numbered 1, 2, ..., each once; found {parts[:20]}", path=["artifacts"])
    if not manifest.id.is_backup and {artifact.role for artifact in manifest.artifacts} != {"export"}:
        raise Mismatch("exported tables only, as its kind is 'export'", path=["artifacts"])
    if manifest.previous is not None and manifest.previous.id == manifest.id:
        raise Mismatch("another set than this one", str(manifest.id), path=["previous", "id"])


RECORD = Record(Manifest, rule=check_manifest)
"""How a manifest is read, written and described."""
SCHEMA = PublishedSchema(RECORD, "Manifest of a mobul.backup set, version 1")


def digest(data: bytes) -> str:
    """SHA-256 of a manifest's stored bytes, as the next set's ``previous`` holds it."""
    return hashlib.sha256(data).hexdigest()
