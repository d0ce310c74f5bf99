"""Promises of a procedure's document: go means that every required step is done, whatever the tasks have returned."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.announcing import announcement
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.checklists import (
    _MIDDLES,
    RECORD,
    TELL,
    ChecklistOptions,
    checklist,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.document import (
    CHECKED,
    DONE,
    GO,
    NO_GO,
    SCHEMA,
    Procedure,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.results import outcome_of
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.transitions import (
    advance,
    blamed,
    conclude,
    finish,
)
from hypothesis import given
from hypothesis import strategies as st
from support.procedure_documents import NOW, begun

PUBLISHED = Path(__file__).resolve().parents[4] / "docs" / "procedure.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA.as_dict())
SHA256 = "ab" * 32

made = st.fixed_dictionaries(
    {
        "id": st.just("pre_deploy_20261126_210000"),
        "label": st.just("shop"),
        "directory": st.just("shop/2026/11/26/pre_deploy_20261126_210000"),
        "locations": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["s3", "local"]),
                    "type": st.just("local"),
                    "status": st.sampled_from(["good", "failed"]),
                    "proof": st.none() | st.just("sha256"),
                    "error": st.none() | st.text(),
                }
            ),
            max_size=2,
        ),
        "artifacts": st.just([{"name": "backup.dump.age", "role": "dump", "size": 7, "sha256": SHA256}]),
        "manifest_sha256": st.just(SHA256),
        "signed": st.booleans(),
    }
)
results = st.one_of(
    st.just({}),
    st.just({"skipped": True}),
    st.fixed_dictionaries({"failed": st.just(True), "msg": st.text()}),
    st.just({"unreachable": True, "msg": "no route"}),
    st.fixed_dictionaries({"skipped_because": st.text(min_size=1)}),
    st.fixed_dictionaries({"summary": st.lists(st.text(), max_size=3)}),
    made,
)


def assert_sound(document: Procedure) -> dict[str, Any]:
    """It can be written and read, fits the published schema, and go means go."""
    data = document.to_bytes()
    assert Procedure.parse(data) == document
    told: dict[str, Any] = json.loads(data)
    VALIDATOR.validate(told)
    if document.verdict == GO:
        assert document.finished is not None
        assert not document.check_mode
        assert all(step.status == DONE for step in document.steps if step.required)
    return told


def test_the_error_of_a_copy_is_one_visible_line() -> None:
    copy = {"name": "s3", "type": "s3", "status": "failed", "proof": None, "error": "cut\0off\nthere"}
    result = {"id": "a", "label": "shop", "directory": "shop/a", "locations": [copy], "signed": False}
    backup = outcome_of(result, check_mode=False).backup
    assert backup is not None
    assert backup.copies[0].error == r"cut\x00off\nthere"


@given(
    which=st.sampled_from(sorted(_MIDDLES, key=str)),
    told=st.booleans(),
    must_tell=st.booleans(),
    left_out=st.sets(st.sampled_from(["drill", "hold", "forensic_copy", "safety_backup"])),
    check_mode=st.booleans(),
    done=st.lists(st.tuples(st.integers(0, 9), results), max_size=12),
)
def test_go_means_that_every_required_step_is_done(
    which: tuple[str, str | None],
    told: bool,
    must_tell: bool,
    left_out: set[str],
    check_mode: bool,
    done: list[tuple[int, dict[str, Any]]],
) -> None:
    wanted = ChecklistOptions(told=told, must_tell=must_tell, left_out=dict.fromkeys(left_out, "nobody asked"))
    document = begun(*which, wanted, check_mode=check_mode)
    assert assert_sound(document)["verdict"] == NO_GO
    for number, (place, result) in enumerate(done):
        name = document.steps[place % len(document.steps)].name if number % 2 else blamed(document)
        if name == RECORD:
            continue
        document = advance(document, name, outcome_of(result, check_mode=check_mode), NOW + timedelta(seconds=number))
        assert assert_sound(document)["verdict"] == NO_GO
        assert announcement(conclude(document, NOW))["state"] in ("go", "no_go")
    assert_sound(finish(document, ("result.json",), NOW + timedelta(minutes=1)))


@given(
    which=st.sampled_from(sorted(_MIDDLES, key=str)),
    told=st.booleans(),
    must_tell=st.booleans(),
    check_mode=st.booleans(),
    done=st.integers(0, 9),
    last=results,
)
def test_a_failure_that_no_step_has_recorded_is_no_go_wherever_the_run_was(
    which: tuple[str, str | None], told: bool, must_tell: bool, check_mode: bool, done: int, last: dict[str, Any]
) -> None:
    document = begun(*which, ChecklistOptions(told=told, must_tell=must_tell), check_mode=check_mode)
    went_well = outcome_of({"summary": ["done"]}, check_mode=check_mode)
    steps = [step.name for step in document.steps if step.name not in (TELL, RECORD)]
    for name in steps[:done]:
        document = advance(document, name, went_well, NOW)
    at = blamed(document)
    assert at not in steps[:done]
    document = advance(document, at, outcome_of({"failed": True, "msg": "it broke"}, check_mode=check_mode), NOW)
    assert announcement(conclude(document, NOW))["state"] == NO_GO
    # The team is told afterwards, and that it was is no step back.
    document = advance(document, TELL, outcome_of(last, check_mode=check_mode), NOW)
    ended = finish(document, (), NOW)
    assert ended.verdict == NO_GO
    assert [step.evidence for step in ended.steps if step.name == at] == [("it broke",)]
    assert_sound(ended)


def test_a_check_that_finds_nothing_wrong_says_so_and_that_nothing_was_done() -> None:
    document = begun("pre_deploy", None, ChecklistOptions(told=True), check_mode=True)
    for step in checklist("pre_deploy", None, ChecklistOptions(told=True))[:-1]:
        assert document.reason == f"it has not ended: it is at step '{step.name}'"
        document = advance(document, step.name, outcome_of({"summary": ["would"]}, check_mode=True), NOW)
    assert finish(document, (), NOW).verdict == CHECKED


@pytest.mark.parametrize("which", sorted(_MIDDLES, key=str), ids=str)
def test_every_procedure_can_end_in_go_and_says_where_it_was_killed(which: tuple[str, str | None]) -> None:
    document = begun(*which, ChecklistOptions(told=True))
    for step in checklist(*which, ChecklistOptions(told=True))[:-1]:
        assert document.reason == f"it has not ended: it is at step '{step.name}'"
        document = advance(document, step.name, outcome_of({"summary": ["done"]}, check_mode=False), NOW)
    ended = finish(document, (), NOW)
    assert (ended.verdict, ended.reason) == (GO, None)
    assert announcement(ended)["state"] == "go"


def test_a_document_that_says_go_without_its_steps_is_neither_written_nor_read() -> None:
    document = finish(begun("pre_deploy", None, ChecklistOptions()), (), NOW)
    assert document.verdict == NO_GO
    assert document.reason == "it did not reach step 'backup'"
    told = json.loads(document.to_bytes())
    told |= {"verdict": "go", "reason": None}
    with pytest.raises(FormatError, match="not every required step is done"):
        Procedure.parse(json.dumps(told).encode())
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(told)


def test_the_published_schema_is_the_one_of_the_code_and_is_a_schema() -> None:
    assert PUBLISHED.read_text() == SCHEMA.to_text(), "run: .venv/bin/python tools/schemas.py"
    jsonschema.Draft202012Validator.check_schema(SCHEMA.as_dict())


@pytest.mark.parametrize("which", [("pre_deploy", None), ("pre_migration", "begun")])
def test_a_restore_point_is_a_step_where_it_is_asked_for_and_stops_nothing(which: tuple[str, str | None]) -> None:
    without = checklist(*which, ChecklistOptions(left_out={"restore_point": "nobody asked for it"}))
    assert "restore_point" not in [step.name for step in without]
    document = begun(*which, ChecklistOptions())
    for step in document.steps[:-1]:
        result = {"failed": True, "msg": "no"} if step.name == "restore_point" else {"summary": ["done"]}
        document = advance(document, step.name, outcome_of(result, check_mode=False), NOW)
    assert finish(document, (), NOW).verdict == GO
