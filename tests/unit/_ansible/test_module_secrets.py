"""No module returns, or sends to the system's log, a secret that an option which as such is none contains."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.lab import PROJECT
from support.module_runs import ForkedModule

MODULES = sorted(path.stem for path in (PROJECT / "plugins" / "modules").glob("*.py"))
CONNECT = {"password": "canary'1", "sslpassword": 'canary\\"2', "connect_timeout": 1}
REMOTE = "webdav,user=shown,pass=canary3,bearer_token='canary''4':x"
KEY = "-----BEGIN PRIVATE KEY-----\ncanary5\n-----END PRIVATE KEY-----\n"


def told(module: str, parameters: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a module returns to Ansible, and what it sends to the system's log."""
    run = ForkedModule(module, parameters)
    output, journal = run.communicate()
    assert run.poll() == 1, output + journal
    return json.loads(output), journal


def locations() -> list[dict[str, Any]]:
    return [{"name": "cloud", "type": "rclone", "remote": REMOTE}]


@pytest.mark.parametrize("module", MODULES)
def test_parameters_that_are_refused_are_returned_without_their_secrets(module: str) -> None:
    wrong = {"connect_params": CONNECT, "locations": locations(), "recipients": [KEY], "no_such_option": "shown"}
    result, journal = told(module, wrong)
    # ansible-core 2.21 leaves the parameters out of what a module returns.
    if "invocation" in result:
        assert result["invocation"]["module_args"]["no_such_option"] == "shown"
    assert "canary" not in json.dumps(result) + journal


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("pg_backup", {"label": "shop", "locations": locations()}),
        ("table_export", {"table": "t", "dest": "/nonexistent/t.csv"}),
    ],
)
def test_parameters_are_logged_and_returned_without_their_secrets(module: str, options: dict[str, Any]) -> None:
    login = {"login_host": "127.0.0.1", "login_port": 1, "login_db": "shop", "connect_params": CONNECT}
    result, journal = told(module, {**login, "recipients": [KEY], **options})
    if "invocation" in result:
        arguments = result["invocation"]["module_args"]
        assert arguments["connect_params"]["connect_timeout"] == 1
        for location in arguments.get("locations", []):
            assert location["remote"].startswith("webdav,user=shown,pass=***")
    assert "Invoked with" in journal and "'connect_timeout': 1" in journal
    assert "canary" not in json.dumps(result) + journal
