"""ansible-playbook as a fork of a process that has imported it, which is half of what a small run costs.

The fork is given what a new process would have: its environment, directory, umask and files. Ansible reads its settings
again there, and looks for collections as ever. What Ansible takes from the environment while it is imported is the same
for all runs of the laboratory; a run that wants it otherwise is started as a process of its own.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import packed_modules, workspace
from .forks import MODULES_VARIABLE, umask
from .programs import LabError

_SERVER = Path(__file__).with_name("warm_server.py")
_MODULES = Path(__file__).with_name("module_server.py")
_STARTING = threading.Lock()
_READ_AGAIN = {"HOME", "FORKS", "PIPELINING", "REMOTE_TMP", "SHOW_CUSTOM_STATS", "STRATEGY"}
"""Settings whose value Ansible looks up where it is used."""


def environment() -> dict[str, str]:
    """The environment variables that all forks have in common."""
    return {"ANSIBLE_NOCOLOR": "1", **packed_modules.environment()}


def suits(given: Mapping[str, str]) -> bool:
    """Whether a fork can have this environment."""
    settings = {name: value for name, value in given.items() if name.startswith("ANSIBLE_")}
    common = {name: value for name, value in environment().items() if name.startswith("ANSIBLE_")}
    others = {name.removeprefix("ANSIBLE_") for name in settings.keys() - common.keys()}
    return common.items() <= settings.items() and others <= _READ_AGAIN and _of_python(given) == _of_python(os.environ)


def _of_python(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name == "TZ" or name.startswith("PYTHON")}


def run(argv: Sequence[str], *, directory: Path, given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Like :func:`subprocess.run` of ansible-playbook with *argv*, whose output is kept."""
    with _STARTING:
        server, (modules, _life) = _server(), _module_server()
    variables = {MODULES_VARIABLE: str(modules), **given}
    order = {"argv": list(argv), "directory": str(directory), "environment": variables, "umask": umask()}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                files = [theirs.fileno(), out.fileno(), errors.fileno()]
                socket.send_fds(server, [json.dumps(order).encode()], files)
            status = ours.recv(16)
        if not status:
            raise LabError(f"no fork of ansible-playbook tells how it ended: {list(argv)}")
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(list(argv), int(status), *texts)


@functools.cache
def _server() -> socket.socket:
    """Where orders are sent to; the server ends with us, as our side is closed then."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    home = workspace.new_directory("warm")
    with theirs:
        subprocess.Popen(
            [sys.executable, _SERVER, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=home,
            env={**os.environ, **environment(), "HOME": str(home), "ANSIBLE_HOME": str(home)},
            start_new_session=True,
        )
    return ours


@functools.cache
def _module_server() -> tuple[Path, socket.socket]:
    """The socket on which modules are ordered, and one whose end the server sees: it ends with us."""
    path = workspace.new_directory("modules") / "socket"
    ours, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        files = [listener.fileno(), theirs.fileno()]
        subprocess.Popen(
            [sys.executable, _MODULES, *map(str, files)],
            pass_fds=files,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return path, ours
