"""``ansible-playbook`` for scripts of a shell: a small program that has :mod:`support.warm_playbooks` do its work.

Each run is as real as there: a fork with the command's own arguments, directory and environment.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from . import warm_playbooks, workspace

_PROGRAM = f"""\
#!{sys.executable} -IS
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.path.join(os.path.dirname(__file__), "orders"))
    order = {{"argv": sys.argv, "directory": os.getcwd(), "environment": dict(os.environ)}}
    server.sendall(json.dumps(order).encode())
    server.shutdown(socket.SHUT_WR)
    status, output, errors = json.loads(b"".join(iter(lambda: server.recv(65536), b"")))
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(status)
"""


@contextlib.contextmanager
def warm_command() -> Iterator[Path]:
    """A directory for the front of a PATH, in which the program is; it works until the block is left."""
    directory = workspace.new_directory("command")
    program = directory / "ansible-playbook"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as orders:
        orders.bind(str(directory / "orders"))
        orders.listen()
        thread = threading.Thread(target=_serve, args=(orders,), name="warm command")
        thread.start()
        try:
            yield directory
        finally:
            orders.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(orders: socket.socket) -> None:
    """Carry out one order after the other, until nobody listens any more."""
    while True:
        try:
            client = orders.accept()[0]
        except OSError:
            return
        with client, contextlib.suppress(ConnectionError):
            try:
                answer = _answer(json.loads(_received(client)))
            except Exception:
                # The next command is to be answered, whatever this one was.
                answer = 125, "", traceback.format_exc()
            client.sendall(json.dumps(answer).encode())


def _received(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def _answer(order: dict[str, object]) -> tuple[int, str, str]:
    """Status, output and errors of a run."""
    argv, directory, given = order["argv"], order["directory"], order["environment"]
    if not (isinstance(argv, list) and isinstance(directory, str) and isinstance(given, dict)):
        return 125, "", "no order\n"
    if not warm_playbooks.suits(given):
        return 125, "", "no fork can have this environment\n"
    real = str(Path(sys.executable).parent / "ansible-playbook")
    ended = warm_playbooks.run([real, *argv[1:]], directory=Path(directory), given=given)
    return ended.returncode, ended.stdout, ended.stderr
