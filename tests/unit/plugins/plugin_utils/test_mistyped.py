"""Values that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils.mistyped import mistyped


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("str", False, "is false, as YAML reads no, off and false (give a text in quotes, or leave it out)"),
        ("path", True, "is true, as YAML reads yes, on and true (give a text in quotes, or leave it out)"),
        ("int", False, "is false, as YAML reads no, off and false (give a number, or leave it out)"),
        ("str", [], "is a list (give a text)"),
        ("int", {}, "is a dictionary (give a number)"),
        ("bool", "perhaps", "is 'perhaps' (true or false)"),
        ("bool", ["yes"], "is a list (true or false)"),
        ("bool", 2, "is 2 (true or false)"),
    ],
)
def test_a_value_that_would_count_as_none_is_named(kind: str, value: Any, told: str) -> None:
    assert mistyped({"backup_x": value}, {"backup_x": kind}) == {"backup_x": told}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("bool", value) for value in (True, "Yes", "off", 0, "", None, "{{ x }}")),
        *(("str", value) for value in ("no", 5432, 1.5, "", None, "{{ x }}")),
        *(("int", value) for value in (0, "5432", "{{ x }}", "1e3")),
        *(("list", value) for value in (False, [], "a,b")),
        ("raw", False),
    ],
)
def test_what_a_role_takes_is_taken(kind: str, value: Any) -> None:
    assert mistyped({"backup_x": value, "own": []}, {"backup_x": kind}) == {}
