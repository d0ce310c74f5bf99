# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how a procedure went, where ansible-playbook runs: only there the other hosts are known."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import RUN_SUMMARY
from ansible_collections.mobul.backup.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import Failure
from ansible_collections.mobul.backup.plugins.plugin_utils.run_table import (
    UNREACHABLE,
    Outcome,
    failure_of,
    lines_of,
    outcome_of,
    statistics,
    table,
)

STATISTICS = "backup_run"


class ActionModule(ControllerAction):
    """See :class:`ControllerAction`."""

    options = RUN_SUMMARY

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the table of the run, or the message of the task."""
        if params["state"] == "noted":
            return {"changed": False}
        if params["state"] == "run":
            return self._of_run(params, task_vars)
        results = _registered(params["registered"], task_vars)
        lines = [*params["lines"], *(line for one in results.values() for line in lines_of(one))]
        failure = "; ".join(filter(None, [*map(failure_of, results.values()), params["failure"]]))
        if not failure:
            result = {"msg": lines, "_ansible_verbose_always": True}
            return {"changed": False, **(result if lines else {"skipped": True})}
        # Who goes on with the failure finds what was returned under the name.
        result = {
            "msg": failure,
            "summary": lines,
            "registered": next((name for name, one in results.items() if failure_of(one)), ""),
        }
        result = {name: value for name, value in result.items() if value}
        # Lines are read one below the other.
        raise Failure({"failed": True, "changed": False, "_ansible_verbose_always": bool(lines), **result})

    def _of_run(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        found = {host: task_vars["hostvars"].get(host) or {} for host in task_vars["ansible_play_hosts_all"]}
        noted = {host for host in found if params["noted"] in found[host]}
        results = {host: list(_registered(params["registered"], found[host]).values()) for host in found}
        batch = set(task_vars["ansible_play_batch"])
        to_come = {host for host in set(task_vars["ansible_play_hosts"]) - batch - noted if not results[host]}
        outcomes = {host: outcome_of(host, host in noted, results[host], reached=host not in to_come) for host in found}
        # Where nobody of a batch is left Ansible ends the run, and no other batch comes.
        if to_come and batch:
            return {"changed": False, "skipped": True, "skip_reason": "other hosts are still to come"}
        if self._runs_apart():
            gone = {host for host in found if outcomes[host].status == UNREACHABLE}
            gone |= {host for host in found if host not in batch and not results[host]}
            complete = self._arrived(outcomes[task_vars["inventory_hostname"]], set(found) - gone - to_come)
            if not complete:
                return {"changed": False, "skipped": True, "skip_reason": "other hosts are still at work"}
            outcomes |= complete
        return {
            "changed": False,
            "msg": table(params["title"], list(outcomes.values())),
            "_ansible_verbose_always": True,
            "ansible_stats": {
                "data": {STATISTICS: statistics(params["title"], list(outcomes.values()))},
                "per_host": False,
                "aggregate": True,
            },
        }

    def _runs_apart(self) -> bool:
        """Whether the hosts do not wait for each other, so that each of them comes here."""
        play = getattr(getattr(self._task, "_parent", None), "_play", None)
        return str(getattr(play, "strategy", "")).rpartition(".")[2] in ("free", "host_pinned")

    def _arrived(self, own: Outcome, wanted: Collection[str]) -> dict[str, Outcome]:
        """Those that have come here, for the one with which all of the wanted have; nothing for the others.

        A worker knows no more of other hosts than was known when it was started. The directory is the run's own.
        """
        path = Path(constants.DEFAULT_LOCAL_TMP) / f"mobul-backup-{os.getppid()}-{self._task._uuid!s}"
        with path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = [json.loads(line) for line in file]
            file.write(json.dumps([own.host, own.status, own.why]) + "\n")
        came = {one[0]: Outcome(*one) for one in before}
        complete = bool(before) and set(wanted) <= set(came)
        came[own.host] = own
        return came if set(wanted) <= set(came) and not complete else {}


def _registered(names: Sequence[str], variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: found for name in names if isinstance(found := variables.get(name), Mapping)}
