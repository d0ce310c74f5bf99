# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure as one line, in the words of whoever has set the options, and what Ansible shows of it.

The module says which step failed, at what, and what to do next, in the names of its own options. Here, where the task
and its role are known, these become the role's variables, and what is as it was before is said. What Ansible shows of a
failure is all that the task returns, so that no more is returned than the line, unless the task registers it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleAction
from ansible.utils.display import Display
from ansible_collections.mobul.backup.plugins.plugin_utils.arguments import problem
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import variables_by_option

REPORTED_LATER = "backup__reported_later"
"""Variable of a task of a role: a failure that comes with a report is told by the role's last task, and fails there."""
REPORTED_BEFORE = "backup__reported_before"
"""Variable of a task of a role: the line of a task before it, which may have failed for the same reason."""
OPTIONS_STEP = "check the options"
_CRASHED = ("module_stdout", "module_stderr", "rc")
"""Of these a result has one where the module did not come to its own words."""
_KEPT = ("failed", "changed", "msg", "step", "invocation", "diff", "warnings", "deprecations", "exception")
_NAMES_STATE = re.compile(
    r"\bnothing (?:was|is) |\bas (?:it|they) (?:was|were)\b|\b(?:intact|unchanged|stays?)\b|\bwas restored\b"
)
_UNSUPPORTED = re.compile(r"Unsupported parameters for \([\w.]+\) module: (.+?)\. Supported parameters include: (.+)")
_CLAUSE = r"(?:(?<=^)|(?<=\()|(?<=; )|(?<=: )|(?<=, ))"
_BEFORE_VALUE = (
    r"(?:(?<=^)|(?<=\()|(?<=; )|(?<=: )|(?<=, )|(?<=\bor )|(?<=\band )|(?<=\buse )|(?<=\bsay )|(?<=\bset )"
    r"|(?<=\bgive )|(?<=\bwith )|(?<=\bleave )|(?<=\bby ))"
)


class Failure(AnsibleAction):  # type: ignore[misc]
    """Ends a task with a result that says all, and that Ansible does not say once more on standard error."""

    def __init__(self, result: dict[str, Any]) -> None:
        for warning in result.pop("warnings", None) or ():
            # What is raised has none; the display hands them on to the task.
            Display().warning(str(getattr(getattr(warning, "event", None), "msg", warning)))
        super().__init__(str(result["msg"]), result=result)

    @property
    def omit_exception_key(self) -> bool:
        """True, so that Ansible shows no traceback."""
        return True


def refuse_unresolved(action: Any, task_vars: Mapping[str, Any], intact: str) -> None:
    """End a task whose arguments cannot be worked out, before anything is done.

    :raises Failure: with the line.
    """
    if problem(action._task.args, {}):
        found = problem(action._task.args, variables_by_option(action._task, task_vars))
        found = _once(found, OPTIONS_STEP, action) + (f"; {intact}" if intact else "")
        raise Failure({"failed": True, "changed": False, "msg": found, "step": OPTIONS_STEP})


def reported(result: dict[str, Any], action: Any, task_vars: Mapping[str, Any], intact: str) -> dict[str, Any]:
    """*result* as it is returned: that of a failure has its line, and what is worth it to be shown.

    :param result: of the module.
    :param intact: what is as it was before where the module failed without a change.
    :raises Failure: which has the result, where nothing of the task looks at that before it ends.
    """
    if any(name in result for name in _CRASHED) or not (result.get("failed") or result.get("findings")):
        return result
    names = variables_by_option(action._task, task_vars)
    if not result.get("failed"):
        return {name: in_words_of_the_user(value, names) for name, value in result.items()}
    found = {name: in_words_of_the_user(value, names) for name, value in result.items() if name != "hint"}
    step = result.get("step")
    if step != "run":
        # There is no traceback: the line is all that there is to tell, and Ansible would show it once more.
        found.pop("exception", None)
        cause, state = _parts(str(result.get("msg", "")), step, names, "" if result.get("changed") else intact)
        found["msg"] = _once(cause, step or OPTIONS_STEP, action) + state
        found.setdefault("step", OPTIONS_STEP)
    if "summary" in found and action._templar.template(action._task.vars.get(REPORTED_LATER, False)):
        return {**found, "failed": False}
    if not action._task.register and not Display().verbosity:
        found = {name: value for name, value in found.items() if name in _KEPT or name.startswith("_ansible")}
    if "exception" in found or action._task.failed_when or action._task.until:
        return found
    raise Failure(found)


def _once(cause: str, step: str, action: Any) -> str:
    """*cause*, or that it is the one that was told before."""
    before = str(action._templar.template(action._task.vars.get(REPORTED_BEFORE, "")))
    return f"{step}: it fails for the same reason (see above)" if before.startswith(cause) else cause


def line(message: str, step: str | None, names: Mapping[str, str], intact: str) -> str:
    """The line that a failure is told in.

    :param step: None for one of Ansible's own, about the arguments.
    """
    return "".join(_parts(message, step, names, intact))


def _parts(message: str, step: str | None, names: Mapping[str, str], intact: str) -> tuple[str, str]:
    """The cause, and what is added of the state that is left behind."""
    if step is None:
        head, rest = f"{OPTIONS_STEP}: ", _everywhere(_without_list(" ".join(message.split()), names), names)
    else:
        head = f"{step}: " if message.startswith(f"{step}: ") else ""
        rest = renamed(message.removeprefix(head), names)
    return f"{head}{rest}", f"; {intact}" if intact and not _NAMES_STATE.search(rest) else ""


def in_words_of_the_user(value: Any, names: Mapping[str, str], *, name: str = "") -> Any:
    """What a report tells people, with the variables' names: its summary, its table and its findings' messages."""
    if isinstance(value, list):
        return [in_words_of_the_user(item, names, name=name) for item in value]
    if isinstance(value, Mapping):
        return {
            key: in_words_of_the_user(item, names, name=key) if key == "message" else item
            for key, item in value.items()
        }
    return renamed(value, names) if isinstance(value, str) and name in ("summary", "table", "message") else value


def renamed(text: str, names: Mapping[str, str]) -> str:
    """*text* with the variables' names in the place of the options'.

    Many an option is a word of English, too, and is told from it by what stands around: ``backup: latest``,
    ``recipients is empty``.
    """
    for option, variable in names.items():
        if option == variable:
            continue
        if option in text:
            # Most are not, and each expression would be compiled for nothing.
            text = _with_variable(text, option, variable)
        # Where the module's own words name the variable as well, once is enough.
        text = text.replace(f" ({variable})", "") if text.replace(f"({variable})", "").count(variable) else text
    return text


def _with_variable(text: str, option: str, variable: str) -> str:
    name = re.escape(option)
    if "_" in option:
        return re.sub(rf"(?<![\w.'\"-]){name}(?![\w'\"(-])", variable, text)
    text = re.sub(rf"{_BEFORE_VALUE}{name}(?=: [\w'\"\[{{])", variable, text)
    return re.sub(rf"{_CLAUSE}{name}(?= (?:is (?!right|it)|'[^']*' is |goes with |belongs to ))", variable, text)


def _without_list(text: str, names: Mapping[str, str]) -> str:
    """Ansible's words about options that are not there, without the module's name and all that it has."""
    found = _UNSUPPORTED.fullmatch(text)
    if found is None:
        return text
    paths, known = found[1].split(", "), found[2].rstrip(".").split(", ")
    wrong = []
    for path in paths:
        first, *further = path.split(".")
        meant = difflib.get_close_matches(path.rpartition(".")[2], known, n=1)
        hint = f" (did you mean {meant[0]}?)" if meant else ""
        wrong.append(f"{'.'.join([names.get(first, first), *further])} is no option{hint}")
    return "; ".join(wrong)


def _everywhere(text: str, names: Mapping[str, str]) -> str:
    """Ansible's own words about arguments, which have no other words that could be meant."""
    for option, variable in names.items():
        text = re.sub(rf"(?<![\w.-]){re.escape(option)}(?![\w.-])", variable, text)
    return text
