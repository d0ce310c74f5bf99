"""Promises of the manifest: what is written is read back and fits the published schema, and nothing else is read."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset import manifest as m
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.artifact import Index, IndexBlock
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.documents import strict_json
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.manifests import SHA256, make_dump, make_globals, make_manifest, manifests
from support.programs import PROJECT

PUBLISHED = PROJECT / "docs" / "manifest.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(m.SCHEMA.as_dict())
SET_ID = SetId.parse("weekly_20261122_000000")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def document(**changes: Any) -> Any:
    return json.loads(make_manifest(**changes).to_bytes())


def parse(value: object) -> m.Manifest:
    return m.Manifest.parse(json.dumps(value).encode())


def refusal(value: object) -> str:
    with pytest.raises(FormatError) as caught:
        parse(value)
    return caught.value.message


@settings(max_examples=examples(40))
@given(manifests())
def test_every_manifest_that_can_be_written_is_read_back_and_fits_the_published_schema(manifest: m.Manifest) -> None:
    data = manifest.to_bytes()
    assert m.Manifest.parse(data) == manifest
    assert m.Manifest.parse(data).to_bytes() == data
    VALIDATOR.validate(json.loads(data))


def test_the_published_schema_is_the_one_of_the_code_and_is_a_schema() -> None:
    assert PUBLISHED.read_text() == m.SCHEMA.to_text(), "run: .venv/bin/python tools/schemas.py"
    jsonschema.Draft202012Validator.check_schema(m.SCHEMA.as_dict())


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    return [path, *(found for key, inner in members for found in _paths(inner, (*path, key)))]


@settings(max_examples=examples(100))
@given(st.data())
def test_what_the_schema_refuses_is_refused(data: st.DataObject) -> None:
    mutated = document()
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from([path for path in _paths(mutated) if path]))
        parent = mutated
        for step in path[:-1]:
            parent = parent[step]
        key, old = path[-1], parent[path[-1]]
        if data.draw(st.booleans()):
            del parent[key]
        elif isinstance(old, int) and data.draw(st.booleans()):
            parent[key] = data.draw(st.sampled_from([-1, -old, old + 1, 2**63, 0, 1.5]))
        elif isinstance(old, str) and data.draw(st.booleans()):
            parent[key] = data.draw(st.sampled_from([old + "\0", "../" + old, old.upper(), old[:-1], "", "0" * 64]))
        else:
            parent[key] = data.draw(JUNK)
    if not VALIDATOR.is_valid(mutated):
        refusal(mutated)


@settings(max_examples=examples(100))
@given(st.data())
def test_damaged_bytes_are_read_or_refused_with_a_format_error(data: st.DataObject) -> None:
    raw = bytearray(make_manifest().to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        m.Manifest.parse(bytes(raw))
    except FormatError as error:
        assert error.step == "read the manifest"
        assert len(str(error)) < 600


def test_a_manifest_cut_anywhere_is_refused() -> None:
    raw = make_manifest().to_bytes().rstrip()
    for length in range(len(raw)):
        with pytest.raises(FormatError):
            m.Manifest.parse(raw[:length])


def test_equal_manifests_have_equal_bytes_whatever_the_order_and_the_time_zone() -> None:
    zone = timezone(timedelta(hours=2))
    one = make_manifest(labels={"a": "1", "b": "2"})
    other = make_manifest(labels={"b": "2", "a": "1"}, started=one.started.astimezone(zone))
    assert one.to_bytes() == other.to_bytes()
    assert b'"started": "2026-11-22T00:00:00Z"' in other.to_bytes()


def test_the_bytes_of_a_manifest_are_what_they_always_were() -> None:
    # A reader computes the hash of a set from its bytes, but people compare manifests line by line.
    stored = Path(__file__).parent / "data" / "manifest.json"
    assert make_manifest().to_bytes() == stored.read_bytes()
    assert m.Manifest.parse(stored.read_bytes()) == make_manifest()


@pytest.mark.parametrize(
    "name",
    [
        "../dump.age",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a..b",
        "dump\0.age",
        "dump\n",
        ".hidden",
        "-rf",
        "x" * 128,
        "mänifest",
        "manifest.json",
        "manifest.json.sig",
        "hold.json",
        "hold.next.json",
        "released.json",
        "verified_20261130_0600.json",
    ],
)
def test_an_artifact_named_like_a_path_or_like_a_file_of_the_set_itself_is_refused(name: str) -> None:
    changed = document()
    changed["artifacts"][1]["name"] = name
    assert refusal(changed).startswith("artifacts[1].name is ")
    with pytest.raises(FormatError, match=r"artifacts\[1\].name"):
        make_manifest(artifacts=(make_dump(SET_ID), make_globals(SET_ID, name=name))).to_bytes()


@pytest.mark.parametrize(
    "name", ["verified_users_20261123_0000.json", "verified_20261123_0000.json.zst.age", "x" * 127]
)
def test_an_artifact_may_have_any_other_plain_name(name: str) -> None:
    changed = document()
    changed["artifacts"][1]["name"] = name
    assert parse(changed).artifacts[1].name == name


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("id", "weekly_20261322_000000", "id is 'weekly_20261322_000000'; expected the id of a backup"),
        ("id", "daily_20261122_000000", "kind is 'weekly'; expected 'daily', as its id says"),
        ("kind", "hourly", "kind is 'hourly'; expected 'daily' or 'weekly' or"),
        ("label", "../shop", "label is '../shop'; expected a name"),
        ("label", "a/b", "label is 'a/b'; expected a name"),
        ("environment", 3, "environment is 3; expected a text that is not empty"),
        ("labels", {"a": None}, "labels.a is None; expected a text"),
        ("started", "2026-11-22T00:00:00", "started is '2026-11-22T00:00:00'; expected a time in UTC"),
        ("started", "2026-02-30T00:00:00Z", "started is '2026-02-30T00:00:00Z'; expected a time in UTC"),
        ("started", "2026-11-22T00:00:00+00:00", "expected a time in UTC"),
        ("database/size", -1, "database.size is -1; expected a whole number from 0"),
        ("database/size", 1.0, "database.size is 1.0; expected a whole number"),
        ("database/size", True, "database.size is True; expected a whole number"),
        ("database/size", 2**63, "database.size is 9223372036854775808; expected a whole number from 0"),
        ("database/name", "a\0b", "database.name is 'a\\x00b'; expected a text"),
        ("database/snapshot/wal_lsn", "1f/0", "database.snapshot.wal_lsn is '1f/0'; expected a WAL position"),
        ("artifacts", {}, "artifacts is {}; expected a list"),
        ("artifacts/0/sha256", SHA256.upper(), "artifacts[0].sha256 is "),
        ("artifacts/0/part", None, "artifacts[0].part is None; expected a number for a dump"),
        ("artifacts/0/part", 2, "artifacts: the parts of a dump numbered 1, 2, ..., each once; found [2]"),
        ("artifacts/0/format", "csv", "artifacts[0].format is 'csv'; expected 'pg_custom'"),
        ("artifacts/0/role", "globals", "artifacts[0].format is 'pg_custom'; expected 'sql'"),
        ("artifacts/0/export", {}, "artifacts[0].export.schema: the member is missing"),
        ("artifacts/0/frames", [[0, 0]], "artifacts[0].frames: null, as the compression is not zstd"),
        ("artifacts/0/encryption", "none", "artifacts[0].recipients is "),
        ("artifacts/0/plain_size", 999_999, "artifacts[0].index is 1000000; expected ranges inside the 999999 bytes"),
        ("artifacts/0/index/toc_length", 40_001, "artifacts[0].index.blocks[0][3] is 40000; expected an offset from"),
        ("artifacts/0/index/blocks/1/3", 939_999, "artifacts[0].index.blocks[1][3] is 939999; expected an offset from"),
        ("artifacts/0/index/blocks/1/0", 3401, "artifacts[0].index.blocks[1] is 3401; expected a dump id that did not"),
        ("artifacts/0/index/blocks/0", [1, "a"], "artifacts[0].index.blocks[0] is [1, 'a']; expected a list of 5"),
        ("artifacts/1/part", 1, "artifacts[1].part is 1; expected a number for a dump and null for others"),
        ("artifacts/1/index", {"toc_length": 0, "blocks": []}, "artifacts[1].index: null, as it is no dump"),
        ("artifacts/1/name", "backup_20261122_0000.dump.age", "artifacts[1] is 'backup_20261122_0000.dump.age'"),
        ("artifacts/2/export", None, "artifacts[2].export is None; expected an object for an export"),
        ("artifacts/2/export/query", "select 1", "artifacts[2].export: either table or query must be given"),
        ("artifacts/2/export/schema", None, "artifacts[2].export.schema is None; expected a schema with a table"),
        ("artifacts/2/frames/0", [1, 0], "artifacts[2].frames[0] is [1, 0]; expected [0, 0]"),
        ("artifacts/2/frames/1", [500_000, 0], "artifacts[2].frames[1] is [500000, 0]; expected offsets above [0, 0]"),
        ("artifacts/2/frames/1", [0, 50_000], "artifacts[2].frames[1] is [0, 50000]; expected offsets above [0, 0]"),
        ("artifacts/2/frames/1", [600_001, 5], "artifacts[2].frames[1] is [600001, 5]; expected offsets up to 600000"),
        ("tables/1/priority", 4, "tables[1].priority is 4; expected a whole number from 1 to 3"),
        ("tables/1/priority", 0, "tables[1].priority is 0; expected a whole number from 1 to 3"),
        ("tables/1/personal_data", 1, "tables[1].personal_data is 1; expected true or false"),
        ("tables/1/name", "audit_log", "tables[1] is ('public', 'audit_log'); expected a table that did not"),
        ("schema/objects", {"T x": "0"}, "schema.objects['T x'] is '0'; expected 16 hexadecimal digits"),
        ("previous", {"id": "weekly_20261122_000000", "sha256": SHA256}, "previous.id is 'weekly_20261122_000000'"),
        ("warnings", ["a", 1], "warnings[1] is 1; expected a text"),
        ("warnings", ["\ud800"], "warnings[0] is '\\ud800'; expected a text of whole characters"),
    ],
)
def test_a_wrong_value_is_named_by_its_path_with_what_was_expected(path: str, value: object, told: str) -> None:
    changed = document()
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target = changed
    for step in parents:
        target = target[step]
    target[last] = value
    assert told in refusal(changed)


def test_every_member_is_required() -> None:
    whole = document(previous=m.PreviousSet(id=SetId.parse("daily_20261121_000000"), sha256=SHA256))
    for path in _paths(whole):
        if path and isinstance(path[-1], str) and path[0] not in ("labels", "tools") and "objects" not in path[:-1]:
            changed = copy.deepcopy(whole)
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            del parent[path[-1]]
            told = refusal(changed)
            assert "the member is missing" in told or "this is not a manifest" in told, path


def test_a_manifest_of_a_newer_version_says_so() -> None:
    changed = document()
    # Whatever else the newer version changed, this comes first.
    changed |= {"version": 2, "id": {"new": "form"}}
    with pytest.raises(FormatError, match="version 2, made by a newer version") as caught:
        parse(changed)
    assert "update" in str(caught.value.hint)


@pytest.mark.parametrize("value", [[], {}, 3, None, {"format": "something/else", "version": 1}, {"version": 1}])
def test_what_is_no_manifest_is_called_that(value: object) -> None:
    assert "this is not a manifest" in refusal(value)


def test_members_of_a_later_revision_are_passed_over() -> None:
    changed = document()
    changed["later"] = {"deep": [1]}
    changed["artifacts"][0]["later"] = "x"
    VALIDATOR.validate(changed)
    assert parse(changed) == make_manifest()


def test_a_manifest_that_could_not_be_read_is_not_written() -> None:
    with pytest.raises(FormatError, match=r"^write the manifest: database\.size is -5"):
        make_manifest(database=dataclasses.replace(make_manifest().database, size=-5)).to_bytes()
    with pytest.raises(FormatError, match=r"started .*a time with its zone"):
        make_manifest(started=datetime(2026, 11, 22)).to_bytes()


def test_a_manifest_that_no_reader_would_accept_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_manifest().to_bytes()
    monkeypatch.setattr(strict_json, "MAX_BYTES", len(data))
    assert make_manifest().to_bytes() == data
    monkeypatch.setattr(strict_json, "MAX_BYTES", len(data) - 1)
    with pytest.raises(FormatError, match=f"write the manifest: is {len(data)} bytes long"):
        make_manifest().to_bytes()


def test_a_manifest_of_thousands_of_tables_is_written_and_read_in_a_moment() -> None:
    blocks = tuple(IndexBlock(number + 1, "public", f"t{number}", 10 + 100 * number, 100) for number in range(4_000))
    large = make_manifest(
        artifacts=(make_dump(SET_ID, plain_size=2_000_000, index=Index(toc_length=10, blocks=blocks)),),
        tables=tuple(
            m.Table(
                schema="public",
                name=f"t{number}",
                rows=number,
                fingerprint=m.Fingerprint(algorithm="rows-sha256-1", value=SHA256),
            )
            for number in range(4_000)
        ),
        schema=m.SchemaFingerprint(
            algorithm="toc-sha256-1",
            fingerprint=SHA256,
            objects={f"CONSTRAINT public.t{number} t{number}_pkey": SHA256[:16] for number in range(20_000)},
        ),
    )
    began = time.process_time()
    data = large.to_bytes()
    written = time.process_time()
    assert m.Manifest.parse(data) == large
    read = time.process_time()
    # What Python's own JSON takes for reading and writing it once.
    json.dumps(json.loads(data), indent=1)
    usual = time.process_time() - read
    print(f"written in {written - began:.2f} s, read in {read - written:.2f} s, usual {usual:.2f} s, {len(data)} bytes")
    # So much for checks, order and layout.
    assert written - began < 12 * usual
    assert read - written < 6 * usual


def test_a_manifest_from_before_a_member_was_there_is_read_and_written_as_it_was() -> None:
    manifest = make_manifest()
    document = json.loads(manifest.to_bytes())
    assert "large_object_contents" not in document
    assert m.Manifest.parse(manifest.to_bytes()) == manifest
