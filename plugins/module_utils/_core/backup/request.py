"""What a backup is asked for, checked as far as that goes without touching the world."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..backupset.naming import EXPORT, check_kind, check_name
from ..errors import ConfigError
from ..platforms.profile import Profile
from ..postgres.limits import check_jobs, check_lock_timeout
from ..postgres.names import from_text, parse_name
from ..postgres.selection import Selection
from ..stream.transforms import COMPRESSIONS
from .attachments import Attachment

STEP = "check the options"
FINGERPRINT_CHOICES = ("none", "marked", "all")
FAIL_CRITICAL, FAIL = "fail_critical", "fail"
MISSING_CHOICES = (FAIL_CRITICAL, "warn", FAIL)
RESERVED_NAMES = ("backup", "globals", "manifest", "verified", "hold")
_COMPRESS = re.compile(r"(auto|none|zstd|gzip|lz4)(?::(\d{1,2}))?")


@dataclass(frozen=True)
class TablePolicy:
    """The inventory's entry for one table: priority, personal data, fingerprint.

    :param name: as the user wrote it: ``table``, ``schema.table`` or quoted.
    :param priority: 1 (critical) to 3 (can be regenerated), or None.
    :param personal_data: whether it may never be written unencrypted.
    :param fingerprint: whether its contents get a fingerprint.
    """

    name: str
    priority: int | None = None
    personal_data: bool = False
    fingerprint: bool = False

    def __post_init__(self) -> None:
        if self.priority not in (None, 1, 2, 3):
            raise ConfigError(STEP, f"table {self.name!r} has priority {self.priority!r}", hint="1, 2 or 3")


@dataclass(frozen=True)
class ExportSpec(Selection):
    """The inventory's entry for one table export that goes into the set.

    :param name: first part of the artifact's name.
    """

    name: str
    compress: str = "zstd"

    def __post_init__(self) -> None:
        check_name(self.name, "the export's name")
        if self.name in RESERVED_NAMES:
            raise ConfigError(STEP, f"an export cannot be named {self.name!r}", hint="other files of a set begin so")
        try:
            super().__post_init__()
        except ConfigError as error:
            raise ConfigError(STEP, f"export {self.name!r}: {error.message}", hint=error.hint) from None
        if self.compress not in COMPRESSIONS:
            raise ConfigError(STEP, f"export {self.name!r}: compress is {self.compress!r}", hint="none, gzip or zstd")

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> ExportSpec:
        """From a dict of the inventory; the name defaults to the table's."""
        table = options.get("table")
        name = options.get("name") or (re.sub(r'["]', "", str(table)).split(".")[-1] if table else None)
        if not name:
            raise ConfigError(STEP, "an export with a query needs a name")
        columns = options.get("columns")
        return cls(
            name=name,
            table=table,
            query=options.get("query"),
            columns=tuple(map(from_text, columns)) if columns else None,
            where=options.get("where"),
            data_format=options.get("format") or "csv",
            compress=options.get("compress") or "zstd",
        )


@dataclass(frozen=True)
class Compression:
    """How the dump is compressed: ``auto`` is zstd, by pg_dump itself where its version can."""

    method: str = "auto"
    level: int | None = None

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Read ``auto``, ``none``, ``zstd``, ``zstd:3``, ``gzip:6``, ``lz4``."""
        match = _COMPRESS.fullmatch(text)
        if match is None or (match[2] and match[1] in ("auto", "none")):
            raise ConfigError(STEP, f"compress {text!r} is not understood", hint="auto, none, zstd:1, gzip:6 or lz4")
        level = int(match[2]) if match[2] else None
        limit = {"zstd": 22, "gzip": 9, "lz4": 12}.get(match[1], 0)
        if level is not None and not 1 <= level <= limit:
            raise ConfigError(
                STEP, f"compress {text!r} is not possible: its level is out of range", hint=f"1 to {limit}"
            )
        return cls(match[1], level)


@dataclass(frozen=True)
class BackupRequest:
    """Everything a backup is asked for, beside how to reach the database and the locations.

    :param exclude_table_data: names of tables whose rows are left out, or patterns of them.
    :param profile: of the platform that hosts the database.
    """

    label: str
    kind: str = "manual"
    environment: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1
    compress: Compression = field(default_factory=Compression)
    tables: tuple[TablePolicy, ...] = ()
    exports: tuple[ExportSpec, ...] = ()
    fingerprint: str = "marked"
    min_copies: int | None = None
    missing_tables: str = FAIL_CRITICAL
    exclude_table_data: tuple[str, ...] = ()
    lock_timeout: int = 60
    pg_bin_dir: str | None = None
    allow_unencrypted: bool = False
    adopt: str | None = None
    attachments: tuple[Attachment, ...] = ()
    profile: Profile | None = None

    def __post_init__(self) -> None:
        check_name(self.label, "label")
        check_kind(self.kind)
        if self.environment is not None:
            check_name(self.environment, "environment")
        check_jobs(self.jobs, STEP)
        check_lock_timeout(self.lock_timeout, STEP)
        if self.fingerprint not in FINGERPRINT_CHOICES:
            raise ConfigError(STEP, f"fingerprint is {self.fingerprint!r}", hint=", ".join(FINGERPRINT_CHOICES))
        if self.missing_tables not in MISSING_CHOICES:
            raise ConfigError(STEP, f"missing_tables is {self.missing_tables!r}", hint=", ".join(MISSING_CHOICES))
        for name, value in self.labels.items():
            if not name or "\0" in name or "\0" in value:
                raise ConfigError(STEP, f"labels has {name!r}: {value!r}", hint="names that are not empty, no NUL")
        if self.kind == EXPORT and not self.exports:
            raise ConfigError(
                STEP, "exports is empty, and kind is 'export'", hint="name the tables or queries to export"
            )
        _check_unique("table", [table.name for table in self.tables])
        _check_unique("export", [export.name for export in self.exports])
        _check_unique("attachment", [attachment.stem for attachment in self.attachments])
        for pattern in self.exclude_table_data:
            parse_name(pattern)
            if not pattern.strip("*?. "):
                raise ConfigError(
                    STEP, f"exclude_table_data: {pattern!r} would leave everything out", hint="for example demo_*"
                )

    @property
    def dumps(self) -> bool:
        """Whether the whole database is asked for, and not exports alone."""
        return self.kind != EXPORT

    def check_encryption(self, *, encrypted: bool) -> None:
        """Refuse to write data unencrypted, personal data always and other data unless that was asked for."""
        if encrypted:
            return
        personal = [table.name for table in self.tables if table.personal_data]
        if personal:
            raise ConfigError(
                STEP,
                f"recipients is empty, but personal data is never written unencrypted: {', '.join(personal)}",
                hint="give at least one recipient",
            )
        if not self.allow_unencrypted:
            raise ConfigError(
                STEP, "recipients is empty", hint="give at least one recipient, or set allow_unencrypted: true"
            )

    def copies_wanted(self, locations: int) -> int:
        """How many good copies make the run a success; by default one in every location."""
        wanted = locations if self.min_copies is None else self.min_copies
        if not 1 <= wanted <= locations:
            there_are = "is 1 location" if locations == 1 else f"are {locations} locations"
            raise ConfigError(STEP, f"min_copies is {wanted}, but there {there_are}", hint=f"1 to {locations}")
        return wanted


def _check_unique(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(STEP, f"{what} given twice: {', '.join(twice)}")
