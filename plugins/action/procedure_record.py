# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a procedure's record where ansible-playbook runs: a pipeline cannot read what lies on a database's host."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.vars import load_extra_vars
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import PROCEDURE_RECORD
from ansible_collections.mobul.backup.plugins.module_utils._ansible.showing import shown
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.custody import names
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.run import run_procedure_record
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import VALUES, values_of
from ansible_collections.mobul.backup.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import Failure

_UNSEEN = "diff"
"""What a failure leaves for the calls after it, as Ansible registers that, and shows it only where asked by -vvv."""


class ActionModule(ControllerAction):
    """See :class:`ControllerAction`."""

    options = PROCEDURE_RECORD

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do what the task says, with the caller's variables as they stand."""
        params["record"] = _result_of(params["record"])
        try:
            result = run_procedure_record(params, self._given(params["procedure"], task_vars), self._task.check_mode)
        except BackupError as error:
            result = {"changed": False, "failed": True, "msg": str(error), "step": error.step}
            report = {} if error.report is None else {_UNSEEN: shown(error.report)}
            raise Failure({**shown(result), **report}) from None
        except AnsibleError:
            raise
        except Exception as error:
            result = {
                "failed": True,
                "msg": f"unexpected error: {type(error).__name__}: {error}",
                "exception": traceback.format_exc(),
            }
        return shown(result)

    def _given(self, procedure: str, task_vars: Mapping[str, Any]) -> dict[str, object]:
        """The variables of *procedure*, and what tells who runs it, by name."""
        found: dict[str, object] = {name: os.environ[name] for name in names() if name in os.environ}
        found |= {name: task_vars[name] for name in names() if isinstance(task_vars.get(name), str | int)}
        if procedure in VALUES:
            found |= {value.name: self._value(value.name, value.variable, task_vars) for value in values_of(procedure)}
        return found

    def _value(self, name: str, variable: str, task_vars: Mapping[str, Any]) -> object:
        """One variable of the caller.

        What comes from outside, by ``-e`` and surveys, is a template to Ansible. Here it is taken as it stands. The
        inventory and the playbooks are the operator's own, and their templates are followed.
        """
        extra = load_extra_vars(self._loader)
        if name in extra:
            found = _plain(extra[name])
        else:
            found = _plain(self._templar.template(task_vars[name])) if name in task_vars else None
        return os.environ.get(variable, found) if found in (None, "") else found


def _result_of(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a call has returned, that of a failed one, too."""
    return record if not record or "document" in record else record.get(_UNSEEN, record)


def _plain(value: object) -> object:
    """*value* without Ansible's marks, so that nobody takes it for a template later."""
    return (
        value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") if isinstance(value, str) else value
    )
