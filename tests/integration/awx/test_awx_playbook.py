"""One file of variables makes a controller that does the procedures."""

from __future__ import annotations

from typing import Any

import pytest
from support.awx_api import Controller
from support.awx_setup import PRODUCT, TOKEN
from support.playbooks import Run

from .conftest import Setup

SECRET = "canary-5f2c"
SECRETS = {"database": "password", "identity": "identities", "signing key": "signing_key", "rclone": "config"}
LARGE: dict[str, Any] = {
    "awx_project": {"name": "ops", "scm_url": "https://git.example.com/ops.git"},
    "awx_execution_environment": {"name": "mobul", "image": "registry.example.com/mobul:1"},
    "awx_environments": [
        {
            "name": "production",
            "source_path": "inventories/production",
            "instance_group": {"max_concurrent_jobs": 2},
            "credentials": [
                {"name": f"production {kind}", "type": kind, "inputs": {field: SECRET}}
                for kind, field in SECRETS.items()
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
}


def changed(run: Run) -> int:
    """How many tasks of a run that ended well have changed something."""
    assert run.status == 0
    assert SECRET not in run.output
    assert TOKEN not in run.output
    return run.recap()["localhost"]["changed"]


@pytest.mark.next
def test_an_empty_controller_is_told_what_it_gets_gets_it_and_the_next_run_changes_nothing(
    setup: Setup, controller: Controller
) -> None:
    told = setup.run(LARGE, "--check", "--diff")
    assert changed(told) == 1
    assert controller.changes() == []
    names = [f"production {one['name']}" for one in PRODUCT["awx__job_templates"]]
    for name in names:
        assert f'"make job template {name}"' in told.output

    assert changed(setup.run(LARGE)) == 1
    assert controller.names("job_templates") == sorted(names)
    for name in names:
        template = controller.named("job_templates", name)
        opened = {field for field, value in template.items() if field.startswith("ask_") and value}
        assert opened == {"ask_limit_on_launch"}
    daily = controller.named("schedules", "production daily")
    assert daily["rrule"] == "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1"
    way = [
        controller.associated("workflow_job_template_nodes", name, "success_nodes")
        for name in ("weekly", "verify", "plan", "approve", "cleanup")
    ]
    assert way == [["verify"], ["plan"], ["approve"], ["cleanup"], []]
    assert controller.associated("inventories", "production", "instance_groups") == ["production"]
    survey = controller.surveys[controller.named("job_templates", "production restore")["id"]]["spec"]
    assert [one["choices"] for one in survey if one["variable"] == "expect_database"] == [["shop"]]

    before = len(controller.changes())
    assert changed(setup.run(LARGE)) == 0
    assert len(controller.changes()) == before


def test_who_cannot_get_in_is_told_so_in_one_line_in_the_words_of_the_role(
    setup: Setup, controller: Controller
) -> None:
    controller.tokens.clear()
    run = setup.run(LARGE)
    assert run.status != 0
    assert run.output.count("fatal: ") == 1
    message = run.failure("localhost")["msg"]
    assert "may have expired" in message
    assert "see awx_host, awx_token" in message
    assert message.endswith("nothing was changed")
    assert "\n" not in message
    assert controller.changes() == []
