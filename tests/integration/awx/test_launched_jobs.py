"""The job templates do their procedures, with the answers of their surveys and what the credentials inject."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import packed_modules
from support.awx_api import Controller
from support.awx_jobs import Jobs
from support.awx_setup import bring
from support.backup_bench import make_keys
from support.lab import PostgresServer
from support.playbooks import Playbooks

from .conftest import PLAYBOOKS

TABLES = """
CREATE TABLE recipients (id int PRIMARY KEY, phone text);
INSERT INTO recipients SELECT g, '+1555' || g FROM generate_series(1, 30) g;
"""


def env(name: str) -> str:
    """How an inventory reads what a credential injects."""
    return "{{ lookup('ansible.builtin.env', '" + name + "') }}"


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """A database with a table."""
    with postgres17.database() as name:
        postgres17.psql(name, TABLES)
        yield name


@pytest.fixture
def jobs(tmp_path: Path, postgres17: PostgresServer, shop: str) -> Iterator[Jobs]:
    """A controller that the role has set up for one database, which reads all that is secret from credentials."""
    keys = make_keys(tmp_path)
    login = postgres17.login(shop)
    password = login.pop("login_password")
    server = {f"verify_{name}": value for name, value in postgres17.login("postgres").items()}
    variables: dict[str, Any] = {
        **{"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        **{f"backup_{name}": value for name, value in {**login, "pg_bin_dir": str(postgres17.bin_dir)}.items()},
        **{name: value for name, value in server.items() if name != "verify_login_password"},
        "verify_target": "server",
        "verify_login_password": env("MOBUL_STAGING_DB_PASSWORD"),
        "backup_environment": "production",
        "backup_login_password": env("MOBUL_DB_PASSWORD"),
        "backup_recipients": "{{ lookup('ansible.builtin.env', 'MOBUL_RECIPIENTS').split() }}",
        "backup_signing_key": env("MOBUL_SIGNING_KEY"),
        "backup_verify_key": [env("MOBUL_VERIFY_KEY")],
        "verify_identities": [env("MOBUL_IDENTITY")],
        "restore_table_identities": [env("MOBUL_IDENTITY")],
        "backup_locations": [{"name": "local", "type": "local", "path": str(tmp_path / "sets")}],
    }
    inputs = {
        "database": {"password": password},
        "drill server": {"password": server["verify_login_password"]},
        "identity": {"identities": keys.identity.read_text()},
        "signing key": {"signing_key": keys.signing.read_text()},
        "public keys": {"recipients": " ".join(keys.recipients), "verify_key": keys.verify.read_text()},
    }
    credentials = [{"name": kind, "type": kind, "inputs": given} for kind, given in inputs.items()]
    with Controller(playbooks={"ops": PLAYBOOKS}) as controller:
        environment = {"name": "production", "hosts": {"shop": variables}, "credentials": credentials}
        settings = {"awx_project": {"name": "ops", "local_path": "ops"}, "awx_environments": [environment]}
        assert "failed" not in bring(controller, settings)
        own = Playbooks(tmp_path).environment
        image = {name: own[name] for name in ("PATH", "ANSIBLE_HOME")}
        yield Jobs(controller, tmp_path, {**image, **packed_modules.environment()})


def test_a_set_is_made_drilled_watched_and_a_table_comes_back_by_jobs_alone(
    jobs: Jobs, postgres17: PostgresServer, shop: str, tmp_path: Path
) -> None:
    assert jobs.launch("production weekly").status == "successful"
    assert jobs.launch("production verify").status == "successful"
    (record,) = (tmp_path / "sets").rglob("verified_*.json")
    assert json.loads(record.read_bytes())["verdict"] == "passed"
    assert jobs.launch("production daily_check").status == "successful"

    postgres17.psql(shop, "DELETE FROM recipients WHERE id > 3")
    answers = {"expect_environment": "production", "restore_table_table": "recipients"}
    run = jobs.launch("production restore_table", answers, limit="shop")
    assert run.status == "successful"
    assert postgres17.psql(shop, "SELECT count(*) FROM recipients").strip() == "30"
