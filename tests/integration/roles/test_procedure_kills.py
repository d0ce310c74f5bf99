"""A run that is cancelled within a procedure says no go at the step where each database was, and leaves nothing."""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ansible_runner
import jsonschema
import pytest
from support.backup_bench import Bench, Keys
from support.fake_programs import FakePrograms
from support.lab import PROJECT, PostgresServer, S3Server
from support.playbooks import Playbooks
from support.processes import children, command_line, is_running
from support.programs import PATIENCE, wait_until
from support.slow_store import SlowLine

SCHEMA = json.loads((PROJECT / "docs" / "procedure.schema.json").read_text())


@functools.cache
def step_of(document: str) -> str:
    """The step that a document, which fits the schema, is at: it is asked for until it is another."""
    told = json.loads(document)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert told["verdict"] == "no_go"
    return str(told["reason"]).removeprefix("it has not ended: it is at step ").strip("'")


class Cancelled:
    """A run by ansible-runner that is cancelled when all of it stands still."""

    def __init__(self, playbooks: Playbooks, playbook: str, inventory: Path) -> None:
        self._playbook = playbook
        self._environment = playbooks.environment
        self._private = playbooks.directory / "private"
        (self._private / "inventory").mkdir(parents=True)
        shutil.copy(inventory, self._private / "inventory" / "databases.yml")
        self.results = self._private / "results"
        self.results.mkdir()

    def step(self, host: str) -> str:
        """The step that the document of a database is at; "" before there is one."""
        path = next(self.results.glob(f"*_{host}.json"), None)
        if path is None:
            return ""
        return step_of(path.read_text())

    def run(
        self,
        stands_still: Callable[[], bool],
        given: Mapping[str, str],
        cancelled: Callable[[], None] = lambda: None,
        **environment: str,
    ) -> None:
        """Start it, cancel it, call *cancelled*, and wait until nothing of it is left; it ends in no success."""
        enough = threading.Event()
        thread, run = ansible_runner.run_async(
            private_data_dir=str(self._private),
            playbook=self._playbook,
            extravars={**given, "procedure_result_path": f"{self.results}/"},
            envvars={**self._environment, **environment},
            suppress_env_files=True,
            quiet=True,
            cancel_callback=enough.is_set,
        )
        started: list[int] = []
        try:
            wait_until(lambda: stands_still() or not thread.is_alive(), what="the run to stand still")
            (playbook,) = [pid for pid in children(os.getpid()) if self._playbook in command_line(pid)][:1]
            started = children(playbook)
        finally:
            enough.set()
            thread.join(PATIENCE)
            print(run.stdout.read())
        assert (run.status, run.rc) == ("canceled", 254)
        assert not [event for event in run.events if event["event"] == "playbook_on_stats"]
        cancelled()
        wait_until(lambda: not any(map(is_running, started)), what="the run's processes to end")


def locks(server: PostgresServer) -> int:
    """How many sessions hold a backup's lock."""
    count: int = server.query("postgres", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0]
    return count


@pytest.fixture
def variables(login: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """What an inventory says beside its locations."""
    return {
        **login,
        "backup_environment": "test",
        "backup_recipients": keys.recipients,
        "backup_signing_key": str(keys.signing),
        "backup_verify_key": [str(keys.verify)],
        "backup_identities": [str(keys.identity)],
    }


def test_each_database_of_an_incident_is_left_at_its_own_step(
    playbooks: Playbooks,
    variables: dict[str, Any],
    postgres17: PostgresServer,
    s3_server: S3Server,
    s3_bucket: str,
    tmp_path: Path,
) -> None:
    with (
        ExitStack() as stack,
        ExitStack() as connections,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, spoiled="pg_restore", hold_after=0) as programs,
    ):
        lines = {
            host: connections.enter_context(SlowLine(s3_server.endpoint_url)) for host in ("prove", "copy", "hold")
        }
        stores = {
            host: {**s3_server.location(s3_bucket, prefix=host), "endpoint_url": line.endpoint_url}
            for host, line in lines.items()
        }
        local = {"name": "local", "type": "local", "path": str(tmp_path / "sets")}
        server = {f"verify_{name}": value for name, value in postgres17.login("postgres").items()}
        hosts: dict[str, dict[str, Any]] = {
            "prove": {"backup_locations": [stores["prove"]]},
            "drill": {"procedure_drill": True, "verify_target": "server", "verify_pg_bin_dir": str(programs), **server},
            "copy": {"incident_location": stores["copy"]},
            "hold": {"backup_locations": [stores["hold"]]},
        }
        for host in hosts.values():
            host["backup_login_db"] = stack.enter_context(postgres17.database())
        inventory = playbooks.inventory(hosts, **{"backup_locations": [local], **variables})
        cancelled = Cancelled(playbooks, "mobul.backup.post_incident", inventory)
        steps = {"prove": "prove", "drill": "drill", "copy": "forensic_copy", "hold": "hold"}
        silent: dict[str, int] = {}

        def stands_still() -> bool:
            for host, line in lines.items():
                if host not in silent and cancelled.step(host) == steps[host]:
                    silent[host] = line.connections
                    line.silence_after(0)
            reached = [host for host, before in silent.items() if lines[host].connections > before]
            return len(reached) == len(lines) and programs.held

        # A request to a store that has fallen silent is waited for as ever; here they end.
        given = {"incident_reference": "INC-1"}
        cancelled.run(stands_still, given, connections.close, ANSIBLE_STRATEGY="free", ANSIBLE_FORKS="4")
        assert {host: cancelled.step(host) for host in hosts} == steps
        wait_until(lambda: locks(postgres17) == 0, what="the locks")
        # Nothing counts as a copy, or as held, that is not.
        assert not list((s3_server.root / s3_bucket / "copy").rglob("manifest.json"))
        assert not list(s3_server.root.rglob("hold.json"))


@pytest.mark.parametrize(
    ("state", "program", "step"), [("verified", "pg_dump", "compare"), ("reverted", "pg_restore", "restore")]
)
def test_a_migration_is_left_at_its_step_and_the_database_as_it_was(
    playbooks: Playbooks,
    variables: dict[str, Any],
    keys: Keys,
    postgres17: PostgresServer,
    database: str,
    tmp_path: Path,
    state: str,
    program: str,
    step: str,
) -> None:
    postgres17.query(database, "CREATE TABLE orders AS SELECT generate_series(1, 9) AS id")
    bench = Bench(tmp_path, keys)
    bench.backup(postgres17, database, kind="pre_migration", labels={"migration": "42"}, environment="test")
    postgres17.query(database, "INSERT INTO orders VALUES (10)")
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, spoiled=program, hold_after=0) as programs:
        own = {"backup_login_db": database, "backup_pg_bin_dir": str(programs), "backup_locations": [bench.location()]}
        inventory = playbooks.inventory({"shop": {}}, **{**variables, **own})
        cancelled = Cancelled(playbooks, "mobul.backup.pre_migration", inventory)
        given = {
            "migration_id": "42",
            "migration_state": state,
            "expect_database": database,
            "expect_environment": "test",
        }
        programs.open()
        held: list[str] = []

        def stands_still() -> bool:
            # Steps before this one have a use for the program, too.
            if not held and cancelled.step("shop") == step:
                held.append(step)
                programs.close()
            return bool(held) and programs.held

        cancelled.run(stands_still, given)
    assert cancelled.step("shop") == step
    wait_until(lambda: locks(postgres17) == 0, what="the locks")
    assert postgres17.query(database, "SELECT count(*) FROM orders") == [(10,)]
    assert not list(bench.root.rglob("released.json"))
