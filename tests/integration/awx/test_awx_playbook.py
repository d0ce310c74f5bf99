"""One file of variables makes a controller that does the procedures."""

from __future__ import annotations

from typing import Any

from support.awx_api import Controller
from support.playbooks import Run

from .conftest import Setup

SECRET = "canary-5f2c"
PROJECT = {"name": "ops", "local_path": "ops"}
SMALL: dict[str, Any] = {
    "awx_project": PROJECT,
    "awx_environments": [{"name": "production"}],
    "awx_templates": ["info", "restore"],
}
"""Little enough to be made again and again."""
LARGE: dict[str, Any] = {
    "awx_project": {"name": "ops", "scm_url": "https://git.example.com/ops.git"},
    "awx_execution_environment": {"name": "mobul", "image": "registry.example.com/mobul:1"},
    "awx_environments": [
        {
            "name": "production",
            "source_path": "inventories/production",
            "instance_group": {"max_concurrent_jobs": 2},
            "credentials": [
                {"name": "production database", "type": "database", "inputs": {"password": SECRET, "ca_cert": ""}},
                {"name": "production age", "type": "identity", "inputs": {"identities": SECRET}},
            ],
        }
    ],
    "awx_notifications": [
        {
            "name": "ops",
            "type": "slack",
            "configuration": {"channels": ["#alerts"], "token": SECRET},
            "events": ["error", "approvals"],
        }
    ],
    "awx_templates": ["weekly", "verify", "cleanup", "cleanup_plan"],
    "awx_schedules": [
        {"name": "weekly", "template": "workflow", "days": ["SU"]},
        {
            "name": "daily",
            "template": "verify",
            "time": "02:00",
            "time_zone": "Europe/Berlin",
            "answers": {"verify_backup": "latest"},
        },
    ],
}


def changed(run: Run) -> int:
    """How many tasks of a run that ended well have changed something."""
    assert run.status == 0
    assert SECRET not in run.output
    return run.recap()["localhost"]["changed"]


def told(run: Run) -> str:
    """The one line that a run failed with."""
    assert run.status != 0
    assert run.output.count("fatal: ") == 1
    assert "token-" not in run.output
    message: str = run.failure("localhost")["msg"]
    assert "\n" not in message
    return message


def test_an_empty_controller_gets_all_of_it_and_the_next_run_changes_nothing(
    setup: Setup, controller: Controller
) -> None:
    assert changed(setup.run(LARGE))
    for name in ("weekly", "verify", "cleanup", "cleanup_plan"):
        template = controller.named("job_templates", f"production {name}")
        opened = {field for field, value in template.items() if field.startswith("ask_") and value}
        assert opened == {"ask_limit_on_launch"}
        has = controller.associated("job_templates", f"production {name}", "credentials")
        assert ("production age" in has) == (name == "verify")
    assert controller.named("credentials", "production age")["inputs"] == {"identities": "$encrypted$"}
    assert set(controller.named("credential_types", "mobul.backup identity")["injectors"]) == {"env", "file"}
    daily = controller.named("schedules", "production daily")
    assert daily["rrule"] == "DTSTART;TZID=Europe/Berlin:20260101T020000 RRULE:FREQ=DAILY;INTERVAL=1"
    way = [
        controller.associated("workflow_job_template_nodes", name, "success_nodes")
        for name in ("weekly", "verify", "plan", "approve", "cleanup")
    ]
    assert way == [["verify"], ["plan"], ["approve"], ["cleanup"], []]
    assert controller.associated("inventories", "production", "instance_groups") == ["production"]

    before = len(controller.requests)
    assert changed(setup.run(LARGE)) == 0
    assert [one for one in controller.requests[before:] if one[0] != "GET"] == []


def test_a_run_that_was_cut_off_is_made_good_and_what_is_not_wanted_goes_only_when_that_is_said(
    setup: Setup, controller: Controller
) -> None:
    controller.refuse = lambda method, path: 503 if (method, path) == ("POST", "/api/v2/job_templates/") else None
    assert setup.run(SMALL).status != 0
    assert controller.names("inventories") == ["production"]
    controller.refuse = lambda _method, _path: None

    changed(setup.run(SMALL))
    assert controller.names("job_templates") == ["production info", "production restore"]
    survey = controller.surveys[controller.named("job_templates", "production restore")["id"]]["spec"]
    assert [one["choices"] for one in survey if one["variable"] == "expect_database"] == [["shop"]]

    small = {**SMALL, "awx_templates": ["info"], "awx_project": {**PROJECT, "playbooks": ""}}
    controller.tables["job_templates"][controller.named("job_templates", "production info")["id"]]["forks"] = 7
    kept = setup.run(small)
    assert changed(kept) == 0
    assert "production restore" in kept.output
    assert controller.names("job_templates") == ["production info", "production restore"]
    assert changed(setup.run(small, awx_remove=True)) == 1
    assert controller.names("job_templates") == ["production info"]
    # What somebody made by hand has no mark.
    assert controller.named("job_templates", "production info")["forks"] == 7


def test_who_cannot_get_in_is_told_so_in_one_line(setup: Setup, controller: Controller) -> None:
    controller.tokens.clear()
    assert "a token may have expired" in told(setup.run(SMALL))
    assert "does not answer" in told(setup.run(SMALL, awx_host="http://127.0.0.1:1"))
    assert controller.changes() == []
