"""How far a module is comes as lines while its task is under way, however its host is reached."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from pathlib import Path
from typing import Any

import ansible_runner
import pyte
import pytest
from support.backup_bench import Bench, Keys
from support.fake_programs import FakePrograms
from support.lab import PostgresServer
from support.playbooks import Playbooks
from support.programs import PATIENCE, find_tool, wait_until

MIB = 1024 * 1024
LINE = re.compile(
    r"^mobul\.backup: \[shop\] pg_backup: dump the database: "
    r"[\d.]+ MiB, [\d.]+ [KM]iB/s, table 1 of 1 \(public\.big\), \d+ seconds so far$",
    re.MULTILINE,
)


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> Bench:
    """A place for sets."""
    return Bench(tmp_path, keys)


@pytest.mark.parametrize("way", ["local", "become", "ssh", "ssh with pipelining"])
def test_a_line_is_on_standard_error_and_the_result_is_as_without(
    playbooks: Playbooks,
    bench: Bench,
    postgres17: PostgresServer,
    large: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    way: str,
) -> None:
    host: dict[str, Any] = {}
    if way == "become":
        if find_tool("sudo") is None or os.geteuid() != 0:
            pytest.skip("there is no sudo that asks for no password")
        sudo = {"ansible_become_exe": str(find_tool("sudo")), "ansible_local_become_success_timeout": PATIENCE}
        host = {"ansible_become": True, **sudo}
    elif way != "local":
        host = request.getfixturevalue("ssh_server").variables()
    bench.root.mkdir(mode=0o700)
    # Other runs keep their files in the machine's own folder.
    folder = tmp_path / "node"
    folder.mkdir()
    folder.chmod(0o1777)
    host["ansible_system_tmpdirs"] = [str(folder)]
    log = tmp_path / "stderr"
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs, log.open("w") as errors:
        options = bench.options(postgres17, large, compress="none", pg_bin_dir=programs)
        playbook = playbooks.task("mobul.backup.pg_backup", options)
        inventory = playbooks.inventory({"shop": host}, backup_progress=2)
        pipelining = {"ANSIBLE_PIPELINING": "1"} if "pipelining" in way else {}
        with playbooks.start(playbook, inventory, errors=errors, **pipelining) as run:
            try:
                wait_until(lambda: LINE.search(log.read_text()) or run.poll() is not None, what="a line")
            finally:
                programs.open()
            output = run.communicate()[0]
    assert LINE.search(log.read_text()), log.read_text()
    assert run.returncode == 0, output
    # What reads standard output finds in it what it always does.
    assert re.search(r"changed=1 .*failed=0", output)
    assert "mobul.backup: [" not in output
    assert list(folder.iterdir()) == []


def test_ansible_runner_has_each_line_as_an_event_of_its_task(
    playbooks: Playbooks, bench: Bench, postgres17: PostgresServer, large: str, tmp_path: Path
) -> None:
    private = tmp_path / "runner"
    private.mkdir()
    events: list[dict[str, Any]] = []
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs:

        def look(event: dict[str, Any]) -> None:
            events.append(event)
            if LINE.search(event["stdout"]):
                programs.open()

        options = bench.options(postgres17, large, compress="none", pg_bin_dir=programs)
        run = ansible_runner.run(
            private_data_dir=str(private),
            playbook=str(playbooks.task("mobul.backup.pg_backup", options)),
            inventory=str(playbooks.inventory({"shop": {}}, backup_progress=2)),
            envvars=playbooks.environment,
            event_handler=look,
            timeout=600,
            quiet=True,
        )
    assert (run.status, run.rc) == ("successful", 0), run.stdout.read()
    kinds = [event["event"] for event in events]
    (begun,) = [event for event in events if event["event"] == "playbook_on_task_start"]
    (result,) = [event for event in events if event["event"] == "runner_on_ok"]
    lines = [event for event in events if "mobul.backup: [" in event["stdout"]]
    assert lines, kinds
    task = begun["event_data"]["task_uuid"]
    for line in lines:
        assert (line["event"], line["parent_uuid"], line["event_data"]["task_uuid"]) == ("verbose", task, task)
    # A slow machine may tell of the work before any byte has passed.
    assert any(LINE.search(line["stdout"]) for line in lines)
    # They come while the task is under way, and its result is as without.
    assert kinds.index("playbook_on_task_start") < kinds.index("verbose") < kinds.index("runner_on_ok")
    assert result["event_data"]["res"]["changed"] is True


class UsersTerminal:
    """The end of a terminal that a user looks at."""

    def __init__(self) -> None:
        self._user, self.program = pty.openpty()
        fcntl.ioctl(self.program, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self.screen)

    def look(self) -> str:
        """What is on the screen now."""
        while select.select([self._user], [], [], 0)[0]:
            self._stream.feed(os.read(self._user, 65536))
        return "\n".join(line.rstrip() for line in self.screen.display)


@pytest.mark.parametrize("ended", ["well", "by Ctrl-C"])
def test_on_a_terminal_each_host_has_a_line_that_is_gone_in_the_end(
    playbooks: Playbooks, bench: Bench, postgres17: PostgresServer, large: str, tmp_path: Path, ended: str
) -> None:
    terminal = UsersTerminal()
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB) as programs:
        options = bench.options(postgres17, large, compress="none", pg_bin_dir=programs)
        playbook = playbooks.task("mobul.backup.pg_backup", options)
        inventory = playbooks.inventory({"shop": {}})
        live = {"ANSIBLE_CALLBACKS_ENABLED": "mobul.backup.live"}
        with playbooks.start(playbook, inventory, output=terminal.program, **live) as run:
            try:
                wait_until(
                    lambda: "[shop] pg_backup: dump the database" in terminal.look() or run.poll() is not None,
                    what="a line",
                )
                if ended == "by Ctrl-C":
                    run.send_signal(signal.SIGINT)
            finally:
                programs.open()
            while run.poll() is None:
                terminal.look()
                time.sleep(0.01)
    shown = terminal.look()
    assert "[shop] pg_backup" not in shown
    if ended == "well":
        assert "changed: [shop]" in shown and "PLAY RECAP" in shown
