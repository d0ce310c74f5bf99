"""Which record counts where: one table of cases, and that who writes to one location never speaks for another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.record_trust import (
    BAD,
    GOOD,
    UNCHECKED,
    UNSIGNED,
    StoredRecord,
    TrustContext,
    count,
    locations_trusting,
    read_record,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Drill, Hold, Release
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError, FormatError
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 9, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
SET_ID = SetId.parse("manual_20261122_000000")
OURS, OTHER = "1" * 64, "2" * 64
AROUND = TrustContext(frozenset({"a", "b"}), {"a": OURS, "b": OURS}, NOW)
HELD_SINCE = replace(AROUND, held_at=NOW - HOUR)
HOLD = Hold(id=SET_ID, label="shop", held_at=NOW - HOUR, reason="INC-7")
RELEASE = Release(id=SET_ID, label="shop", released_at=NOW - HOUR, reason="done")
DRILL = Drill(
    id=SET_ID,
    label="shop",
    manifest=OURS,
    started=NOW - HOUR,
    finished=NOW - HOUR,
    verdict="passed",
    location="b",
    server_version="17.10",
    restore_seconds=3,
    findings=(),
)
NAMES = {Hold: "hold.json", Release: "released.json", Drill: "verified_20261124_0600.json"}
EVERYWHERE, THERE, NOWHERE = "ab", "b", ""


def claim(record: Hold | Release | Drill, signature: str) -> StoredRecord:
    return StoredRecord(NAMES[type(record)], record, signature)


CASES = [
    # What lies in b; around it; with this signature: counts where, and what is told of it.
    (HOLD, AROUND, GOOD, EVERYWHERE, ""),
    (HOLD, AROUND, UNSIGNED, EVERYWHERE, "is not signed"),
    (HOLD, AROUND, BAD, EVERYWHERE, "not signed with any record_verify_key, or it was changed"),
    (HOLD, AROUND, UNCHECKED, EVERYWHERE, ""),
    (replace(HOLD, held_at=NOW + HOUR), AROUND, GOOD, EVERYWHERE, "from the future: it says 2026-11-24 10:12 UTC"),
    (RELEASE, AROUND, GOOD, EVERYWHERE, ""),
    (RELEASE, AROUND, UNSIGNED, THERE, "is not signed"),
    (RELEASE, AROUND, BAD, THERE, "not signed with any"),
    (RELEASE, AROUND, UNCHECKED, THERE, ""),
    (replace(RELEASE, released_at=NOW + HOUR), AROUND, GOOD, NOWHERE, "from the future"),
    (replace(RELEASE, released_at=NOW + HOUR), AROUND, UNCHECKED, NOWHERE, "from the future"),
    (replace(RELEASE, released_at=NOW + timedelta(minutes=4)), AROUND, GOOD, EVERYWHERE, ""),
    (RELEASE, HELD_SINCE, GOOD, NOWHERE, ""),
    (replace(RELEASE, released_at=NOW - 2 * HOUR), HELD_SINCE, GOOD, NOWHERE, ""),
    (replace(RELEASE, released_at=NOW), HELD_SINCE, GOOD, EVERYWHERE, ""),
    (DRILL, AROUND, GOOD, EVERYWHERE, ""),
    (DRILL, AROUND, UNSIGNED, THERE, ""),
    (DRILL, AROUND, BAD, THERE, "not signed with any"),
    (DRILL, AROUND, UNCHECKED, THERE, ""),
    (replace(DRILL, finished=NOW + HOUR), AROUND, GOOD, NOWHERE, "from the future"),
    (replace(DRILL, location="a"), AROUND, GOOD, EVERYWHERE, ""),
    (replace(DRILL, location="a"), AROUND, UNSIGNED, NOWHERE, "is about location 'a'"),
    (replace(DRILL, location="a"), AROUND, UNCHECKED, NOWHERE, "is about location 'a'"),
    (replace(DRILL, location="its old name"), AROUND, UNCHECKED, THERE, ""),
    (replace(DRILL, manifest=OTHER), AROUND, GOOD, NOWHERE, "about another manifest"),
    (replace(DRILL, manifest=OTHER), AROUND, UNCHECKED, NOWHERE, "about another manifest"),
    (replace(DRILL, manifest=OTHER), replace(AROUND, manifests={"a": OTHER, "b": OURS}), UNCHECKED, NOWHERE, "another"),
    (replace(DRILL, manifest=OTHER), replace(AROUND, manifests={"a": OTHER, "b": OURS}), GOOD, EVERYWHERE, ""),
    (DRILL, replace(AROUND, manifests={"a": OURS}), UNCHECKED, NOWHERE, ""),
]


@pytest.mark.parametrize(("record", "around", "signature", "where", "told"), CASES)
def test_what_lies_in_one_location_counts(
    record: Hold | Release | Drill, around: TrustContext, signature: str, where: str, told: str
) -> None:
    counts_in, doubt = locations_trusting(claim(record, signature), "b", around)
    assert counts_in == frozenset(where)
    assert told in doubt
    assert bool(told) == bool(doubt)


KEY, FOREIGN = SigningKey.generate(), SigningKey.generate()


@pytest.mark.parametrize(
    ("signature", "keys", "found"),
    [
        (KEY.sign(HOLD.to_bytes()), [KEY.verify_key], GOOD),
        (KEY.sign(HOLD.to_bytes()), [FOREIGN.verify_key, KEY.verify_key], GOOD),
        (KEY.sign(HOLD.to_bytes()), [FOREIGN.verify_key], BAD),
        (KEY.sign(RELEASE.to_bytes()), [KEY.verify_key], BAD),
        (b"", [KEY.verify_key], BAD),
        (None, [KEY.verify_key], UNSIGNED),
        (KEY.sign(HOLD.to_bytes()), [], UNCHECKED),
    ],
)
def test_a_signature_is_good_for_the_very_bytes_and_a_key_that_was_given(
    signature: bytes | None, keys: list[object], found: str
) -> None:
    told = read_record("hold.json", HOLD.to_bytes(), signature, label="shop", set_id=SET_ID, keys=keys)
    assert told.signature == found


def test_what_one_key_signed_passes_for_nothing_else() -> None:
    """A release with a good signature is no hold, no manifest, and none of another set or label."""
    data = RELEASE.to_bytes()
    given = {"signature": KEY.sign(data), "label": "shop", "set_id": SET_ID, "keys": [KEY.verify_key]}
    with pytest.raises(FormatError):
        read_record("hold.json", data, **given)
    with pytest.raises(FormatError):
        Manifest.parse(data)
    with pytest.raises(FormatError, match="too large"):
        read_record("released.json", data + b" " * 1024 * 1024, **given)
    for change in ({"label": "blog"}, {"set_id": SetId.parse("manual_20261123_000000")}):
        with pytest.raises(CryptoError, match="is that of manual_20261122_000000 of 'shop'"):
            read_record("released.json", data, **{**given, **change})


TIMES = st.integers(-48, 48).map(lambda hours: NOW + hours * HOUR)
RELEASES = st.builds(replace, st.just(RELEASE), released_at=TIMES)
DRILLS = st.builds(
    replace,
    st.just(DRILL),
    finished=TIMES,
    manifest=st.sampled_from([OURS, OTHER]),
    location=st.sampled_from(["a", "b", "old"]),
    verdict=st.sampled_from(["passed", "failed"]),
)
HOLDS = st.builds(replace, st.just(HOLD), held_at=TIMES, until=st.none() | TIMES)
FORGED = st.lists(
    st.builds(claim, st.one_of(RELEASES, DRILLS, HOLDS), st.sampled_from([UNSIGNED, BAD, UNCHECKED])), max_size=6
)
GENUINE = st.lists(st.builds(claim, st.one_of(RELEASES, DRILLS, HOLDS), st.sampled_from([GOOD, UNSIGNED])), max_size=4)


@given(GENUINE, FORGED)
def test_whatever_is_forged_in_one_location_lets_nothing_go_and_hides_nothing_in_another(
    genuine: list[StoredRecord], forged: list[StoredRecord]
) -> None:
    manifests = {"a": OURS, "b": OURS}
    alone = count({"a": genuine}, "ab", manifests, NOW)
    found = count({"a": genuine, "b": forged}, "ab", manifests, NOW)
    # It is released in no place more, held at least as before, and the drills that speak for a are the same.
    assert "a" not in found.released - alone.released
    assert set(alone.holds) <= set(found.holds)
    assert "a" not in found.verified - alone.verified
    assert [one.drill for one in found.drills if one.drill.location == "a"] == [
        one.drill for one in alone.drills if one.drill.location == "a"
    ]


def test_an_old_drill_that_was_copied_to_another_location_is_no_news() -> None:
    record = claim(replace(DRILL, location="a"), UNCHECKED)
    assert count({"a": [record], "b": [record]}, "ab", {"a": OURS, "b": OURS}, NOW).doubts == ()
    (doubt,) = count({"a": [], "b": [record]}, "ab", {"a": OURS, "b": OURS}, NOW).doubts
    assert str(doubt).startswith(f"{SET_ID}/verified_20261124_0600.json is about location 'a'")


def test_a_hold_that_says_it_is_from_the_future_does_not_undo_every_release() -> None:
    claims = {"a": [claim(RELEASE, GOOD)], "b": [claim(replace(HOLD, held_at=NOW + HOUR, until=NOW), UNSIGNED)]}
    assert count(claims, "ab", {}, NOW).released == frozenset("ab")
