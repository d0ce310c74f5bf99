"""A list is one however it is given, and what can be none is named by its option."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible.lists import read_lists
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st
from support.module_runs import run_module

LOCATION = {"name": {"type": "str", "required": True}, "type": {"type": "str", "required": True}}
SPEC: dict[str, Any] = {
    "recipients": {"type": "list", "elements": "str"},
    "locations": {"type": "list", "elements": "dict", "options": LOCATION},
    "label": {"type": "str"},
}
PEM = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: a, b\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"


def read(name: str, value: Any) -> Any:
    params = {name: value}
    read_lists(params, SPEC)
    return params[name]


@pytest.mark.parametrize(
    "value",
    [
        ["one", "two"],
        '["one", "two"]',
        "['one', 'two']",
        "[one, two]",
        " one\r\n two \n\n",
        "# ours\none\ntwo",
        "- one\n- two",
        [["one"], ["two"]],
        ["one", ["two"]],
    ],
)
def test_a_list_is_one_however_it_is_given(value: Any) -> None:
    assert read("recipients", value) == ["one", "two"]


def test_what_is_no_list_of_ours_is_left_to_ansible() -> None:
    for value in ("one,two", "one", "", None, 7):
        assert read("recipients", value) == value
    assert read("label", "[x]") == "[x]"


def test_a_key_stays_whole() -> None:
    assert read("recipients", PEM) == [PEM]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_what_was_written_as_json_comes_back(values: list[str]) -> None:
    assert read("recipients", json.dumps(values)) == values
    if not any("-----BEGIN" in value for value in values):
        assert read("recipients", repr(values)) == values


def test_dictionaries_are_taken_as_json() -> None:
    one = {"name": "here", "type": "local"}
    for value in ([one], json.dumps([one]), [[one]]):
        assert read("locations", value) == [one]
    assert read("locations", ["name=here type=local", '{"name": "here"}']) == [
        "name=here type=local",
        '{"name": "here"}',
    ]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "recipients",
            '["hidden"',
            r'recipients begins with a bracket and is no list in JSON \(for example \["one", "two"\]\)',
        ),
        ("recipients", {"a": "hidden"}, r"recipients is one dictionary \(give a list, with a dash before each entry\)"),
        ("locations", {"name": "hidden"}, "locations is one dictionary"),
        ("locations", ["hidden"], r"locations: entry 1 is no dictionary \(write each as \{name: ..., type: ...\}\)"),
        ("locations", [{"name": "x"}, 7], "locations: entry 2 is no dictionary"),
    ],
)
def test_what_can_be_no_list_is_named_and_not_shown(name: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        read(name, value)
    assert "hidden" not in str(caught.value)


def test_a_module_says_so_and_hides_what_is_secret_beside_it(tmp_path: Any) -> None:
    result = run_module(
        "backup_hold", label="shop", locations=[["hidden7"]], backup="latest", reason="x", record_signing_key="hidden8"
    )
    assert result["failed"]
    assert result["msg"].startswith("check the options: locations: entry 1 is no dictionary (write each as {name")
    assert "hidden8" not in json.dumps(result)
    here = json.dumps([{"name": "here", "type": "local", "path": str(tmp_path)}])
    assert not run_module("backup_info", label="shop", locations=here).get("failed")
