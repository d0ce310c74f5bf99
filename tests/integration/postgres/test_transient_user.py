"""A user for one purpose is nobody else's, has nothing of ours, and leaves nothing, however it resists."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.confinement import NUMBERS, command
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.transient_user import TransientUser
from support.programs import wait_until
from support.throwaway import as_root, scratch, started

pytestmark = as_root


@pytest.fixture
def user() -> Iterator[TransientUser]:
    with TransientUser.choose(tempfile.gettempdir()) as chosen:
        yield chosen


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory like ``/tmp``."""
    with scratch(0o1777) as name:
        yield Path(name)


def shell(user: TransientUser, script: str) -> str:
    """What a script of that user's says."""
    with tempfile.TemporaryFile() as output:
        user.start(["/bin/sh", "-c", script], output=output).wait()
        output.seek(0)
        return output.read().decode()


def test_what_runs_as_it_has_no_right_variable_descriptor_or_terminal_of_ours(
    user: TransientUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "canary")
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    status = dict(line.split(":", 1) for line in shell(user, "cat /proc/self/status").splitlines())
    assert {*status["Uid"].split(), *status["Gid"].split()} == {str(user.number)}
    assert status["Groups"].split() == []
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    assert "canary" not in shell(user, "env; cat /proc/$PPID/environ")
    assert shell(user, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # the last is the listing's own
    assert shell(user, "umask; ulimit -c; [ $$ = $(cut -d' ' -f6 /proc/$$/stat) ] && echo leads").split() == [
        "0077",
        "0",
        "leads",
    ]
    os.close(reading)
    os.close(writing)


RESISTING = {
    "a daemon": "setsid sleep 1000 >&- 2>&- & sleep 0.1",
    "one that ignores signals": "(trap '' HUP INT TERM QUIT; while :; do sleep 1; done) & sleep 0.1",
    "one that kills whoever it may": "(while :; do kill -9 -1; done) & sleep 0.1",
    "one that is stopped": "sleep 1000 & kill -STOP $!",
}


@pytest.mark.parametrize("script", RESISTING.values(), ids=RESISTING)
def test_all_that_runs_as_it_is_gone_at_the_end_and_nothing_else(script: str) -> None:
    with started(["sleep", "1000"]) as ours, started(["sleep", "1000"], "nobody") as somebodys:
        with TransientUser.choose(tempfile.gettempdir()) as user:
            shell(user, script)
            assert user.processes()
        assert not user.processes()
        assert ours.poll() is somebodys.poll() is None


def test_one_that_forks_and_ends_all_the_time_is_gone_at_the_end(place: Path) -> None:
    beats = place / "beats"
    with TransientUser.choose(tempfile.gettempdir()) as user:
        # Whoever lists processes one by one seldom sees it.
        hop = f'echo >>{beats}; sh -c "$1" hop "$1" & exit'
        shell(user, f'hop=\'{hop}\'; sh -c "$hop" hop "$hop"')
        wait_until(lambda: beats.stat().st_size > 20, what="it to go on without its parent")
    size = beats.stat().st_size
    time.sleep(0.2)
    assert beats.stat().st_size == size


def has_ipc(user: TransientUser) -> list[str]:
    """The kinds of System V objects that it has."""
    kinds = ("shm", "sem", "msg")
    return [kind for kind in kinds if str(user.number) in Path(f"/proc/sysvipc/{kind}").read_text().split()]


def test_its_files_and_shared_memory_are_gone_at_the_end(place: Path) -> None:
    (place / "ours").write_text("kept")
    name = f"mobul-test-{os.getpid()}"
    script = f"""
        ipcmk -M 100 -S 1 -Q
        for folder in /tmp /dev/shm {place}; do
            mkdir $folder/{name} && ln -s {place}/ours $folder/{name}/link
        done
    """
    with TransientUser.choose(str(place)) as user:
        told = shell(user, script)
        assert (place / name / "link").is_symlink(), told
        assert Path(f"/dev/shm/{name}").is_dir()
        assert has_ipc(user) == ["shm", "sem", "msg"]
    assert not [folder for folder in ("/tmp", "/dev/shm", str(place)) if os.path.lexists(f"{folder}/{name}")]
    assert (place / "ours").read_text() == "kept"
    assert has_ipc(user) == []


def test_nobody_else_gets_its_number_as_long_as_it_lasts(user: TransientUser) -> None:
    assert TransientUser.again(user.number, "/tmp") is None
    assert TransientUser.again(0, "/tmp") is None
    assert TransientUser.again(65534, "/tmp") is None


def test_a_number_that_something_runs_as_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.mobul.backup.plugins.module_utils._core.postgres.transient_user"
    monkeypatch.setattr(f"{module}.NUMBERS", range(NUMBERS[0], NUMBERS[1], 2))
    with started(["sleep", "1000"], NUMBERS[0] + 1) as process:
        with pytest.raises(PreflightError, match="are taken"):
            TransientUser.choose("/tmp")
        assert process.poll() is None


@pytest.mark.parametrize("uid", [65534, 1000, NUMBERS[0] + 1])
def test_nobodys_processes_can_be_ended_but_those_of_such_a_user(uid: int) -> None:
    with started(["sleep", "1000"], uid) as process:
        done = subprocess.run(command("end", uid), capture_output=True, text=True)
        assert "no transient user" in done.stderr
        assert process.poll() is None


def test_a_program_out_of_its_reach_is_named(user: TransientUser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with tempfile.TemporaryFile() as output:
        assert user.start([str(tmp_path / "program")], output=output).wait() != 0
        output.seek(0)
        assert f"cannot start {tmp_path}/program: Permission denied" in output.read().decode()
