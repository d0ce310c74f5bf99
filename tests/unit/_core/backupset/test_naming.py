"""Promises of names, ids and keys."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import (
    KINDS,
    SetId,
    check_key,
    check_name,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=timezone.utc)
)


@given(TIMES, st.sampled_from(KINDS))
def test_an_id_reads_back_as_what_it_was_written_from(time: datetime, kind: str) -> None:
    assert SetId.parse(str(SetId(time, kind))) == SetId(time, kind)


@given(TIMES, TIMES, st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_ids_order_by_time_whatever_their_kind(one: datetime, two: datetime, kind: str, other: str) -> None:
    if one != two:
        assert (SetId(one, kind) < SetId(two, other)) == (one < two)


def test_the_layout_is_that_of_the_procedures() -> None:
    set_id = SetId(datetime(2026, 11, 23, 0, 0, 7, tzinfo=timezone.utc), "weekly")
    assert set_id.directory("mobul") == "mobul/2026/11/23/weekly_20261123_000007"
    assert set_id.stamp == "20261123_0000"


@pytest.mark.parametrize(
    "text",
    ["", "weekly", "weekly_20261323_000000", "hourly_20261123_000000", "weekly_20261123_000000/", "latest",
     "weekly_20261123_000000\n", "../weekly_20261123_000000", "weekly_\uff120261123_000000"],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not the id of a backup"):
        SetId.parse(text)


@pytest.mark.parametrize("name", ["a/b", "..", "a..b", "", "-a", ".a", "a b", "ä", "a" * 64, "a\n", "a\0", "a\\b"])
def test_a_name_that_could_leave_its_place_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="label"):
        check_name(name, "label")


@given(st.text())
def test_no_accepted_key_can_leave_the_root(key: str) -> None:
    try:
        check_key(key)
    except ConfigError:
        return
    assert not key.startswith("/")
    assert ".." not in key.split("/")
    assert "\0" not in key


@pytest.mark.parametrize("key", ["/etc/passwd", "a/../b", "..", "a//b", "a/", "a\0b", "a\\..\\b", "./a", "", "a\nb"])
def test_a_key_that_could_leave_the_root_is_refused(key: str) -> None:
    with pytest.raises(ConfigError):
        check_key(key)
