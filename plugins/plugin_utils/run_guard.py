# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that ends with the run that it belongs to, however that ends.

ansible-playbook has each task done by a worker, a process in a session of its own. It passes SIGINT and SIGTERM on to
its workers; but when it is killed itself (ansible-runner does that to a run that is cancelled or takes too long), they
work on, and with them the connections and modules that they wait for. So the worker looks whether its parent is there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.mobul.backup.plugins.plugin_utils import failure, progress, python_version
from ansible_collections.mobul.backup.plugins.plugin_utils.arguments import ResolvedArguments

_STEP_SECONDS = 2.0


class GuardedAction(ResolvedArguments, NormalAction):  # type: ignore[misc]
    """Does what Ansible does for a module without an action plugin, says how far it is, and ends with its run.

    :cvar intact: what is as it was before where the module failed and changed nothing.
    """

    intact = ""

    def run(self, tmp: Any = None, task_vars: Any = None) -> Any:
        """Run the module with the action's name and return its result, a failure in one line."""
        failure.refuse_unresolved(self, task_vars or {}, self.intact)
        with _ends_with_run(), progress.shown(self, task_vars):
            result = python_version.named(self, super().run(tmp, task_vars))
        return failure.reported(result, self, task_vars or {}, self.intact)


@contextlib.contextmanager
def _ends_with_run() -> Iterator[None]:
    parent = multiprocessing.parent_process()
    if parent is None:
        # No worker: nobody can be killed without this process.
        yield
        return
    run = parent.pid
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_STEP_SECONDS):
            if os.getppid() != run:
                # As ansible-playbook itself would: the worker passes it on to all that it has started.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return

    threading.Thread(target=watch, name="run guard", daemon=True).start()
    try:
        yield
    finally:
        over.set()
