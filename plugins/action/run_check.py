# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at how a run was started, where ansible-playbook runs: only there tags and all hosts' variables are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import RUN_CHECK
from ansible_collections.mobul.backup.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import Failure
from ansible_collections.mobul.backup.plugins.plugin_utils.mistyped import mistyped
from ansible_collections.mobul.backup.plugins.plugin_utils.near_misses import near_misses, selects
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import (
    answers,
    known_variables,
    own_names,
    variable_types,
)


class ActionModule(ControllerAction):
    """See :class:`ControllerAction`."""

    options = RUN_CHECK

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Fail where something is wrong, in one line."""
        only, without = list(task_vars["ansible_run_tags"]), list(task_vars["ansible_skip_tags"])
        if not selects(self._task.tags, only, without):
            raise _refused("check the tags", _refused_tags(only, without))
        if not params["that"]:
            step, _colon, message = params["fail_msg"].partition(": ")
            raise _refused(step, message)
        hosts = {host: task_vars["hostvars"].raw_get(host) for host in params["hosts"]}
        names = {name for variables in hosts.values() for name in variables}
        if found := near_misses(names - set(params["own"]), known_variables() | own_names()):
            mistakes = "; ".join(f"{name} is no variable, and {meant} is one" for name, meant in found.items())
            raise _refused(
                "check the variables",
                f"{mistakes} (rename it, or name it in backup_own_variables if it is your own); nothing was done",
            )
        types = {name: kind for name, kind in variable_types().items() if name not in answers()}
        wrong = {
            f"{name} {problem}": host
            for host, values in hosts.items()
            for name, problem in mistyped(values, types).items()
        }
        if wrong:
            mistakes = "; ".join(f"{host}: {one}" for one, host in wrong.items())
            raise _refused("check the variables", f"{mistakes}; nothing was done")
        return {"changed": False}


def _refused(step: str, message: str) -> Failure:
    return Failure({"failed": True, "changed": False, "msg": f"{step}: {message}", "step": step})


def _refused_tags(only: Sequence[str], without: Sequence[str]) -> str:
    given = [f"--tags {','.join(only)}"] if list(only) != ["all"] else []
    given += [f"--skip-tags {','.join(without)}"] if without else []
    options = " and ".join(given)
    return (
        f"{options} selects nothing of this playbook (leave it out, and choose databases by --limit); nothing was done"
    )
