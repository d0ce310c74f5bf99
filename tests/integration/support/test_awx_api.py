"""The stand-in for a controller answers as AWX 24.6 did."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
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


@pytest.fixture(scope="module")
def controller() -> Iterator[Controller]:
    with Controller(playbooks={"mobul3": ["weekly.yml"]}, ids=IDS) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_recorded_request_is_answered_as_it_was(controller: Controller, case: dict[str, Any]) -> None:
    """The cases build on each other, and run in their order."""
    body = case.get("body")
    request = urllib.request.Request(
        f"{controller.url}{ROOT}{case['path']}",
        method=case["method"],
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": LOGIN.get(case["case"], "Bearer token"), "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            status, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    assert status == case["status"], text
    answer = json.loads(text or b"{}")
    if "refused_fields" in case:
        assert set(case["refused_fields"]) <= set(answer)
    elif case.get("answer_fields"):
        assert sorted(answer) == case["answer_fields"]
