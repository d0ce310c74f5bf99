"""The module s3_upload: check, apply, apply again; mistakes; and no secret anywhere in a real run of Ansible."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.module_runs import run_module

from .conftest import MIB, Place, payload

TOKEN = "canary-token-51f0c2"
WRONG = "canary-wrong-secret-77aa01"
DATA = payload(9 * MIB, seed=8)


def play(directory: Path, variables: dict[str, Any], tasks: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Run tasks of the module on localhost, failed or not, with -vvv and --diff: their results and all output."""
    results = directory / "results.json"
    steps: list[dict[str, Any]] = [
        {
            "mobul.backup.s3_upload": task,
            "register": f"result{number}",
            "ignore_errors": True,
        }
        for number, task in enumerate(tasks)
    ]
    together = "{{ [" + ", ".join(f"result{number}" for number in range(len(tasks))) + "] | to_json }}"
    steps.append({"ansible.builtin.copy": {"content": together, "dest": str(results)}})
    playbook, extra = directory / "playbook.yml", directory / "variables.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": steps}]))
    extra.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
    argv = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", "-vvv", "--diff"]
    environment = {**os.environ, "HOME": str(directory), "ANSIBLE_LOCALHOST_WARNING": "false"}
    run = subprocess.run(
        [*argv, "-e", f"@{extra}", playbook], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(results.read_text()), run.stdout + run.stderr


@pytest.mark.next
def test_check_apply_apply_again_and_mistakes(place: Place, tmp_path: Path) -> None:
    src = tmp_path / "backup.bin"
    src.write_bytes(DATA)
    names = ("bucket", "endpoint_url", "region", "access_key")
    good = {name: place.options[name] for name in names} | {"src": str(src), "secret_key": "{{ secret }}"}
    variables = {"secret": place.options["secret_key"], "token": TOKEN, "wrong": WRONG}
    here = {**good, "secret_key": place.options["secret_key"]}
    planned = run_module("s3_upload", check_mode=True, **here)
    assert place.stored() == {}
    results, output = play(
        tmp_path,
        variables,
        [
            {**good, "tags": {"incident": "INC-1"}, "metadata": {"run": 17}, "sse": "none"},
            {**good},
            {**good, "secret_key": "{{ wrong }}"},
            {**good, "object": "new", "session_token": "{{ token }}", "bucket": "no-such-bucket"},
        ],
    )
    done, again, unfit, nowhere = results
    checked = run_module("s3_upload", check_mode=True, **here)
    assert [result["changed"] for result in (planned, done, again, checked)] == [True, True, False, False]
    mistakes = [
        unfit,
        run_module("s3_upload", check_mode=True, **{**here, "object": "new", "secret_key": WRONG}),
        nowhere,
        run_module("s3_upload", **{**here, "src": str(tmp_path / "missing")}),
        run_module("s3_upload", **{**here, "bucket": "s3://bucket"}),
    ]
    assert place.stored() == {"backup.bin": DATA}
    assert done["object"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert done["object"]["proof"] == "md5"
    assert (done["bytes_sent"], again["bytes_sent"]) == (len(DATA), 0)
    assert done["diff"]["before"]["state"] == "absent"
    assert done["diff"]["after"]["size"] == len(DATA)

    assert all(result["failed"] and result["step"] for result in mistakes)
    told = ("secret key does not belong", "secret key does not belong", "bucket does not exist", "No such file")
    for result, text in zip(mistakes, told, strict=False):
        assert text in result["msg"]
    assert "without s3://" in mistakes[-1]["msg"]
    assert mistakes[2]["hint"]

    everything = output + json.dumps([*results, *mistakes, planned, checked])
    for secret in (str(place.options["secret_key"]), TOKEN, WRONG):
        assert secret not in everything
