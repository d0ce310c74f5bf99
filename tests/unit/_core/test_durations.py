"""Lengths of time are read in one way, and nothing else is one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.durations import (
    parse_duration,
    parse_time,
    readable_duration,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), ("90s", 90), ("30m", 1800), ("26h", 93600), ("8 d", 691200), ("2w", 1209600)],
)
def test_a_number_and_a_unit_is_a_length_of_time(text: object, seconds: int) -> None:
    assert parse_duration(text, "it") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "0d", "-1d", "1y", "1.5h", "8d8h", "\u0661d", "99999999w", None, True]
)
def test_anything_else_is_refused_by_its_name(text: object) -> None:
    with pytest.raises(ConfigError, match="drill_within"):
        parse_duration(text, "drill_within")


def test_what_is_refused_is_told_in_one_line_however_long_it_is() -> None:
    for refused in (parse_duration, parse_time):
        with pytest.raises(ConfigError) as caught:
            refused("[" * 5000, "within")
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("text", "instead"), [("6mo", "180d"), ("1y", "365d")])
def test_months_and_years_are_refused_with_their_days(text: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=r"within: .* have no fixed length") as caught:
        parse_duration(text, "within")
    assert instead in str(caught.value.hint)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(days=9, hours=23), "9 days"),
    ],
)
def test_a_length_is_told_in_the_largest_unit_of_which_there_are_two(time: timedelta, text: str) -> None:
    assert readable_duration(time) == text
