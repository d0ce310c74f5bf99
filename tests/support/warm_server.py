"""Forks ansible-playbook for :mod:`support.warm_playbooks`: has imported all of it, and waits for orders.

usage: python warm_server.py SOCKET, which is the number of a file; it ends when nobody holds the other side.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

from ansible import constants
from ansible.cli.playbook import main as ansible_playbook
from ansible.plugins import loader
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from ansible.utils.path import cleanup_tmp_file

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support.processes import die_with_parent

_LONGEST_ORDER = 1 << 20
# What Ansible would read and compile anew for each run.
_COLLECTIONS = (
    "ansible_collections.ansible.builtin",
    "ansible_collections.mobul.backup.plugins.plugin_utils.run_guard",
    "ansible_collections.mobul.backup.plugins.lookup.shared_labels",
    "ansible_collections.mobul.backup.plugins.filter.switch",
    "ansible_collections.mobul.backup.plugins.filter.awx_plan",
)


def import_collections() -> None:
    """Import by Ansible's own way what all runs have in common, and forget where it was looked for."""
    loader.init_plugin_loader()
    for name in _COLLECTIONS:
        importlib.import_module(name)
    _AnsibleCollectionFinder._remove()


def serve(orders: socket.socket) -> None:
    """Fork for each order, until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        text, files, _flags, _address = socket.recv_fds(orders, _LONGEST_ORDER, 3)
        if not text:
            return
        if os.fork() == 0:
            orders.close()
            _watch(json.loads(text), files)
        for file in files:
            os.close(file)


def _watch(order: dict[str, Any], files: list[int]) -> None:
    """Carry an order out in another fork, and tell its status by the first of *files*."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    answer, *outputs = files
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with_parent(watcher)()
        os.close(answer)
        _play(order, outputs)
    _pid, status = os.waitpid(pid, 0)
    os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _play(order: dict[str, Any], outputs: list[int]) -> None:
    """Become what a new process would be, and end as one."""
    status: Any = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.umask(order["umask"])
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, file in enumerate(outputs, start=1):
            os.dup2(file, number)
            os.close(file)
        sys.argv = order["argv"]
        # The temporary directory of the process that was forked is not ours to remove.
        atexit.unregister(cleanup_tmp_file)
        for setting in constants.config.get_configuration_definitions():
            value = constants.config.get_config_value(setting, variables=vars(constants))
            constants.set_constant(setting, value)
        ansible_playbook()
    except SystemExit as end:
        status = end.code
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(bool(status)))


if __name__ == "__main__":
    import_collections()
    serve(socket.socket(fileno=int(sys.argv[1])))
