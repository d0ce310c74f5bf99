"""Manifests for tests: one that is quick to make, and all that hypothesis can think of."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset import manifest as m
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.artifact import (
    AgeHead,
    Artifact,
    Export,
    Frame,
    Index,
    IndexBlock,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from hypothesis import strategies as st

SHA256 = "0123456789abcdef" * 4
UTC = timezone.utc


def make_manifest(set_id: str = "weekly_20261122_000000", label: str = "shop", **changes: Any) -> m.Manifest:
    """A plausible manifest of a small database; *changes* replace its members."""
    parsed = SetId.parse(set_id)
    plain = m.Manifest(
        id=parsed,
        kind=parsed.kind,
        label=label,
        environment="production",
        labels={"deployment": "2026-11-24.3"},
        started=parsed.time,
        finished=parsed.time + timedelta(seconds=7),
        database=m.Database(
            name="shop",
            system_identifier="7318446153489713245",
            server_version="17.10",
            server_version_num=170010,
            encoding="UTF8",
            size=1_468_006_400,
            snapshot=m.Snapshot(id="00000003-0000001B-1", time=parsed.time, wal_lsn="1F/2B003C40"),
        ),
        tools={"pg_dump": "17.10", "python": "3.11.2"},
        artifacts=(make_dump(parsed), make_globals(parsed), make_export(parsed))
        if parsed.is_backup
        else (make_export(parsed),),
        tables=(
            m.Table(schema="public", name="audit_log", rows=6_000_000),
            m.Table(
                schema="public",
                name="recipients",
                priority=1,
                personal_data=True,
                rows=400_000,
                fingerprint=m.Fingerprint(algorithm="rows-sha256-1", value=SHA256),
            ),
        ),
        schema=m.SchemaFingerprint(
            algorithm="toc-sha256-1", fingerprint=SHA256, objects={"TABLE public.recipients": SHA256[:16]}
        ),
        large_objects=0,
    )
    return dataclasses.replace(plain, **changes)


def _artifact(name: str, role: str, form: str, compression: str, **own: Any) -> Artifact:
    """An artifact for two recipients."""
    whom = {"encryption": "age", "recipients": ("age1first", "age1second")}
    return Artifact(name=name, role=role, format=form, compression=compression, sha256=SHA256, **whom, **own)


def make_dump(set_id: SetId, **changes: Any) -> Artifact:
    """The dump of :func:`make_manifest`."""
    plain = _artifact(
        f"backup_{set_id.stamp}.dump.age",
        *("dump", "pg_custom", "none"),
        part=1,
        inner_compression="zstd:1",
        size=1_000_300,
        plain_size=1_000_000,
        age_head=AgeHead(316, SHA256),
        index=Index(
            toc_length=40_000,
            blocks=(
                IndexBlock(3401, "public", "audit_log", 40_000, 900_000),
                IndexBlock(3403, "public", "recipients", 940_000, 60_000),
            ),
        ),
    )
    return dataclasses.replace(plain, **changes)


def make_globals(set_id: SetId, **changes: Any) -> Artifact:
    """The roles and settings of :func:`make_manifest`."""
    name = f"globals_{set_id.stamp}.sql.age"
    plain = _artifact(name, "globals", "sql", "none", size=2_400, plain_size=2_000)
    return dataclasses.replace(plain, **changes)


def make_export(set_id: SetId, **changes: Any) -> Artifact:
    """The table export of :func:`make_manifest`, with frames."""
    plain = _artifact(
        f"audit_log_{set_id.stamp}.csv.zst.age",
        *("export", "csv", "zstd"),
        size=60_300,
        plain_size=600_000,
        frames=(Frame(0, 0), Frame(500_000, 50_000)),
        export=Export(
            schema="public",
            table="audit_log",
            columns=("id", "created_at"),
            where="created_at > now() - interval '90 days'",
            query=None,
            rows=9_000,
        ),
    )
    return dataclasses.replace(plain, **changes)


_CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
_TEXTS = st.text(_CHARACTERS, max_size=20)
_NAMES = st.text(_CHARACTERS, min_size=1, max_size=20)
_COUNTS = st.integers(0, 2**63 - 1)
_HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
_TIMES = st.datetimes(timezones=st.just(UTC))
_SECONDS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)
SET_IDS = st.builds(SetId, time=_SECONDS, kind=st.sampled_from(KINDS))
LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}(\.[a-z0-9]{1,5})?", fullmatch=True)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def _indexes(draw: st.DrawFn) -> Index:
    """A strategy of hypothesis: blocks in their order, with or without gaps."""
    end = toc_length = draw(st.integers(0, 10_000))
    blocks = []
    for dump_id in draw(st.lists(st.integers(1, 2**31), max_size=4, unique=True)):
        offset, length = end + draw(st.integers(0, 10)), draw(st.integers(0, 10_000))
        blocks.append(IndexBlock(dump_id, draw(_maybe(_NAMES)), draw(_maybe(_NAMES)), offset, length))
        end = offset + length
    return Index(toc_length=toc_length, blocks=tuple(blocks))


@st.composite
def _frames(draw: st.DrawFn) -> tuple[Frame, ...]:
    steps = draw(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), max_size=4))
    frames = [Frame(0, 0)]
    for plain, compressed in steps:
        frames.append(Frame(frames[-1].plain_offset + plain, frames[-1].compressed_offset + compressed))
    return tuple(frames)


@st.composite
def _exports(draw: st.DrawFn) -> Export:
    of_table = draw(st.booleans())
    return Export(
        schema=draw(_NAMES) if of_table else None,
        table=draw(_NAMES) if of_table else None,
        columns=draw(_maybe(st.lists(_NAMES, max_size=3).map(tuple))),
        where=draw(_maybe(_TEXTS)) if of_table else None,
        query=None if of_table else draw(_TEXTS),
        rows=draw(_COUNTS),
    )


@st.composite
def _artifacts(draw: st.DrawFn, role: str, part: int | None, name: str) -> Artifact:
    encryption = draw(st.sampled_from(["age", "gpg", "none"]))
    compression = draw(st.sampled_from(["none", "gzip", "zstd", "lz4"]))
    index = draw(_maybe(_indexes())) if role == "dump" else None
    frames = draw(_maybe(_frames())) if compression == "zstd" else None
    least = max(index.blocks[-1].offset + index.blocks[-1].length if index and index.blocks else 0, 10_000)
    least = max(least, frames[-1].plain_offset if frames else 0)
    return Artifact(
        name=name,
        role=role,
        part=part,
        format={"dump": "pg_custom", "globals": "sql"}.get(role) or draw(st.sampled_from(["csv", "json"])),
        compression=compression,
        inner_compression=draw(_maybe(_NAMES)),
        encryption=encryption,
        recipients=() if encryption == "none" else draw(st.lists(_NAMES, max_size=2).map(tuple)),
        size=draw(_COUNTS),
        sha256=draw(_HASHES),
        plain_size=draw(_maybe(st.integers(least, 2**62))),
        frames=frames,
        age_head=draw(_maybe(st.builds(AgeHead, st.integers(1, 2**40), _HASHES))),
        index=index,
        export=draw(_exports()) if role == "export" else None,
    )


@st.composite
def manifests(draw: st.DrawFn) -> m.Manifest:
    """A strategy of hypothesis: every manifest that may be written."""
    set_id = draw(SET_IDS)
    parts = draw(st.integers(0, 2)) if set_id.is_backup else 0
    beside = st.lists(st.sampled_from(["globals", "export"]), max_size=2)
    roles = ["dump"] * parts + draw(beside if set_id.is_backup else st.just(["export"]))
    name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}(\.[a-z0-9]{1,8}){0,3}", fullmatch=True)
    names = draw(st.lists(name, min_size=len(roles), max_size=len(roles), unique=True))
    tables = draw(st.lists(st.tuples(_NAMES, _NAMES), max_size=3, unique=True))
    previous = draw(_maybe(SET_IDS.filter(lambda other: other != set_id)))
    return m.Manifest(
        id=set_id,
        kind=set_id.kind,
        label=draw(LABELS),
        environment=draw(_maybe(_NAMES)),
        labels=draw(st.dictionaries(_NAMES, _TEXTS, max_size=2)),
        started=draw(_TIMES),
        finished=draw(_TIMES),
        database=m.Database(
            name=draw(_NAMES),
            system_identifier=draw(_maybe(st.integers(0, 2**64 - 1).map(str))),
            server_version=draw(_NAMES),
            server_version_num=draw(_COUNTS),
            encoding=draw(_NAMES),
            size=draw(_COUNTS),
            snapshot=m.Snapshot(
                id=draw(_NAMES),
                time=draw(_TIMES),
                wal_lsn=draw(_maybe(st.from_regex(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}", fullmatch=True))),
            ),
        ),
        tools=draw(st.dictionaries(_NAMES, _NAMES, max_size=2)),
        artifacts=tuple(
            draw(_artifacts(role, number + 1 if role == "dump" else None, names[number]))
            for number, role in enumerate(roles)
        ),
        tables=tuple(
            m.Table(
                schema=schema,
                name=table,
                priority=draw(_maybe(st.integers(1, 3))),
                personal_data=draw(st.booleans()),
                rows=draw(_COUNTS),
                fingerprint=draw(_maybe(st.builds(m.Fingerprint, algorithm=_NAMES, value=_NAMES))),
            )
            for schema, table in tables
        ),
        schema=m.SchemaFingerprint(
            algorithm=draw(_NAMES),
            fingerprint=draw(_HASHES),
            objects=draw(st.dictionaries(_NAMES, st.text("0123456789abcdef", min_size=16, max_size=16), max_size=3)),
        ),
        large_objects=draw(_COUNTS),
        large_object_contents=draw(_maybe(st.builds(m.Fingerprint, algorithm=_NAMES, value=_NAMES))),
        large_object_rights=draw(_maybe(st.builds(m.Fingerprint, algorithm=_NAMES, value=_NAMES))),
        previous=None if previous is None else m.PreviousSet(id=previous, sha256=draw(_HASHES)),
        warnings=draw(st.lists(_TEXTS, max_size=2).map(tuple)),
    )
