"""The module s3_upload: check, apply, apply again; mistakes; and no secret anywhere in a real run of Ansible."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support.module_plays import play
from support.module_runs import run_module

from .conftest import MIB, Place, payload

TOKEN = "canary-token-51f0c2"
WRONG = "canary-wrong-secret-77aa01"
DATA = payload(9 * MIB, seed=8)


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
        "s3_upload",
        {**good, "tags": {"incident": "INC-1"}, "metadata": {"run": 17}, "sse": "none"},
        {**good, "object": "new", "secret_key": "{{ wrong }}", "session_token": "{{ token }}"},
        variables=variables,
    )
    done, unfit = results
    again = run_module("s3_upload", **here)
    checked = run_module("s3_upload", check_mode=True, **here)
    assert [result["changed"] for result in (planned, done, again, checked)] == [True, True, False, False]
    mistakes = [
        unfit,
        run_module("s3_upload", check_mode=True, **{**here, "object": "new", "secret_key": WRONG}),
        run_module("s3_upload", **{**here, "object": "new", "session_token": TOKEN, "bucket": "no-such-bucket"}),
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

    everything = output + json.dumps([*results, *mistakes, planned, again, checked])
    for secret in (str(place.options["secret_key"]), TOKEN, WRONG):
        assert secret not in everything
