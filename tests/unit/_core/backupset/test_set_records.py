"""Promises of what is written beside a set: it reads back, equal ones have equal bytes, and nothing damaged passes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import (
    Drill,
    Hold,
    Release,
    SetRecord,
    last_to_end,
    record_class,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import STATUSES, Finding
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

CLASSES = (Hold, Release, Drill)
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
TIMES = st.datetimes(datetime(1000, 1, 1), timezones=st.just(timezone.utc))
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
COMMON: dict[str, Any] = {
    "id": st.builds(SetId, TIMES.map(lambda time: time.replace(microsecond=0)), st.sampled_from(KINDS)),
    "label": TEXTS,
}
FINDINGS = st.builds(
    Finding,
    check=st.from_regex(r"\A[a-z][a-z_]*\Z"),
    subject=st.just("") | TEXTS,
    status=st.sampled_from(STATUSES),
    message=TEXTS,
)
HOLDS = st.builds(Hold, **COMMON, held_at=TIMES, reason=TEXTS, until=st.none() | TIMES)
RELEASES = st.builds(Release, **COMMON, released_at=TIMES, reason=TEXTS)
DRILLS = st.builds(
    Drill,
    **COMMON,
    manifest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    started=TIMES,
    finished=TIMES,
    verdict=st.sampled_from(["passed", "failed"]),
    location=TEXTS,
    server_version=TEXTS,
    restore_seconds=st.integers(0, 10**6),
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
)
RECORDS = st.one_of(HOLDS, RELEASES, DRILLS)

SET_ID = SetId.parse("weekly_20261122_000000")
HOLD = Hold(id=SET_ID, label="shop", held_at=NOW, reason="INC-7", until=NOW + timedelta(days=30))
RELEASE = Release(id=SET_ID, label="shop", released_at=NOW, reason="the migration was accepted")
DRILL = Drill(
    id=SET_ID,
    label="shop",
    manifest="0" * 64,
    started=NOW,
    finished=NOW,
    verdict="passed",
    location="primary",
    server_version="17.10",
    restore_seconds=12,
    findings=(Finding(check="rows", status="passed", message="1,000 rows in 3 tables"),),
)
EXAMPLES = (HOLD, RELEASE, DRILL)


def read_or_refuse(record: type[SetRecord], data: bytes) -> SetRecord | None:
    """What *data* reads as; None where it is refused in the one way in which it may be."""
    try:
        return record.parse(data)
    except FormatError as error:
        assert error.step == f"read the {record.what}"
        return None


def test_a_record_is_a_document_that_anyone_can_read() -> None:
    assert json.loads(HOLD.to_bytes()) == {
        "format": "mobul.backup/hold",
        "version": 1,
        "id": "weekly_20261122_000000",
        "label": "shop",
        "held_at": "2026-11-22T00:00:00Z",
        "reason": "INC-7",
        "until": "2026-12-22T00:00:00Z",
    }


@given(RECORDS)
def test_a_record_reads_back_as_what_it_was_written_from(record: SetRecord) -> None:
    data = record.to_bytes()
    assert type(record).parse(data) == record
    assert type(record).parse(data).to_bytes() == data


@given(RECORDS)
def test_a_record_of_one_class_is_none_of_another(record: SetRecord) -> None:
    data = record.to_bytes()
    for other in CLASSES:
        if not isinstance(record, other):
            with pytest.raises(FormatError, match="this is not a"):
                other.parse(data)


@given(RECORDS, st.data())
def test_a_record_that_was_cut_is_refused(record: SetRecord, data: st.DataObject) -> None:
    whole = record.to_bytes()
    length = data.draw(st.integers(0, len(whole) - len(b"}\n")))
    assert read_or_refuse(type(record), whole[:length]) is None


@given(RECORDS, st.data())
def test_a_damaged_byte_is_refused_or_makes_a_record_that_is_as_sound(record: SetRecord, data: st.DataObject) -> None:
    damaged = bytearray(record.to_bytes())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    found = read_or_refuse(type(record), bytes(damaged))
    if found is not None:
        assert type(record).parse(found.to_bytes()) == found


@settings(max_examples=examples(50))
@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_what_is_no_record_is_refused(data: bytes) -> None:
    for record in CLASSES:
        assert read_or_refuse(record, data) is None


WRONG_VALUES = st.none() | st.booleans() | st.integers(max_value=-1) | st.just("") | st.just([None])


@given(st.sampled_from(EXAMPLES), st.data(), WRONG_VALUES)
def test_a_member_of_another_type_is_refused_by_its_name(record: SetRecord, data: st.DataObject, value: Any) -> None:
    document = json.loads(record.to_bytes())
    name = data.draw(st.sampled_from(sorted(set(document) - {"format"})))
    if (name, value) == ("until", None):
        return
    document[name] = value
    with pytest.raises(FormatError) as caught:
        type(record).parse(json.dumps(document).encode())
    assert name in caught.value.message


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.what)
def test_a_member_that_is_missing_is_refused_by_its_name(record: SetRecord) -> None:
    whole = json.loads(record.to_bytes())
    for name in set(whole) - {"format"}:
        document = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(FormatError, match=f"{name}: the member is missing"):
            type(record).parse(json.dumps(document).encode())


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.what)
def test_a_record_of_a_newer_version_is_refused_with_what_to_do(record: SetRecord) -> None:
    document = {**json.loads(record.to_bytes()), "version": 2}
    with pytest.raises(FormatError, match=r"is of version 2.*update the collection"):
        type(record).parse(json.dumps(document).encode())


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.what)
def test_a_member_that_is_not_known_is_ignored(record: SetRecord) -> None:
    document = {**json.loads(record.to_bytes()), "colour": "blue"}
    assert type(record).parse(json.dumps(document).encode()) == record


@pytest.mark.parametrize(
    "record",
    [
        replace(HOLD, reason=""),
        replace(HOLD, reason="a\0b"),
        replace(HOLD, held_at=datetime(2026, 11, 22)),
        replace(HOLD, until=datetime(2026, 11, 22)),
        replace(RELEASE, label=""),
        replace(DRILL, verdict="perhaps"),
        replace(DRILL, manifest="0" * 63),
        replace(DRILL, version=2),
    ],
    ids=repr,
)
def test_a_record_that_could_not_be_read_is_not_written(record: SetRecord) -> None:
    with pytest.raises(FormatError, match=f"write the {record.what}"):
        record.to_bytes()


def test_a_hold_ends_at_its_end_and_not_a_moment_before() -> None:
    end = NOW + timedelta(days=30)
    assert HOLD.holds_at(end - timedelta(microseconds=1))
    assert not HOLD.holds_at(end)
    assert replace(HOLD, until=None).holds_at(datetime.max.replace(tzinfo=timezone.utc))


def test_a_hold_tells_its_reason_and_its_end() -> None:
    assert str(HOLD) == "INC-7, until 2026-12-22 00:00 UTC"
    assert str(replace(HOLD, until=None)) == "INC-7"


@settings(max_examples=examples(50))
@given(st.lists(HOLDS, min_size=1), st.datetimes(max_value=datetime(9999, 1, 1), timezones=st.just(timezone.utc)))
def test_of_several_holds_that_counts_which_holds_while_any_does(holds: list[Hold], now: datetime) -> None:
    last = last_to_end(holds)
    assert last in holds
    assert last.holds_at(now) == any(one.holds_at(now) for one in holds)


def test_of_no_holds_none_counts() -> None:
    assert last_to_end([]) is None


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("hold.json", Hold),
        ("hold.next.json", Hold),
        ("released.json", Release),
        ("verified_20261130_0600.json", Drill),
        ("verified_20261130_060000.json", Drill),
        ("verified_20261130_0600_2.json", Drill),
        ("manifest.json", None),
        ("verified_20261130.json", None),
        ("verified_\u0662\u0660261130_0600.json", None),
        ("verified_20261130_0600.json\n", None),
        ("Hold.json", None),
        ("hold.json.age", None),
        ("", None),
    ],
)
def test_a_record_is_told_by_its_name(name: str, record: type[SetRecord] | None) -> None:
    assert record_class(name) is record
