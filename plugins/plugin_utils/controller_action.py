# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action plugin is that does a module's work where ansible-playbook runs, as no module could."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.mobul.backup.plugins.plugin_utils.arguments import ResolvedArguments
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import refuse_unresolved


class ControllerAction(ResolvedArguments, ActionBase):  # type: ignore[misc]
    """Runs on the controller, and asks no host for anything.

    :cvar options: the argument spec, which is the module's.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    refuses_undefined = False
    options: ClassVar[Mapping[str, Any]]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the arguments, do the work and return the result."""
        refuse_unresolved(self, task_vars or {}, "")
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, params = self.validate_argument_spec(argument_spec=self.options)
        return {**result, **self.work(params, task_vars or {})}

    @abstractmethod
    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do it.

        :param params: the arguments, checked.
        :param task_vars: the host's variables.
        :return: what the task returns.
        :raises Failure: with the result of a task that fails.
        """
