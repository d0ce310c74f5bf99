"""Unfinished objects have names of their own, from which the finished one is told."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.partial import (
    finished_name,
    partial_name,
    refuse_partial,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_characters="/\\", exclude_categories=("Cs", "Cc")), min_size=1, max_size=255)


@given(NAMES)
def test_the_finished_name_is_found_again(name: str) -> None:
    partial = partial_name(name)
    told = finished_name(partial)
    assert told is not None
    assert told == name if len(name.encode()) <= 200 else name.startswith(told)
    assert len(partial.encode()) <= 255
    assert partial.startswith(".")
    assert "/" not in partial


@given(NAMES)
def test_no_two_unfinished_objects_share_a_name(name: str) -> None:
    assert partial_name(name) != partial_name(name)


@given(NAMES)
def test_an_unfinished_name_is_refused_anywhere_in_a_key(name: str) -> None:
    for key in (partial_name(name), f"label/{partial_name(name)}", f"{partial_name(name)}/object"):
        with pytest.raises(ConfigError):
            refuse_partial(key)


@pytest.mark.parametrize(
    "name",
    [
        "object",
        "manifest.json",
        ".hidden",
        "x.partial",
        ".x.partial",
        ".x.0123456789abcde.partial",
        "a.0123456789abcdef.partial",
    ],
)
def test_other_names_are_finished(name: str) -> None:
    assert finished_name(name) is None
    assert refuse_partial(f"label/{name}") == f"label/{name}"
