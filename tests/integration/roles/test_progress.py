"""How far a module is comes as lines while its task is under way, however its host is reached."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
from support.backup_bench import Bench, Keys
from support.effort import is_long
from support.fake_programs import FakePrograms
from support.lab import PostgresServer
from support.playbooks import Playbooks
from support.programs import PATIENCE, find_tool, wait_until
from support.sample_databases import fill
from support.tmux import Tmux

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
            timeout=int(PATIENCE),
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


@pytest.fixture
def hosts(postgres17: PostgresServer, bench: Bench, tmp_path: Path) -> Iterator[Hosts]:
    """Hosts with a database each, twenty of them in a long run."""
    if find_tool("tmux") is None:
        pytest.skip("there is no tmux")
    with contextlib.ExitStack() as stack:
        server, count = postgres17, 3
        if is_long():
            # They want more sessions than a server has for all tests.
            server, count = stack.enter_context(PostgresServer(17, settings={"max_connections": "300"})), 20
        first = stack.enter_context(server.database())
        fill(server, first, 20, "big")
        names = [first, *(stack.enter_context(server.database(template=first)) for _number in range(count - 1))]
        programs = FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=12 * MIB)
        # Whatever fails, no program is left that waits.
        stack.enter_context(programs)
        yield Hosts(server, bench, names, programs)


class Hosts:
    """Backups of several databases at a terminal, which do not come past their gate before they are let."""

    def __init__(self, server: PostgresServer, bench: Bench, databases: list[str], programs: FakePrograms) -> None:
        self.server, self.databases, self.programs = server, databases, programs
        self.names = [f"database-{number:02}.example.org" for number in range(1, len(databases) + 1)]
        self._bench = bench

    def terminal(self, playbooks: Playbooks, count: int, **size: int) -> Tmux:
        """A terminal in which the first of them are backed up."""
        options = self._bench.options(self.server, "x", compress="none", pg_bin_dir=self.programs)
        given = dict(zip(self.names[:count], self.databases, strict=False))
        variables = {name: {"login_db": database, "label": database} for name, database in given.items()}
        told = {name: "{{ hostvars[inventory_hostname]." + name + " }}" for name in ("login_db", "label")}
        playbook = playbooks.task("mobul.backup.pg_backup", {**options, **told})
        inventory = playbooks.inventory(variables)
        argv = [Path(sys.executable).parent / "ansible-playbook", playbook, "-i", inventory, "--forks", "20"]
        live = {"ANSIBLE_CALLBACKS_ENABLED": "mobul.backup.live"}
        return Tmux(playbooks.directory, argv, {**playbooks.environment, **live}, **size)

    def are_drawn(self, terminal: Tmux) -> bool:
        """Whether there is a line for each host at the bottom, and nothing of those before."""
        screen = terminal.screen()
        first = next(number for number, line in enumerate([*screen, "[database-"]) if line.startswith("[database-"))
        return sorted(line.partition("]")[0][1:] for line in screen[first:]) == self.names

    def wait_for_lines(self, terminal: Tmux, count: int) -> None:
        """Wait until each host has its line, all of them of rows that have passed."""

        def there() -> bool:
            assert terminal.status is None, terminal.screen(history=True)
            return sum("dump the database: 1" in line for line in terminal.screen()) == count

        wait_until(there, what="a line for each")

    def locks(self) -> list[tuple[int]]:
        """How many sessions have the lock of a backup."""
        held = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory'"
        return self.server.query("postgres", f"{held} AND d.datname = ANY (%s)", [self.databases])


def test_at_a_terminal_each_host_has_one_line_whatever_its_size_and_nothing_is_left_of_them(
    playbooks: Playbooks, hosts: Hosts
) -> None:
    count = len(hosts.names)
    with hosts.terminal(playbooks, count, columns=110, lines=60) as terminal:
        hosts.wait_for_lines(terminal, count)
        # A look may fall between the moment when they are erased and that when they are drawn.
        wait_until(lambda: hosts.are_drawn(terminal), what="each to have one line, and nothing more")
        assert hosts.locks() == [(count,)]
        for columns, lines in ((60, 60), (130, 30)):
            terminal.resize(columns, lines)
            # They are drawn anew each second, as wide as the terminal is now.
            wait_until(lambda: hosts.are_drawn(terminal), what="each to have one line, and nothing more")
        hosts.programs.open()
        wait_until(lambda: terminal.status is not None, what="the end")
        assert terminal.status == 0 and terminal.as_before
        seen = terminal.screen(history=True)
        assert "pg_backup:" not in "".join(seen), seen
        assert sorted(line for line in seen if line.startswith("changed: ")) == [
            f"changed: [{name}]" for name in hosts.names
        ]


def test_ctrl_c_at_a_terminal_ends_everything_and_leaves_the_terminal_as_it_was(
    playbooks: Playbooks, hosts: Hosts
) -> None:
    with hosts.terminal(playbooks, 1) as terminal:
        hosts.wait_for_lines(terminal, 1)
        assert hosts.locks() == [(1,)]
        terminal.press("C-c")
        wait_until(lambda: terminal.status is not None, what="the end")
        seen = terminal.screen(history=True)
        assert terminal.status == 99 and terminal.as_before
        assert "pg_backup:" not in "".join(seen), seen
        assert "User interrupted execution" in "".join(seen), seen
    hosts.programs.wait_until_gone()
    wait_until(lambda: hosts.locks() == [(0,)], what="the lock to be given back")
