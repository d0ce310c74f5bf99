"""Ansible hides the value of an option that is a secret; the path of a file with one is none, and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_DRIVER = """\
import json, sys
from ansible.module_utils import basic
from ansible_collections.mobul.backup.plugins.modules import pg_backup

basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
pg_backup.main()
"""


def as_one_who_must_ask() -> list[str]:
    """Begins a command whose process the permissions of files hold for, whoever runs the tests."""
    if os.geteuid() != 0:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("the superuser may read everything, and setpriv is not here")
    return [program, "--bounding-set=-dac_override,-dac_read_search"]


def refusal(**options: Any) -> str:
    """What pg_backup says of options that it refuses."""
    parameters = {
        "login_db": "shop",
        "label": "shop",
        "allow_unencrypted": True,
        "locations": [{"name": "disk", "type": "local", "path": "/nowhere"}],
        **options,
    }
    argv = [*as_one_who_must_ask(), sys.executable, "-c", _DRIVER]
    run = subprocess.run(argv, input=json.dumps(parameters), capture_output=True, text=True, timeout=60)
    result: dict[str, Any] = json.loads(run.stdout)
    assert result["failed"]
    return str(result["msg"])


@pytest.mark.parametrize("case", ["missing", "unreadable", "too long"])
def test_a_signing_key_that_cannot_be_read_is_named_by_its_option(tmp_path: Path, case: str) -> None:
    path = tmp_path / "signing.pem"
    if case == "unreadable":
        path.write_text("x")
        path.chmod(0)
    elif case == "too long":
        path.write_bytes(b"x" * 100_000)
    message = refusal(signing_key=str(path))
    assert message.startswith("read the signing key: signing_key: ")
    assert ("Permission denied" in message) == (case == "unreadable")
    assert str(path) in message


def test_a_secret_in_the_place_of_a_path_is_not_shown() -> None:
    secret = "MC4CAQAwBQYDK2VwBCIEIJ/4fJk/Xy9"
    message = refusal(signing_key=f"/{secret}")
    assert message.startswith("read the signing key: signing_key: what was given is neither")
    assert secret not in message
