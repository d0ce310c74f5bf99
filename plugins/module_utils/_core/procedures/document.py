"""The document of a procedure: its checklist, what proves each step, and go or no go.

``docs/procedure.schema.json`` is made from the classes below, and ``docs/procedures.md`` explains it to people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from ..backupset.fields import COUNT, NAMED, SHA256
from ..documents.document import read_document, write_document
from ..documents.published_schema import PublishedSchema
from ..documents.records import ListOf, Nullable, Record
from ..documents.values import Choice, Flag, Integer, Mismatch, Text, Time

FORMAT = "mobul.backup/procedure"
VERSION = 1

PROCEDURES = ("pre_deploy", "pre_migration", "post_incident", "restore", "restore_table")
PENDING, DONE, FAILED, SKIPPED = "pending", "done", "failed", "skipped"
STATUSES = (PENDING, DONE, FAILED, SKIPPED)
GO, NO_GO, CHECKED = "go", "no_go", "checked"
VERDICTS = (GO, NO_GO, CHECKED)

_LINES = ListOf(Text(empty=False))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the checklist, with its status and evidence."""

    name: Annotated[str, Text(r"[a-z][a-z_]*", "a name in lower case"), "The same in every run of the procedure."]
    title: Annotated[str, NAMED, "What the step does, in words."]
    required: Annotated[bool, Flag(), "Whether the verdict can only be go if the step is done."]
    status: Annotated[str, Choice(*STATUSES)] = PENDING
    evidence: Annotated[tuple[str, ...], _LINES, "What proves the step, why it failed, or why it was left out."] = ()
    finished: Annotated[datetime | None, Nullable(Time())] = None
    seconds: Annotated[int, Integer(), "Seconds since the previous step ended, rounded down."] = 0


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The copy of the set in one location."""

    location: Annotated[str, NAMED]
    type: Annotated[str, Text(), "local, s3 or rclone."]
    status: Annotated[str, Choice("good", "failed", "planned")]
    proof: Annotated[str | None, Nullable(Text()), "What proves its bytes; read_back if every byte was read again."]
    error: Annotated[str | None, Nullable(Text()), "Why the copy is not good."]


@dataclass(frozen=True, kw_only=True)
class File:
    """One artifact of the set: name, size and SHA-256."""

    name: Annotated[str, NAMED]
    role: Annotated[str, NAMED]
    size: Annotated[int, COUNT, "Bytes, as it is stored."]
    sha256: Annotated[str, SHA256, "SHA-256 of the file as it is stored."]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """The backup set that the procedure is about."""

    id: Annotated[str, NAMED]
    label: Annotated[str, NAMED]
    directory: Annotated[str, NAMED, "Its path below the root of each location."]
    manifest_sha256: Annotated[str | None, Nullable(SHA256)]
    signed: Annotated[bool | None, Nullable(Flag()), "Whether its manifest is signed; null where that was not checked."]
    reused: Annotated[bool, Flag(), "Whether it had been there before the procedure."]
    copies: Annotated[tuple[Copy, ...], ListOf(Record(Copy))]
    files: Annotated[tuple[File, ...], ListOf(Record(File))]


@dataclass(frozen=True, kw_only=True)
class Custody:
    """Who ran the procedure, from where."""

    user: Annotated[str, Text(), "Name of the account in whose name ansible-playbook ran."]
    host: Annotated[str, Text(), "Name of the machine that it ran on."]
    job: Annotated[str | None, Nullable(Text()), "The pipeline's or AWX's name for the job, where it has one."]
    by: Annotated[str | None, Nullable(Text()), "Who started that job, as the pipeline or AWX names them."]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """One run of a procedure for one database."""

    format: Annotated[str, Choice(FORMAT)] = FORMAT
    version: Annotated[int, Integer(VERSION, VERSION)] = VERSION
    procedure: Annotated[str, Choice(*PROCEDURES)]
    state: Annotated[
        str | None, Nullable(NAMED), "Which part of the procedure this was, for example begun, verified or reverted."
    ]
    host: Annotated[str, NAMED, "The database's host in the inventory."]
    label: Annotated[str, NAMED, "The database's name in the catalogue."]
    environment: Annotated[str | None, Nullable(NAMED)]
    reference: Annotated[str | None, Nullable(NAMED), "Name of the deployment, migration or incident."]
    thread: Annotated[str, NAMED, "What all announcements of this run contain, to be found by it."]
    check_mode: Annotated[bool, Flag(), "Whether nothing was done, as ansible-playbook was given --check."]
    started: Annotated[datetime, Time()]
    finished: Annotated[datetime | None, Nullable(Time()), "When it ended; null while it runs, and if it was killed."]
    verdict: Annotated[str, Choice(*VERDICTS), "Go only at its end, and only where every required step is done."]
    reason: Annotated[str | None, Nullable(NAMED), "Why the verdict is no go; null where it is go."]
    steps: Annotated[tuple[Step, ...], ListOf(Record(Step))]
    backup: Annotated[Backup | None, Nullable(Record(Backup))]
    differences: Annotated[
        tuple[str, ...], _LINES, "How the database differs from the set, a line for each difference."
    ]
    custody: Annotated[Custody, Record(Custody)]

    @classmethod
    def parse(cls, data: bytes) -> Procedure:
        """Read one as it is stored, trusting nothing in it; raise :class:`FormatError` where it is none."""
        return read_document(RECORD, data, what="procedure's document", kind=FORMAT, version=VERSION)

    def to_bytes(self) -> bytes:
        """The document as JSON, in the form in which it is stored and signed.

        :raises FormatError: it is not one that :meth:`parse` would accept: go without a step that is required, say.
        """
        return write_document(RECORD, self, what="procedure's document")


def missing_steps(steps: Sequence[Step]) -> list[Step]:
    """The required steps that are not done."""
    return [step for step in steps if step.required and step.status != DONE]


def check_procedure(procedure: Procedure) -> None:
    """Go means that it has ended and that every required step is done; a step is there once."""
    if procedure.verdict == GO:
        missing = missing_steps(procedure.steps)
        if missing or procedure.finished is None or procedure.check_mode or not procedure.steps:
            raise Mismatch("another verdict, as not every required step is done", procedure.verdict, path=["verdict"])
    if procedure.verdict == CHECKED and not procedure.check_mode:
        raise Mismatch("another verdict, as it was no check", procedure.verdict, path=["verdict"])
    if (procedure.reason is None) != (procedure.verdict != NO_GO):
        raise Mismatch("a reason where it is no go, and null otherwise", procedure.reason, path=["reason"])
    names = [step.name for step in procedure.steps]
    if len(set(names)) != len(names):
        raise Mismatch("steps of different names", names, path=["steps"])


_GO = {"if": {"properties": {"verdict": {"const": GO}}}}
CONDITIONS = {
    "allOf": [
        {
            **_GO,
            "then": {
                "properties": {
                    "finished": {"type": "string"},
                    "check_mode": {"const": False},
                    "reason": {"type": "null"},
                    "steps": {
                        "minItems": 1,
                        "items": {
                            "if": {"properties": {"required": {"const": True}}},
                            "then": {"properties": {"status": {"const": DONE}}},
                        },
                    },
                }
            },
        },
        {
            "if": {"properties": {"verdict": {"const": CHECKED}}},
            "then": {"properties": {"check_mode": {"const": True}, "reason": {"type": "null"}}},
        },
        {
            "if": {"properties": {"verdict": {"const": NO_GO}}},
            "then": {"properties": {"reason": {"type": "string"}}},
        },
    ]
}
"""The part of :func:`check_procedure` that JSON Schema can say."""

RECORD = Record(Procedure, rule=check_procedure, conditions=CONDITIONS)
"""How a document is read, written and described."""
SCHEMA = PublishedSchema(RECORD, "Document of a mobul.backup procedure, version 1")
