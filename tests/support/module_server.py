"""Forks the modules of warm runs of ansible-playbook: has imported what they import, and waits.

usage: python module_server.py LISTENER LIFE, the numbers of two sockets; it ends when the other side of LIFE is closed.

What Ansible sends is run as it is, packed. Of Ansible and of the collection only that is there already which is in the
archive, too: what somebody forgot to pack is not found.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import forks
from support.processes import die_with_parent

_MODULES = Path(__file__).parents[2] / "plugins" / "modules"
_PACKAGE = "ansible_collections.mobul.backup.plugins.modules"
_PACKED = ("ansible", "ansible_collections")
"""The packages that come with a module."""


def import_all() -> None:
    """Import what modules import at their beginning, and the libraries that they import where these are used."""
    for name in sorted(path.stem for path in _MODULES.glob("*.py")):
        importlib.import_module(f"{_PACKAGE}.{name}")
    importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    for name in ("botocore.session", "botocore.signers", "botocore.handlers", "psycopg2", "zstandard"):
        importlib.import_module(name)


def keep_what_is_packed(archive: str) -> None:
    """Forget what is not in a module's archive, and have what is missing looked for there alone."""
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
    loaded = dict(sys.modules)
    for name, module in loaded.items():
        if name.partition(".")[0] not in _PACKED:
            continue
        path = name.replace(".", "/")
        if f"{path}/__init__.py" in names:
            module.__path__ = [f"{archive}/{path}"]
        elif f"{path}.py" not in names or name.startswith(f"{_PACKAGE}."):
            parent, _, leaf = name.rpartition(".")
            if parent:
                vars(loaded[parent]).pop(leaf, None)
            del sys.modules[name]


def serve(listener: socket.socket, life: socket.socket) -> None:
    """Fork for each connection, until *life* ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = os.getpid()
    while True:
        ready, _, _ = select.select([listener, life], [], [])
        if life in ready:
            return
        connection, _address = listener.accept()
        with connection:
            if os.fork() == 0:
                listener.close()
                life.close()
                die_with_parent(server)()
                text, outputs, _flags, _address = socket.recv_fds(connection, forks.LONGEST_ORDER, 2)
                forks.carry_out(json.loads(text), connection.detach(), outputs, _run)


def _run(order: Mapping[str, Any]) -> None:
    """Run what Ansible has packed, with what is packed and nothing else."""
    sys.argv = [order["path"]]
    sys.path[0] = os.path.dirname(order["path"])
    loader = importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    run_module = loader.run_module

    def run_packed(**options: Any) -> None:
        keep_what_is_packed(options["modlib_path"])
        run_module(**options)

    loader.run_module = run_packed
    runpy.run_path(order["path"], run_name="__main__")


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()
    serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
