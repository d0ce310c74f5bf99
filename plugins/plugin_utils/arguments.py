# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that cannot be worked out: a mistake in a template, a variable that nobody sets, a vault that stays closed.

Ansible says so twice, over many lines, and in the names of the module's options. And where a variable is set to one
that is not there, the filter ``default`` takes it for one that is not set: signatures would not be looked at, and
nobody be told.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleValueOmittedError
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import answers, known_variables

_UNRESOLVED = "mobul_backup_unresolved"
_MOST_STEPS = 5
"""From an argument to what the user has set: the task's variable, the role's, the one that it inherits from."""
_NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?![\w'\"(])")
_DEFAULTED = re.compile(r"(?<![\w.'\"])([A-Za-z_]\w*)\s*\|\s*d(?:efault)?\(")
_HINTS = (
    ("vault", "give the vault's password: --ask-vault-pass or --vault-password-file"),
    ("is undefined", "set what it names, or correct the name"),
    ("Syntax error", "correct the template"),
)


class ResolvedArguments:
    """Of an action plugin: keeps what is wrong with an argument for :func:`problem`.

    :cvar refuses_undefined: whether a variable that is set to an undefined one is refused where ``default`` stands in
        for it. What tells of a failure takes the default: it must get through whatever is wrong with the inventory.
    """

    refuses_undefined: ClassVar[bool] = True

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Work an argument out, as Ansible asks its actions to."""
        variables = templar.available_variables
        try:
            for variable in _inherited(value, variables) if cls.refuses_undefined else ():
                with contextlib.suppress(AnsibleValueOmittedError):
                    templar.template(variables[variable])
            return templar.template(value)
        except AnsibleValueOmittedError:
            raise
        except AnsibleError as error:
            why = " ".join(str(error).split()).removeprefix("Error rendering template: ")
            return {_UNRESOLVED: {"variable": _culprit(value, templar), "why": why}}


def problem(arguments: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What is wrong with the arguments of a task, in the role's variables; "" for nothing.

    :param names: option -> variable.
    """
    for option, value in arguments.items():
        if isinstance(value, Mapping) and _UNRESOLVED in value:
            found = value[_UNRESOLVED]
            hint = next((hint for mark, hint in _HINTS if mark in found["why"]), "correct it")
            name = found["variable"] or names.get(option, option)
            return f"check the options: {name} cannot be worked out: {found['why'].rstrip('.')} ({hint})"
    return ""


def _inherited(value: object, variables: Mapping[str, Any]) -> Iterator[str]:
    """The variables for which ``default`` stands in, so that nobody hears of a mistake in them."""
    for text in _templates(value, variables):
        for name in _DEFAULTED.findall(text):
            if name in _templated() and _is_template(variables.get(name)):
                yield name


def _culprit(value: object, templar: Any) -> str:
    """The variable of the user's that cannot be worked out; "" where it is none."""
    variables = templar.available_variables
    found = ""
    for name in dict.fromkeys(name for text in _templates(value, variables) for name in _NAME.findall(text)):
        if name in _templated() and name in variables:
            try:
                templar.template(variables[name])
            except AnsibleValueOmittedError:
                continue
            except AnsibleError:
                # The last one is what the others inherit from.
                found = name
    return found


@functools.cache
def _templated() -> frozenset[str]:
    """The variables that are the operator's own. A template in an answer of somebody else is never followed."""
    return known_variables() - answers()


def _templates(value: object, variables: Mapping[str, Any]) -> Iterator[str]:
    """The templates that a value is made by: its own, and those of the variables in it."""
    seen: set[str] = set()
    texts = [str(value)] if _is_template(value) else []
    for _step in range(_MOST_STEPS):
        yield from texts
        names = {name for text in texts for name in _NAME.findall(text)} - seen - answers()
        seen |= names
        texts = [str(variables[name]) for name in sorted(names) if _is_template(variables.get(name))]


def _is_template(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)
