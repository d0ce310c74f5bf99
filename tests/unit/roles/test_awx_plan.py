"""What a controller is to have: each question is a variable that there is, and secrets go where they are needed."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.checklists import states_of
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import RESULT, VALUES, check_values
from ansible_collections.mobul.backup.plugins.plugin_utils.awx_plan import TYPE_PREFIX, make_plan
from support import awx_rules as rules

PROJECT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 27, tzinfo=UTC)
ROLE = PROJECT / "roles" / "awx"
IDENTITY = {"verify", "restore", "restore_table", "revert_migration", "rekey"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


PRODUCT = {
    **load(ROLE / "vars" / "main" / "credential_types.yml"),
    **load(ROLE / "vars" / "main" / "job_templates.yml"),
}
TYPES = [one["name"] for one in PRODUCT["awx__credential_types"]]
TEMPLATES = [one["name"] for one in PRODUCT["awx__job_templates"]]
SPECIFIED = {
    name: option
    for path in (PROJECT / "roles").glob("*/meta/argument_specs.yml")
    for entry in load(path)["argument_specs"].values()
    for name, option in entry["options"].items()
}


def inputs_of(kind: dict[str, Any]) -> dict[str, str]:
    """Something for each input that a type requires, and nothing for the others."""
    return {field["id"]: "a" if field["id"] in kind.get("required", []) else "" for field in kind["fields"]}


def settings(**changed: Any) -> dict[str, Any]:
    credentials = [
        {"name": f"production {one['name']}", "type": one["name"], "inputs": inputs_of(one)}
        for one in PRODUCT["awx__credential_types"]
    ]
    return {
        "environments": [
            {
                "name": "production",
                "credentials": [*credentials, {"name": "ssh", "type": "Machine", "inputs": {}}],
                "databases": ["shop", "crm"],
            }
        ],
        "templates": [],
        "schedules": load(ROLE / "defaults" / "main.yml")["awx_schedules"],
        "notifications": [],
        "project": {"name": "ops", "scm_url": "https://git.example.com/ops.git"},
        "organization": "Databases",
        "execution_environment": {"name": "mobul", "image": "registry.example.com/mobul:1"},
        "approval_timeout": 3600,
        "mark": "[ours]",
        "inventory": [],
        "specs": load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"],
        "credential_types": PRODUCT["awx__credential_types"],
        "job_templates": PRODUCT["awx__job_templates"],
        "workflow": PRODUCT["awx__workflow"],
        **changed,
    }


def with_credential(*types: str, **changed: Any) -> list[dict[str, Any]]:
    """An environment with credentials of these types, or with a changed one."""
    credentials = [{"name": f"{number}", "type": kind} for number, kind in enumerate(types)]
    credentials = credentials or [{"name": "a", "type": "database", **changed}]
    return [{"name": "production", "databases": ["shop"], "credentials": credentials}]


def with_schedule(**changed: Any) -> list[dict[str, Any]]:
    """A schedule."""
    return [{"name": "weekly", "template": "weekly", **changed}]


PLAN = make_plan(settings())
QUESTIONS = [(job, question) for job in PLAN["jobs"] for question in job["survey"].get("spec", [])]


@pytest.mark.parametrize(
    ("job", "question"), QUESTIONS, ids=[f"{job['name']} {one['variable']}" for job, one in QUESTIONS]
)
def test_every_question_is_a_variable_of_its_playbook_with_the_same_type_and_choices(
    job: dict[str, Any], question: dict[str, Any]
) -> None:
    name, playbook = question["variable"], job["playbook"].removesuffix(".yml")
    (value,) = (one for one in VALUES[playbook] if one.name == name)
    option = SPECIFIED[name]
    assert option["type"] in ("raw", {"integer": "int"}.get(question["type"], "str"))
    choices = set(question.get("choices", []))
    if "choices" in option:
        assert choices <= set(option["choices"])
    if value.kind == "state":
        assert choices <= set(states_of(playbook))
    elif value.kind == "choice":
        assert choices == set(value.choices)
    elif value.kind == "flag":
        assert choices == {"on", "off"}


def test_every_variable_that_a_caller_gives_is_specified() -> None:
    for playbook, values in VALUES.items():
        for value in (RESULT, *values):
            option = SPECIFIED[value.name]
            assert set(value.choices) <= set(option.get("choices", value.choices))
            if value.kind == "state":
                assert set(option["choices"]) == set(states_of(playbook))


def test_an_answer_that_nobody_gave_is_none() -> None:
    # A controller hands on the default of each question, also an empty one.
    for job in PLAN["jobs"]:
        playbook = job["playbook"].removesuffix(".yml")
        survey = job["survey"].get("spec", [])
        given = {
            one["variable"]: one["default"] or (one.get("choices") or ["x"])[0] if one["required"] else one["default"]
            for one in survey
        }
        told = check_values(playbook, given, NOW) if playbook in VALUES else {}
        for one in survey:
            if not one["required"]:
                assert told[one["variable"]] == str(one["default"])
                assert SPECIFIED[one["variable"]]["default"] == one["default"], one["variable"]


def test_what_a_procedure_cannot_do_without_must_be_answered() -> None:
    required = {(job["playbook"], one["variable"]) for job, one in QUESTIONS if one["required"]}
    for procedure, values in VALUES.items():
        for value in values:
            if value.meant:
                assert (f"{procedure}.yml", value.name) in required


@pytest.mark.parametrize("job", PLAN["jobs"], ids=[job["name"] for job in PLAN["jobs"]])
def test_a_controller_takes_every_survey(job: dict[str, Any]) -> None:
    assert (PROJECT / "playbooks" / job["playbook"]).is_file()
    if job["survey"]:
        rules.check_survey(job["survey"])


def test_a_controller_takes_every_type_and_none_makes_an_extra_variable() -> None:
    assert [one["name"] for one in PLAN["types"]] == [TYPE_PREFIX + name for name in TYPES]
    for one in PLAN["types"]:
        rules.check_credential_type({"kind": "cloud", **one})
        assert set(one["injectors"]) <= {"env", "file"}
        for field in one["inputs"]["fields"]:
            is_secret = re.search("pass|secret|key|token|identit|config|webhook", field["id"])
            public = field["id"] in ("access_key", "verify_key", "record_verify_key")
            assert bool(field.get("secret")) == bool(is_secret and not public), field["id"]


def test_only_what_decrypts_gets_an_identity_and_none_of_them_signs_backups() -> None:
    for job in PLAN["jobs"]:
        name = job["name"].removeprefix("production ")
        assert ("production identity" in job["credentials"]) == (name in IDENTITY)
        assert not {"production identity", "production signing key"} <= set(job["credentials"])
        assert "ssh" in job["credentials"]


def test_every_playbook_that_a_person_calls_has_a_template() -> None:
    playbooks = {path.stem for path in (PROJECT / "playbooks").glob("*.yml")} - {"check_inventory", "schedule", "awx"}
    assert {job["playbook"].removesuffix(".yml") for job in PLAN["jobs"]} == playbooks


def test_the_schedules_are_those_of_the_timers_and_a_controller_takes_them() -> None:
    assert {one["name"]: one["rrule"].partition(" ") for one in PLAN["schedules"]} == {
        f"production {name}": (f"DTSTART:20260101T{time}00Z", " ", f"RRULE:{rule}")
        for name, time, rule in (
            ("weekly", "0000", "FREQ=WEEKLY;INTERVAL=1;BYDAY=SU"),
            ("daily", "0200", "FREQ=DAILY;INTERVAL=1"),
            ("cleanup", "0400", "FREQ=DAILY;INTERVAL=1"),
            ("verify", "0600", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO"),
            ("daily_check", "0730", "FREQ=DAILY;INTERVAL=1"),
        )
    }
    surveys = {job["name"]: job["survey"] for job in PLAN["jobs"]}
    for one in PLAN["schedules"]:
        rules.check_rrule(one["rrule"])
        asks = {"survey_enabled": True}
        rules.check_prompts(asks, surveys[one["template"]], {"extra_data": one["answers"]})


def test_nothing_but_the_limit_and_the_survey_is_asked_for() -> None:
    api = json.loads((PROJECT / "tests" / "data" / "awx" / "api.json").read_text())["endpoints"]
    for one in PLAN["objects"]:
        if one["kind"] in ("job_templates", "workflow_job_templates"):
            asks = {name for name in api[one["kind"]]["POST"] if name.startswith("ask_")}
            assert {name: one["fields"][name] for name in asks} == {
                name: name == "ask_limit_on_launch" for name in asks
            }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"environments": []}, "awx_environments is empty"),
        ({"environments": "production"}, "awx_environments"),
        ({"environments": [{"name": "a", "source": "b"}]}, "there is no awx_environments.source"),
        ({"environments": None}, "awx_environments"),
        ({"project": {}}, "missing required arguments: name found in awx_project"),
        ({"environments": with_credential(type=None)}, "type"),
        ({"environments": [{"name": "production"}]}, "has no database"),
        ({"environments": [{"name": "a", "databases": ["a"]}] * 2}, "the name a twice"),
        ({"environments": [{"name": "a\nb", "databases": ["a"]}]}, "on one line"),
        ({"environments": [{"name": " ", "databases": ["a"]}]}, "on one line"),
        ({"environments": [{"name": "a ", "databases": ["a"]}]}, "no blanks at its ends"),
        ({"environments": [{"name": "a", "hosts": {"db:5432": None}}]}, "has a host 'db:5432'"),
        ({"environments": with_credential(inputs={"password": 12345})}, "password is no text (write it in quotes)"),
        ({"environments": with_credential(inputs={"pasword": "canary"})}, "has pasword, which is no input"),
        ({"environments": with_credential(type="S3", inputs={"access_key": "a"})}, "has no secret_key"),
        ({"environments": with_credential("database", "database")}, "there is another of the type database"),
        ({"environments": [{"name": "production", "databases": ["shop", ""]}]}, "has a database without a name"),
        ({"environments": [{"name": "production", "hosts": {"shop": ["a"]}}]}, "variables of host shop of production"),
        ({"project": {"name": "ops"}}, "awx_project has to have scm_url or local_path"),
        (
            {
                "project": {"name": "ops", "local_path": "ops"},
                "environments": [{"name": "a", "databases": ["b"], "source_path": "c"}],
            },
            "takes a project with scm_url",
        ),
        ({"execution_environment": {"image": "registry.example.com/mobul:1"}}, "an image without a name"),
        ({"templates": ["weekley"]}, "awx_templates names weekley"),
        ({"schedules": with_schedule(template="b")}, "awx_schedules names b"),
        ({"schedules": with_schedule(time=120)}, "has the time 120 (write hours and minutes in quotes"),
        ({"schedules": with_schedule(time_zone="Europe/Berlim")}, "has the time zone Europe/Berlim, which is none"),
        ({"schedules": with_schedule(days=["sunday"])}, "days"),
        ({"schedules": with_schedule(month_day=32)}, "has the month_day 32"),
        ({"schedules": with_schedule(days=["SU"], month_day=1)}, "leave one of them out"),
        ({"schedules": with_schedule(environments=["staging"])}, "names the environment staging"),
        ({"schedules": with_schedule(rrule="every sunday")}, "has an rrule"),
        (
            {
                "schedules": with_schedule(
                    rrule="DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20270101T000000"
                )
            },
            "UNTIL with a Z",
        ),
        (
            {"schedules": with_schedule(answers={"backup_kind": "daily"})},
            "answers backup_kind, which weekly does not ask",
        ),
        ({"schedules": with_schedule(template="maintenance")}, "does not answer maintenance_state"),
        (
            {"schedules": with_schedule(template="maintenance", answers={"maintenance_state": True})},
            "maintenance_state is no text",
        ),
        (
            {"schedules": with_schedule(template="backup", answers={"backup_kind": "hourly"})},
            "backup_kind is hourly (there are manual, daily",
        ),
        ({"notifications": [{"name": "a", "type": "slack"}]}, "configuration"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(changed: dict[str, Any], told: str) -> None:
    problems = make_plan(settings(**changed))["problems"]
    assert told in problems[0]
    assert problems[0].endswith(")")
    assert "canary" not in problems[0]


def test_playbooks_may_lie_in_a_folder() -> None:
    for folder in ("playbooks", "playbooks/"):
        plan = make_plan(settings(project={"name": "ops", "local_path": "ops", "playbooks": folder}))
        assert plan["jobs"][0]["playbook"] == "playbooks/weekly.yml"


def test_names_of_databases_come_from_the_inventory_or_the_hosts() -> None:
    environments = [{"name": "production"}, {"name": "staging", "hosts": {"a": {"backup_login_db": "b"}, "c": None}}]
    plan = make_plan(settings(environments=environments, inventory=[["production", "shop"]]))
    choices = {
        job["environment"]: one["choices"]
        for job in plan["jobs"]
        for one in job["survey"].get("spec", [])
        if one["variable"] == "expect_database"
    }
    assert choices == {"production": ["shop"], "staging": ["b", "c"]}
