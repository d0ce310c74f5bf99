"""Forks ansible-playbook for :mod:`support.warm_playbooks`: has imported all of it, and waits for orders.

usage: python warm_server.py SOCKET, which is the number of a file; it ends when nobody holds the other side.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.cli.playbook import main as ansible_playbook
from ansible.plugins import loader
from ansible.plugins.connection import local
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from ansible.utils.path import cleanup_tmp_file

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import forks
from support.processes import die_with_parent

_PLUGINS_FOLDER = Path(__file__).parents[2] / "plugins"
# Of Ansible's own plugins, what runs use that each run would import and read the documentation of.
_PLUGINS = {
    loader.strategy_loader: ("linear",),
    loader.inventory_loader: ("host_list", "script", "auto", "yaml", "ini", "toml"),
    loader.lookup_loader: ("env", "items", "vars", "pipe", "file", "template"),
    loader.action_loader: (
        *("normal", "debug", "assert", "fail", "set_fact", "set_stats", "include_vars", "command", "shell"),
        *("copy", "template", "validate_argument_spec"),
    ),
}
_POLL_INTERVAL = 0.005
"""Seconds between looks at a task under way, of which Ansible takes a thousand a second, for nothing."""


def import_plugins() -> None:
    """Have the loaders know what each run looks through or uses of Ansible's own plugins."""
    for kind in (loader.connection_loader, loader.shell_loader, loader.become_loader, loader.callback_loader):
        list(kind.all(class_only=True))
    for kind, names in _PLUGINS.items():
        for name in names:
            kind.get(name, class_only=True)
    # A directory of plugins that a run adds makes them look again.
    for kind in (loader.filter_loader, loader.test_loader):
        list(kind.all())


def import_collections() -> None:
    """Import by Ansible's own way what all runs have in common, and forget where it was looked for."""
    loader.init_plugin_loader()
    import_plugins()
    importlib.import_module("ansible_collections.ansible.builtin")
    # Otherwise each run, and each of its tasks, would compile them anew, and what they import.
    for path in sorted(_PLUGINS_FOLDER.glob("*/*.py")):
        if path.parent.name in ("action", "filter", "lookup", "plugin_utils"):
            importlib.import_module(f"ansible_collections.mobul.backup.plugins.{path.parent.name}.{path.stem}")
    # Each run reads them, and each task that fails, from what documents the roles.
    importlib.import_module("ansible_collections.mobul.backup.plugins.plugin_utils.role_names").known_variables()
    _AnsibleCollectionFinder._remove()


def fork_modules() -> None:
    """Have modules on this machine run by forks, which :mod:`support.module_server` makes, and nothing else."""
    start = local.Connection.exec_command
    # A variable of another's may be one that works at the start of a process only.
    python = re.escape(sys.executable)
    packed = re.compile(rf"/bin/sh -c '((?:MOBUL_\w+=[\w./-]* )*){python} (/[\w./-]+/AnsiballZ_\w+\.py) && sleep 0'")

    def exec_command(self: Any, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        address = os.environ.get(forks.MODULES_VARIABLE)
        match = packed.fullmatch(cmd) if address and in_data is None and not self.become else None
        if match is None:
            return start(self, cmd, in_data=in_data, sudoable=sudoable)
        local.display.vvv(f"EXEC {cmd}", host=self._play_context.remote_addr)
        variables = dict(word.split("=") for word in match[1].split())
        return _run_module(address or "", match[2], {**os.environ, **variables})

    local.Connection.exec_command = exec_command


def _run_module(address: str, path: str, environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    """Run a packed module where this process is; its status, and what it has written to stdout and stderr."""
    order = {"path": path, "directory": os.getcwd(), "environment": environment, "umask": forks.umask()}
    # Pipes, as Ansible's own: what a child of the module keeps open is waited for.
    (out, outs_end), (errors, errors_end) = os.pipe(), os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(order).encode()], [outs_end, errors_end])
        os.close(outs_end)
        os.close(errors_end)
        with ThreadPoolExecutor(max_workers=2) as pool:
            texts = list(pool.map(_read, (out, errors)))
        status = int(connection.recv(16))
    return status, texts[0], texts[1]


def _read(file: int) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()


def serve(orders: socket.socket) -> None:
    """Fork for each order of the socket, until it is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = os.getpid()
    while True:
        text, files, _flags, _address = socket.recv_fds(orders, forks.LONGEST_ORDER, 3)
        if not text:
            return
        if os.fork() == 0:
            die_with_parent(server)()
            orders.close()
            answer, *outputs = files
            forks.carry_out(json.loads(text), answer, outputs, _play)
        for file in files:
            os.close(file)


def _play(order: Mapping[str, Any]) -> None:
    """Run ansible-playbook with the settings of the order's environment."""
    sys.argv = order["argv"]
    # The temporary directory of the process that was forked is not ours to remove.
    atexit.unregister(cleanup_tmp_file)
    for setting in constants.config.get_configuration_definitions():
        value = constants.config.get_config_value(setting, variables=vars(constants))
        constants.set_constant(setting, value)
    constants.set_constant("DEFAULT_INTERNAL_POLL_INTERVAL", _POLL_INTERVAL)
    ansible_playbook()


if __name__ == "__main__":
    import_collections()
    fork_modules()
    # What all forks share is nothing for any of them to look through for what has become needless.
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
