"""A procedure of several databases, each of which fails at another step, is out of reach or goes away in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from support.alert_services import alert_desk
from support.backup_bench import Keys
from support.certificates import make_certificates
from support.fake_programs import FakePrograms
from support.lab import MotoServer, PostgresServer
from support.playbooks import Playbooks
from support.procedure_documents import document, statuses
from support.processes import children, command_line
from support.programs import wait_until
from support.sshd import SshServer

TOLD = ("good", "nowhere", "leaves")
"""Of these databases somebody is told."""


@pytest.fixture
def record_key(tmp_path: Path) -> dict[str, Any]:
    """A key for records, as an inventory names it."""
    key = SigningKey.generate()
    for name, text in (("record.pub", key.verify_key.to_pem()), ("record.pem", key.to_pem())):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    return {
        "backup_record_signing_key": str(tmp_path / "record.pem"),
        "backup_record_verify_key": [str(tmp_path / "record.pub")],
    }


def end_session(server: SshServer) -> None:
    """Cut the connections of an SSH server, as a machine that goes away would."""
    for pid in children(server.pid):
        # It may end between two looks.
        if "".join(command_line(pid)[:1]).startswith("sshd"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_each_database_of_an_incident_ends_at_its_own_step_and_the_team_hears_of_all(
    playbooks: Playbooks,
    login: dict[str, Any],
    keys: Keys,
    record_key: dict[str, Any],
    postgres17: PostgresServer,
    moto_server: MotoServer,
    ssh_server: SshServer,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "certificates").mkdir()
    (tmp_path / "results").mkdir()
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    locked = {**moto_server.location(bucket, name="forensic"), "object_lock": {"mode": "GOVERNANCE", "days": 30}}
    server = {f"verify_{name}": value for name, value in postgres17.login("postgres").items()}
    with (
        contextlib.ExitStack() as stack,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        alert_desk(make_certificates(tmp_path / "certificates")) as desk,
    ):
        (slack,) = [one for one in desk.channels if one["type"] == "slack"]
        hosts: dict[str, dict[str, Any]] = {
            "good": {"procedure_drill": True, "incident_location": locked},
            "unopened": {"procedure_drill": True, "backup_identities": [str(keys.signing)]},
            "uncopied": {"incident_location": {"name": "f", "type": "local", "path": str(tmp_path / "file" / "f")}},
            "unheld": {"backup_record_signing_key": str(tmp_path / "none.pem")},
            "nowhere": {**ssh_server.variables(), "ansible_port": 1},
            "leaves": {**ssh_server.variables(), "backup_pg_bin_dir": str(programs)},
        }
        for host in TOLD:
            hosts[host]["backup_alerts"] = [slack]
        # Each has a database of its own, as only one backup of one is made at a time.
        for host in hosts.values():
            host["backup_login_db"] = stack.enter_context(postgres17.database())
        inventory = playbooks.inventory(
            hosts,
            **{**login, **server, **record_key},
            backup_environment="test",
            backup_recipients=keys.recipients,
            backup_signing_key=keys.signing.read_text(),
            backup_verify_key=[keys.verify.read_text()],
            backup_identities=[str(keys.identity)],
            verify_target="server",
            backup_locations=[{"name": "a", "type": "local", "path": str(tmp_path / "a")}],
        )
        given = {
            "MOBUL_INCIDENT_REFERENCE": "INC-1",
            "MOBUL_INCIDENT_DETAILS": "what {{ lookup('pipe', 'touch pwned') }} happened",
            "MOBUL_INCIDENT_HOLD_UNTIL": "2099-01-31",
            "MOBUL_PROCEDURE_RESULT_PATH": str(tmp_path / "results"),
            "ANSIBLE_FORKS": "6",
        }
        with ThreadPoolExecutor(max_workers=1) as pool:
            future = pool.submit(playbooks.run, "mobul.backup.post_incident", inventory, **given)
            programs.wait_until_held(unless=future.done)
            end_session(ssh_server)
            run = future.result()
        programs.wait_until_gone()
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        wait_until(lambda: postgres17.query("postgres", query) == [(0,)], what="the lock")
        posts = sorted(post["text"] for post in desk.services.posts)

    assert run.status == 2
    told = {host: document(tmp_path / "results" / f"post_incident_{host}.json") for host in hosts}
    assert {host for host, one in told.items() if one["verdict"] == "go"} == {"good"}
    failed = {
        host: [name for name, status in statuses(one).items() if status == "failed"] for host, one in told.items()
    }
    assert failed == {
        "good": [],
        "unopened": ["drill"],
        "uncopied": ["forensic_copy"],
        "unheld": ["hold"],
        "nowhere": ["backup"],
        "leaves": ["backup"],
    }
    assert posts == sorted(
        f"{host} (test): post_incident INC-1: {word}"
        for host in TOLD
        for word in ("begins", "GO" if host == "good" else "NO GO")
    )
    assert not list(tmp_path.rglob("pwned"))

    # A machine that is away is told as that, and the document says how the forensic copy is kept.
    for host in ("nowhere", "leaves"):
        assert told[host]["reason"].startswith("step 'backup' failed: the host cannot be reached: ")
    evidence = {step["name"]: "\n".join(step["evidence"]) for step in told["good"]["steps"]}
    assert "passed" in evidence["drill"]
    assert "Object Lock (GOVERNANCE) keeps it until" in evidence["forensic_copy"]
    client = moto_server.client()
    objects = [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]
    kept = {key.rpartition("/")[2]: client.head_object(Bucket=bucket, Key=key) for key in objects}
    locked_until = datetime.now(timezone.utc) + timedelta(days=29)
    of_the_set = [one["name"] for one in told["good"]["backup"]["files"]] + ["manifest.json", "manifest.json.sig"]
    assert all(kept[name]["ObjectLockRetainUntilDate"] > locked_until for name in of_the_set)
    assert all(kept[name]["ObjectLockLegalHoldStatus"] == "ON" for name in of_the_set)
    assert "objects put under a legal hold" in evidence["hold"]
