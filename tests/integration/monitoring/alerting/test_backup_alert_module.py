"""The module backup_alert: what it tells, and what a real run of Ansible shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.alert_services import PASSWORD, ROUTING_KEY, WEBHOOK_PATH, Desk
from support.module_runs import run_module

Result = dict[str, Any]

SECRETS = (PASSWORD, ROUTING_KEY, WEBHOOK_PATH, WEBHOOK_PATH.rpartition("/")[2], "canary-apprise-token")
ALERT = {"label": "shop", "environment": "production", "source": "weekly"}
FAILED = {"failed": True, "msg": "connect to the database: refused"}


def play(directory: Path, *tasks: dict[str, Any]) -> tuple[list[Result], str]:
    """Run tasks of the module on localhost, failed or not, with -vvv and --diff: their results and all output."""
    results = directory / "results.json"
    steps: list[dict[str, Any]] = [
        {
            "mobul.backup.backup_alert": {**ALERT, **given},
            "register": f"result{number}",
            "ignore_errors": True,
        }
        for number, given in enumerate(map(dict, tasks))
    ]
    together = "{{ [" + ", ".join(f"result{number}" for number in range(len(tasks))) + "] | to_json }}"
    steps.append({"ansible.builtin.copy": {"content": together, "dest": str(results)}})
    playbook = directory / "playbook.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": steps}]))
    argv = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", "--diff", "-vvv"]
    environment = {**os.environ, "HOME": str(directory), "ANSIBLE_LOCALHOST_WARNING": "false"}
    run = subprocess.run(
        [*argv, "-e", f"ansible_python_interpreter={sys.executable}", playbook],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(results.read_text()), run.stdout + run.stderr


@pytest.fixture
def broken(desk: Desk) -> list[dict[str, Any]]:
    """Channels that fail, each with secrets."""
    return [
        {**desk.services.slack, "name": "gone", "webhook_url": f"{desk.services.url}/services/a{WEBHOOK_PATH}"},
        {**desk.services.pagerduty, "name": "short", "routing_key": f"{ROUTING_KEY}x"},
        {**desk.mail.channel, "name": "untrusted", "ca_cert": ""},
        {"type": "apprise", "name": "odd", "apprise_url": "no-such-service://canary-apprise-token"},
    ]


@pytest.mark.next
def test_check_send_resolve_and_fail(tmp_path: Path, desk: Desk, broken: list[dict[str, Any]]) -> None:
    good = {"changed": True, "summary": ["shop: all good"]}

    def run(**options: Any) -> Result:
        return run_module("backup_alert", **ALERT, **options)

    planned = run(result=FAILED, channels=desk.channels, check_mode=True)
    (sent, failed), output = play(
        tmp_path,
        {"result": FAILED, "channels": desk.channels},
        {"result": FAILED, "channels": [*broken, desk.services.slack]},
    )
    resolved = run(result=[good, {"skipped": True}], channels=desk.channels)
    warned = run(result=FAILED, channels=[*broken, desk.services.slack], must_deliver=False)
    nobody = run(result=FAILED, channels=[])
    mistyped = run(result=FAILED, channels=[{**desk.services.slack, "type": "Slack"}])
    assert (planned["changed"], planned["channels"][1]["status"]) == (True, "planned")
    assert (sent["changed"], [one["sent"] for one in sent["channels"]]) == (True, [1, 1, 1])
    (found,) = sent["findings"]
    assert (found["key"], found["message"]) == ("mobul.backup/shop/production/job/weekly", FAILED["msg"])
    assert resolved["channels"][2]["messages"] == ["resolve: shop (production): job weekly: passed"]
    assert [event["event_action"] for event in desk.services.events] == ["trigger", "resolve"]

    assert (failed["failed"], failed["step"], failed["changed"]) == (True, "send the alert", True)
    assert failed["msg"].startswith("send the alert: 4 of 5 channels failed: gone: ")
    assert [one["status"] for one in failed["channels"]] == ["failed"] * 4 + ["sent"]
    assert "warnings" not in failed or not [text for text in failed["warnings"] if "no alert by" in text]
    assert ("failed" in warned, len(warned["warnings"])) == (False, 4)
    assert len(desk.services.posts) == 3
    assert ("failed" in nobody, nobody["changed"], nobody["channels"]) == (False, False, [])
    assert mistyped["failed"]
    everything = output + json.dumps([planned, sent, failed, resolved, warned, nobody, mistyped])
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "+slack (slack): shop (production): job weekly: failed" in output
