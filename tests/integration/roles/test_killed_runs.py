"""A run that is killed takes its modules with it, however they are reached and whatever they are doing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from support.backup_bench import Bench, Keys
from support.fake_programs import FakePrograms
from support.lab import PostgresServer, RcloneRemote, S3Server
from support.playbooks import Playbooks
from support.processes import children, command_line, is_running
from support.programs import PATIENCE, LabError, find_tool, wait_until
from support.restore_runs import RestoreBench, databases
from support.sshd import SshServer
from support.throwaway import as_root, bin_dir, scratch

MIB = 1024 * 1024
LOCAL: dict[str, Any] = {}
BECOME = {
    "ansible_become": True,
    "ansible_become_method": "su",
    "ansible_become_exe": "/bin/su",
    # By default Ansible gives a busy machine ten seconds for it.
    "ansible_local_become_success_timeout": PATIENCE,
}


@pytest.fixture
def become() -> dict[str, Any]:
    """By sudo where it can be had, and root is whom it asks no password."""
    sudo = find_tool("sudo") if os.geteuid() == 0 else None
    return {**BECOME, "ansible_become_method": "sudo", "ansible_become_exe": str(sudo)} if sudo else BECOME


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> RestoreBench:
    """A place for sets."""
    return RestoreBench(Bench(tmp_path, keys))


class Victim:
    """A run of one module that is killed when a program that it needs has come to its gate."""

    def __init__(self, playbooks: Playbooks, programs: FakePrograms, ssh: SshServer | None = None) -> None:
        self._playbooks = playbooks
        self._programs = programs
        self._ssh = ssh

    def kill(
        self,
        number: signal.Signals,
        module: str,
        options: Mapping[str, Any],
        host: Mapping[str, Any] = LOCAL,
        **environment: str,
    ) -> None:
        """Start it, send *number* to ansible-playbook alone, and wait until nothing is left of it."""
        variables = self._ssh.variables() if self._ssh is not None else host
        inventory = self._playbooks.inventory({"shop": dict(variables)})
        with self._playbooks.start(self._playbooks.task(module, options), inventory, **environment) as run:
            try:
                self._wait_until_held(run)
                started = self._started(run.pid)
                run.send_signal(number)
                try:
                    wait_until(lambda: not any(map(is_running, started)), what=f"{module} to end")
                except LabError as error:
                    left = [command_line(pid) for pid in started if is_running(pid)]
                    raise LabError(f"{error}; still there: {left}") from None
            finally:
                run.kill()
                self._programs.open()

    def _wait_until_held(self, run: subprocess.Popen[str]) -> None:
        """Wait until the program is at its gate; a run that ends before is told with all that it said."""
        try:
            self._programs.wait_until_held(unless=lambda: run.poll() is not None)
        except LabError as error:
            run.kill()
            raise LabError(f"{error}: {run.communicate()[0]}") from None

    def _started(self, run: int) -> list[int]:
        """All that belongs to the run, here and there, but for the connection that ssh keeps for the next one."""
        parents = [run, *([self._ssh.pid] if self._ssh is not None else [])]
        started = {pid: command_line(pid) for parent in parents for pid in children(parent)}
        return [pid for pid, words in started.items() if words[0] != "ssh" and not words[0].startswith("sshd:")]


def is_clear(location: Mapping[str, Any]) -> bool:
    """Whether nothing lies in a location, finished or not."""
    with contextlib.closing(open_location(location)) as opened:
        return [*opened.list(""), *opened.leftovers("")] == []


def lock_is_free(server: PostgresServer) -> bool:
    """Whether no session holds the lock of a backup any more."""
    return bool(server.query("postgres", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)])


@pytest.mark.parametrize("way", ["local", "ssh", "ssh with pipelining"])
def test_a_backup_ends_with_its_run_and_leaves_nothing_in_any_location(
    playbooks: Playbooks,
    bench: RestoreBench,
    postgres17: PostgresServer,
    large: str,
    s3_server: S3Server,
    s3_bucket: str,
    rclone_config: RcloneRemote,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    way: str,
) -> None:
    ssh = request.getfixturevalue("ssh_server") if way != "local" else None
    bench.bench.root.mkdir(mode=0o700)
    (rclone_config.root / "Backups").mkdir()
    locations = [bench.bench.location(), s3_server.location(s3_bucket), rclone_config.location("Backups")]
    # More than one part of an upload to S3.
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs:
        options = bench.bench.options(
            postgres17, large, locations=locations, compress="none", pg_bin_dir=programs, lock_timeout=3600
        )
        Victim(playbooks, programs, ssh).kill(
            signal.SIGKILL,
            "mobul.backup.pg_backup",
            options,
            ANSIBLE_PIPELINING=str(int(way == "ssh with pipelining")),
        )
    assert [is_clear(location) for location in locations] == [True] * 3
    assert lock_is_free(postgres17)


def test_a_module_that_is_to_outlive_its_run_does(
    playbooks: Playbooks, bench: RestoreBench, postgres17: PostgresServer, database: str, tmp_path: Path
) -> None:
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs:
        options = bench.bench.options(postgres17, database, pg_bin_dir=programs)
        playbook = playbooks.task("mobul.backup.pg_backup", options, **{"async": 3600, "poll": 0})
        run = playbooks.run(playbook, playbooks.inventory({"shop": {}}))
        assert run.status == 0, run.output
        programs.wait_until_held()
        programs.open()
        wait_until(
            lambda: any(name.endswith("manifest.json.sig") for name in bench.bench.files()),
            what="the backup to be made",
        )


def test_a_restore_ends_with_its_run_and_the_database_is_as_it_was(
    playbooks: Playbooks,
    bench: RestoreBench,
    postgres17: PostgresServer,
    database: str,
    become: dict[str, Any],
    tmp_path: Path,
) -> None:
    postgres17.query(database, "CREATE TABLE orders AS SELECT generate_series(1, 9) AS id")
    bench.backup(postgres17, database)
    postgres17.query(database, "DELETE FROM orders WHERE id > 3")
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, spoiled="pg_restore", hold_after=0) as programs:
        options = bench.options(postgres17, database, pg_bin_dir=str(programs))
        Victim(playbooks, programs).kill(signal.SIGINT, "mobul.backup.restore_database", options, become)
    assert postgres17.query(database, "SELECT count(*) FROM orders") == [(3,)]
    assert databases(postgres17, database) == {database}
    # The safety backup had been made before: it is whole, or not there.
    assert lock_is_free(postgres17)
    assert bench.restore(postgres17, database)["reaped"] == []


@as_root
def test_a_drill_ends_with_its_run_and_so_does_its_server(
    playbooks: Playbooks, bench: RestoreBench, postgres17: PostgresServer, database: str
) -> None:
    postgres17.query(database, "CREATE TABLE orders AS SELECT generate_series(1, 9) AS id")
    bench.backup(postgres17, database)
    with (
        scratch() as place,
        scratch() as folder,
        FakePrograms(Path(folder) / "fake", Path(bin_dir(17)), spoiled="pg_restore", hold_after=0) as programs,
    ):
        for program in ("initdb", "postgres"):
            (programs.bin_dir / program).symlink_to(Path(bin_dir(17)) / program)
        options = {
            "target": "throwaway",
            "throwaway_dir": place,
            **{
                name: value
                for name, value in bench.options(postgres17, database, pg_bin_dir=str(programs)).items()
                if not name.startswith(("login_", "ssl_", "ca_"))
            },
        }
        Victim(playbooks, programs).kill(signal.SIGKILL, "mobul.backup.restore_drill", options, BECOME)
        assert os.listdir(place) == []
