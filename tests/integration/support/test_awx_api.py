"""The stand-in for a controller answers as AWX 24.6 did."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

from support.awx_api import DATA, ROOT, Controller

CASES: list[dict[str, Any]] = json.loads((DATA / "cases.json").read_text())
# The ids that the recorded controller gave first: cases have them in their bodies.
IDS = {
    "organizations": 5,
    "credential_types": 33,
    "credentials": 6,
    "inventories": 3,
    "hosts": 4,
    "groups": 2,
    "unified_job_templates": 18,
    "workflow_job_template_nodes": 10,
    "notification_templates": 2,
    "instance_groups": 8,
}
LOGIN = {
    "wrong password": "Basic " + base64.b64encode(b"admin:wrong").decode(),
    "wrong token": "Bearer wrong",
    "no login": "",
}


def difference(controller: Controller, case: dict[str, Any]) -> str:
    """How the answer to one request is another than the recorded one; empty if it is not."""
    body = case.get("body")
    request = urllib.request.Request(
        f"{controller.url}{ROOT}{case['path']}",
        method=case["method"],
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": LOGIN.get(case["case"], "Bearer canary-77aa"), "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            status, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    answer = json.loads(text or b"{}")
    if status != case["status"]:
        return f"{status} {text!r}"
    if "refused_fields" in case:
        return f"refused are {sorted(answer)}" if set(case["refused_fields"]) - set(answer) else ""
    wanted = case.get("answer_fields") or sorted(answer)
    return f"the fields are {sorted(answer)}" if sorted(answer) != wanted else ""


def test_every_recorded_request_is_answered_as_it_was() -> None:
    # The cases build on each other, so that they are one test.
    with Controller(playbooks={"mobul3": ["weekly.yml"]}, ids=IDS) as controller:
        told = {case["case"]: difference(controller, case) for case in CASES}
    assert {case: text for case, text in told.items() if text} == {}
