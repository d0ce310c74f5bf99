# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an operation of the core to an Ansible module: the only place that knows AnsibleModule."""

from __future__ import annotations

import atexit
import gc
import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import BackupError, ConfigError
from .._core.stream.process import lower_priority
from .._core.texts import page, visible
from .interruption import interruptible
from .lists import read_lists
from .progress import written_down
from .secrets import escaped, key_paths, secrets
from .showing import shown

Operation = Callable[[Mapping[str, Any], bool], dict[str, Any]]
"""Takes the module's parameters and whether to change nothing; returns what ``exit_json`` takes.

``warnings`` (a list of texts) are shown as warnings; ``diff`` is passed on only where a diff was asked for.
"""


class _Module(AnsibleModule):  # type: ignore[misc]
    """:ivar refused: why what was given cannot be read, to be raised once it is known what of it is secret."""

    refused: BackupError | None = None

    def _load_params(self) -> None:
        # Before the parameters are checked: a failure of that returns all of them.
        super()._load_params()
        try:
            read_lists(self.params, self.argument_spec)
        except BackupError as error:
            self.refused = error
        _drop_empty(self.params, self.argument_spec)
        self.no_log_values.update(secrets(self.params))

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets(self.params))
        # Ansible hides all values of an option that takes a secret key, and so which file it is that is not there.
        self.no_log_values.difference_update(key_paths(self.params))
        self.no_log_values.update(escaped(set(self.no_log_values)))
        super()._log_invocation()


def run_module(argument_spec: Mapping[str, Any], operation: Operation, **options: Any) -> None:
    """Run *operation* as a module and leave through ``exit_json`` or ``fail_json``; never returns.

    :param options: further arguments of AnsibleModule (``required_if`` and the like).
    """
    module = _Module(argument_spec=dict(argument_spec), supports_check_mode=True, **options)
    os.umask(0o077)
    lower_priority()
    # The interpreter would else walk all that was imported once more on its way out.
    atexit.register(gc.freeze)
    try:
        if module.refused:
            raise module.refused
        with written_down(), interruptible():
            result = operation(module.params, module.check_mode)
    except BackupError as error:
        report = _visible_result(module, {"changed": error.changed, **(error.report or {})})
        _fail(module, msg=str(error), step=error.step, hint=error.hint, **report)
    except KeyboardInterrupt:
        _fail(module, msg="interrupted: everything unfinished was given up", step="run", hint=None)
    except Exception as error:
        # fail_json hides the values of all no_log options in what it prints.
        trace = page(traceback.format_exc().splitlines())
        _fail(module, msg=f"unexpected error: {type(error).__name__}: {error}", step="run", exception=trace)
    module.exit_json(**shown(_visible_result(module, result)))


def only_by_action(step: str) -> Operation:
    """The operation of a module whose work is its action plugin's, as it needs what only ansible-playbook knows."""

    def refuse(_params: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
        raise ConfigError(step, "the action plugin is missing", hint="install the collection as a whole")

    return refuse


def _drop_empty(params: dict[str, Any], spec: Mapping[str, Any]) -> None:
    """Leave out the empty texts in what is given in lists, for example of locations: a survey's empty answer is
    none."""
    for name, option in spec.items():
        if option.get("elements") == "dict" and isinstance(given := params.get(name), list):
            params[name] = [
                {key: value for key, value in one.items() if value != ""} if isinstance(one, dict) else one
                for one in given
            ]


def _fail(module: AnsibleModule, **result: Any) -> NoReturn:
    module.fail_json(**shown(result))
    raise AssertionError("fail_json returned")


def _visible_result(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """*result* with its warnings given as such, and its diff only where one was asked for."""
    for warning in result.pop("warnings", None) or []:
        module.warn(visible(warning))
    if not module._diff:
        result.pop("diff", None)
    return result
