# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how a procedure went, where ansible-playbook runs: only there the other hosts are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import RUN_SUMMARY
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import Failure
from ansible_collections.mobul.backup.plugins.plugin_utils.run_table import (
    Outcome,
    ends_here,
    failure_of,
    lines_of,
    outcome_of,
    table,
)

STATISTICS = "backup_run"


class ActionModule(ActionBase):
    """Runs on the controller, and asks no host for anything."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell what the task asks for."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, params = self.validate_argument_spec(argument_spec=RUN_SUMMARY)
        if params["state"] == "noted":
            return {**result, "changed": False}
        if params["state"] == "run":
            return {**result, **_of_run(params, task_vars or {})}
        results = _registered(params["registered"], task_vars or {})
        lines = [*params["lines"], *(line for one in results.values() for line in lines_of(one))]
        failure = "; ".join(filter(None, [*map(failure_of, results.values()), params["failure"]]))
        if not failure:
            told = {"msg": lines, "_ansible_verbose_always": True}
            return {**result, "changed": False, **(told if lines else {"skipped": True})}
        # Who goes on with the failure finds what was returned under the name.
        told = {
            "msg": failure,
            "summary": lines,
            "registered": next((name for name, one in results.items() if failure_of(one)), ""),
        }
        raise Failure(
            {**result, "failed": True, "changed": False, **{name: value for name, value in told.items() if value}}
        )


def _registered(names: Sequence[str], variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: found for name in names if isinstance(found := variables.get(name), Mapping)}


def _of_run(params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = list(_outcomes(params, task_vars))
    batch = set(task_vars["ansible_play_batch"]) & set(task_vars["ansible_play_hosts"])
    if not ends_here(outcomes, task_vars["ansible_play_hosts_all"], task_vars["ansible_play_batch"], batch):
        return {"changed": False, "skipped": True, "skip_reason": "other hosts are still to come"}
    hosts = {one.host: one.status for one in outcomes}
    return {
        "changed": False,
        "msg": table(params["title"], outcomes),
        "hosts": hosts,
        "_ansible_verbose_always": True,
        "ansible_stats": {
            "data": {STATISTICS: {"title": params["title"], "hosts": hosts}},
            "per_host": False,
            "aggregate": True,
        },
    }


def _outcomes(params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Iterator[Outcome]:
    for host in task_vars["ansible_play_hosts_all"]:
        found = task_vars["hostvars"].get(host) or {}
        yield outcome_of(host, params["noted"] in found, list(_registered(params["registered"], found).values()))
