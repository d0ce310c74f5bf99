"""The module backup_alert: what it tells, and what a real run of Ansible shows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.alert_services import PASSWORD, ROUTING_KEY, WEBHOOK_PATH, Desk
from support.module_plays import Result, play
from support.module_runs import run_module

SECRETS = (PASSWORD, ROUTING_KEY, WEBHOOK_PATH, WEBHOOK_PATH.rpartition("/")[2], "canary-apprise-token")
ALERT = {"label": "shop", "environment": "production", "source": "weekly"}
FAILED = {"failed": True, "msg": "connect to the database: refused"}


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
        "backup_alert",
        {**ALERT, "result": FAILED, "channels": desk.channels},
        {**ALERT, "result": FAILED, "channels": [*broken, desk.services.slack]},
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
