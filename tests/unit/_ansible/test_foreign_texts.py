"""Characters in other people's names that cannot be seen reach nobody who reads us; programs get names as they are."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._ansible.showing import FOR_PEOPLE, shown
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.alert import Alert
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.text import page as alert_page
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.text import title
from ansible_collections.mobul.backup.plugins.module_utils._core.texts import (
    escape_undecodable,
    page,
    text_table,
    visible,
)
from hypothesis import given
from hypothesis import strategies as st
from support.lab import PROJECT

MODULES = sorted((PROJECT / "plugins" / "modules").glob("*.py"))
HOSTILE = "a\x1b[2J\r\n\u202eb\u2028c\x85\x00\ud800\u200b\ufeff\U000e0041\x9b31m"
NAMES = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE)), min_size=1, max_size=20)
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def hidden(text: str) -> list[str]:
    return [one for one in text if unicodedata.category(one) in INVISIBLE]


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


@given(NAMES)
def test_whatever_a_name_holds_it_is_shown_in_one_line_that_can_be_seen(name: str) -> None:
    text = visible(name)
    assert hidden(text) == []
    assert visible(text) == text
    assert text == name or hidden(name)


@pytest.mark.parametrize("text", ["", "orders", "naïve 日本語 emoji 🎉", "100\u00a0000", "a \\ b", "\u3000"])
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(NAMES, NAMES)
def test_results_show_names_and_hand_them_on_exactly(name: str, other: str) -> None:
    result = {
        "summary": [f"table {name} was restored", name],
        "findings": [{"check": "rows", "subject": name, "status": "failed", "message": f"{name}: gone"}],
        "locations": [{"name": name, "error": f"no such key {other}"}],
        "table": name,
        "old_table": other,
        "kept": [name],
        "plan": [f"DROP VIEW {name}"],
        "diff": {"before": page([f"{name}: {other}", other]), "after": f"{name}\n"},
    }
    told = shown(result)
    assert (told["table"], told["old_table"], told["kept"]) == (
        escape_undecodable(name),
        escape_undecodable(other),
        [escape_undecodable(name)],
    )
    assert told["findings"][0]["subject"] == told["locations"][0]["name"] == escape_undecodable(name)
    for text in texts([told["summary"], told["plan"], told["findings"][0]["message"], told["locations"][0]["error"]]):
        assert hidden(text) == []
    assert hidden(told["diff"]["after"]) == []
    lines = told["diff"]["before"].split("\n")
    assert len(lines) == 3 and not any(map(hidden, lines))


@given(NAMES)
def test_errors_tables_and_alerts_show_no_character_that_cannot_be_seen(name: str) -> None:
    error = BackupError(f"read {name}", f"table {name} is gone", hint=f"look at {name}")
    error.add(name)
    located = LocationError("disk", "list", f"{name} is foreign")
    for text in (str(error), error.step, error.message, str(error.hint), *map(str, error.args), str(located)):
        assert hidden(text) == []
    assert not any(map(hidden, text_table(("table",), [(name,)])))
    finding = Finding(check="rows", subject=name, status="failed", message=str(error))
    alert = Alert(label="shop", environment=name, source=name, findings=(finding,))
    assert hidden(title(alert, [finding])) == []
    assert not any(map(hidden, alert_page(alert, [finding]).split("\n")))


def test_cells_are_as_wide_as_what_is_shown() -> None:
    assert text_table(("a", "b"), [("x\n", "y")]) == ["a    b", "x\\n  y"]


_DRIVER = """\
import json, sys
from ansible.module_utils import basic
from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError

name, ending = json.loads(sys.argv[1]), sys.argv[2]
basic.has_journal = False
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {}}).encode()
basic._ANSIBLE_PROFILE = "legacy"

def operation(parameters, check_mode):
    if ending == "unexpected":
        raise RuntimeError(name)
    report = {"changed": False, "warnings": [name], "summary": [name], "name": name}
    if ending == "good":
        return report
    error = BackupError("look", name, hint=name)
    error.report = report
    raise error

run_module({}, operation)
"""


@pytest.mark.parametrize("ending", ["good", "error", "unexpected"])
def test_a_module_tells_nothing_in_characters_that_cannot_be_seen(ending: str) -> None:
    name = HOSTILE.replace("\ud800", "")
    argv = [sys.executable, "-c", _DRIVER, json.dumps(name), ending]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout)
    if ending != "unexpected":
        assert told["name"] == name
    for text in texts([told.get(one, "") for one in ("summary", "warnings", "msg", "hint", "step")]):
        assert hidden(text) == []
    trace = json.loads(json.dumps(told.get("exception", "")))
    assert not any(hidden(line) for text in texts([trace]) for line in text.split("\n"))


def told_for_people() -> list[str]:
    found = set()
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RETURN":
                for name, entry in (yaml.safe_load(ast.literal_eval(node.value)) or {}).items():
                    words = str(entry["description"])
                    if "for a person" in words or "as lines of a table" in words or "a line each" in words:
                        found.add(name)
    return sorted(found)


@pytest.mark.parametrize("name", told_for_people())
def test_what_is_documented_as_for_people_is_shown_as_such(name: str) -> None:
    assert name in FOR_PEOPLE


def test_bytes_of_no_encoding_are_written_out_wherever_they_stand() -> None:
    told = shown({"rows": {"t\udce9": 1}, "name": "caf\udcff é\n", "list": ["\udc80"]})
    assert told == {"rows": {r"t\udce9": 1}, "name": "caf\\udcff é\n", "list": [r"\udc80"]}
