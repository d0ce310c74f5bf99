"""What a block of code in the documentation may name: playbooks, options, variables, modules, targets, programs."""

from __future__ import annotations

import functools
import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import yaml
from ansible.cli.doc import DocCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.playbook.block import Block as TaskBlock
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import RESULT, VALUES

from .module_parameters import argument_spec
from .programs import PROJECT, find_tool

COLLECTION = "mobul.backup."
INSTALLED = "~/.ansible/collections/ansible_collections/mobul/backup/"
_TEMPLATE = re.compile(r"\{\{|\{%")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_BREAKS = {"|", "||", "&&", ";", "&", "(", ")", "do", "done", "then"}


class WrongError(Exception):
    """The documentation contains a wrong statement."""


@functools.cache
def variables() -> Mapping[str, Mapping[str, Any]]:
    """Each variable of the roles and playbooks with its specification, an empty one where there is none."""
    found: dict[str, Mapping[str, Any]] = {value.name: {} for values in VALUES.values() for value in values}
    for path in [*(PROJECT / "playbooks").glob("*.yml"), *(PROJECT / "roles").glob("*/*/*.yml")]:
        # What a playbook or a role reads of the inventory without a variable of its own.
        found |= {name: {} for name in re.findall(r"\b([a-z]+(?:_[a-z]+)+) \| default", path.read_text())}
    for path in sorted((PROJECT / "roles").glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            found |= entry.get("options", {})
    return {**found, RESULT.name: {}, "backup_progress": {}}


@functools.cache
def module(name: str) -> ModuleType:
    """A module of the collection by its short name."""
    try:
        return importlib.import_module(f"ansible_collections.mobul.backup.plugins.modules.{name}")
    except ImportError as error:
        raise WrongError(f"there is no module {name}") from error


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Whether a module takes these options; of those that are templates only the names are looked at."""
    spec = argument_spec(module(name))
    known = set(spec) | {alias for one in spec.values() for alias in one.get("aliases", ())}
    if unknown := set(options) - known:
        raise WrongError(f"{name} has no options {sorted(unknown)}")
    given = {option: value for option, value in options.items() if not _TEMPLATE.search(str(value))}
    left = {option: {**one, "required": False} if option in options else one for option, one in spec.items()}
    _validate(left, given, name)


def check_variables(given: Mapping[str, Any], own: frozenset[str] = frozenset()) -> None:
    """Whether there are these variables, and they may have these values; *own* are those of the page's playbook."""
    for name, value in given.items():
        if name in own or name.startswith("ansible_"):
            continue
        if name not in variables():
            raise WrongError(f"there is no variable {name}")
        spec = {key: part for key, part in variables()[name].items() if key in ("type", "elements", "choices")}
        if spec and not _TEMPLATE.search(str(value)):
            _validate({name: spec}, {name: value}, name)


def _validate(spec: Mapping[str, Any], given: Mapping[str, Any], what: str) -> None:
    result = ArgumentSpecValidator(dict(spec)).validate(dict(given))
    if result.error_messages:
        raise WrongError(f"{what}: {'; '.join(result.error_messages)}")


def check_yaml(text: str) -> None:
    """Plays, tasks, an inventory or variables."""
    content = yaml.safe_load(text)
    if isinstance(content, list):
        for item in content:
            if "hosts" in item:
                _check_keywords(item, Play, {"hosts"})
                for task in item["tasks"]:
                    _check_task(task)
            else:
                _check_task(item)
    elif any(isinstance(group, Mapping) and "hosts" in group for group in content.values()):
        for group in content.values():
            check_variables(group.get("vars", {}))
            for host in group["hosts"].values():
                check_variables(host)
    else:
        check_variables(content)


def _check_task(task: Mapping[str, Any]) -> None:
    names = [name for name in task if "." in name]
    _check_keywords(task, Task, {*names, "loop"})
    for part in ("block", "rescue", "always"):
        for inner in task.get(part, []):
            _check_task(inner)
    for name in names:
        if name.startswith(COLLECTION):
            check_options(name.removeprefix(COLLECTION), task[name] or {})
        elif not name.startswith(("ansible.builtin.", "community.", "awx.awx.")):
            raise WrongError(f"nobody knows the module {name}")
    if not names and "block" not in task:
        raise WrongError(f"no module with its whole name in {task}")


def _check_keywords(given: Mapping[str, Any], kind: type, also: set[str]) -> None:
    if unknown := set(given) - set(kind.fattributes) - set(TaskBlock.fattributes) - also:  # type: ignore[attr-defined]
        raise WrongError(f"{kind.__name__} has no {sorted(unknown)}")


def check_shell(text: str, own: frozenset[str] = frozenset()) -> None:
    """Whether a shell can read it, and each command names what there is."""
    if placeholder := re.search(r"<\w+>", text):
        raise WrongError(f"a shell takes {placeholder[0]} for a file")
    parsed = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
    if parsed.returncode:
        raise WrongError(parsed.stderr)
    for words in commands(text):
        program, rest = words[0], words[1:]
        if program in _CHECKS:
            _CHECKS[program](rest, own)
        elif program.startswith("examples/"):
            if not (PROJECT / program).is_file():
                raise WrongError(f"there is no {program}")
        elif program not in _OF_THE_SHELL:
            _check_program(program, rest)


def commands(text: str) -> Iterator[list[str]]:
    """Each command with its words, without variables before it and redirections."""
    whole = re.sub(r"\$\{[^}]*\}", "$value", text.replace("\\\n", " "))
    lexer = shlex.shlex(whole, posix=True, punctuation_chars="|&;()<>\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    commented, depth = False, 0
    for word in [*lexer, "\n"]:
        if "\n" in word:
            commented = False
        elif word.startswith("#"):
            commented = True
        if commented:
            continue
        if word == ")" and not depth:
            # It ends a pattern of a case.
            words = []
        depth = max(0, depth + word.count("(") - word.count(")")) if set(word) <= set("()") else depth
        if word in _BREAKS or set(word) <= set("|&;()\n"):
            while words and _ASSIGNED.match(words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(word)


def _check_playbook(words: list[str], own: frozenset[str]) -> None:
    command = PlaybookCLI(["ansible-playbook", *words])
    command.init_parser()
    given = command.parser.parse_args(words)
    for name in given.args:
        if name.startswith(COLLECTION):
            if not (PROJECT / "playbooks" / f"{name.removeprefix(COLLECTION)}.yml").is_file():
                raise WrongError(f"there is no playbook {name}")
        elif not own:
            raise WrongError(f"the page has no playbook {name}")
    ours = all(name.startswith(COLLECTION) for name in given.args)
    for text in given.extra_vars:
        if not text.startswith("@"):
            check_arguments(text, frozenset() if ours else own)


def check_arguments(text: str, own: frozenset[str] = frozenset()) -> None:
    """What is given by ``-e``: JSON, or words with a ``=``."""
    if text.startswith("{"):
        check_variables(yaml.safe_load(text), own)
        return
    for word in text.split():
        name, sign, value = word.partition("=")
        if not sign:
            raise WrongError(f"{word!r} is no variable with a value")
        # What stands in a shell's variable may be anything, and a list can be given as words.
        if "$" in value or variables().get(name, {}).get("type") in ("list", "raw", "dict"):
            check_variables(dict.fromkeys([name], "{{ shell }}"), own)
        else:
            check_variables({name: value}, own)


def _check_documentation(words: list[str], _own: frozenset[str]) -> None:
    command = DocCLI(["ansible-doc", *words])
    command.init_parser()
    given = command.parser.parse_args(words)
    folder = "roles" if given.type == "role" else "plugins/modules"
    for name in given.args:
        short = name.removeprefix(COLLECTION)
        if not any((PROJECT / folder / place).exists() for place in (short, f"{short}.py")):
            raise WrongError(f"there is no {name}")


def _check_make(words: list[str], _own: frozenset[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    if unknown := {word for word in words if "=" not in word} - set(targets):
        raise WrongError(f"there is no target {sorted(unknown)}")


def _check_files(words: list[str], _own: frozenset[str]) -> None:
    for word in words:
        if word.startswith(INSTALLED) and not (PROJECT / word.removeprefix(INSTALLED)).is_file():
            raise WrongError(f"there is no {word}")
        if word.startswith("mobul.") and word != COLLECTION.rstrip("."):
            raise WrongError(f"{word} is no collection")


def _check_python(words: list[str], _own: frozenset[str]) -> None:
    if words[0].startswith("tools/") and not (PROJECT / words[0]).is_file():
        raise WrongError(f"there is no {words[0]}")


def _check_nothing(_words: list[str], _own: frozenset[str]) -> None:
    """Accept a block that another test runs."""


_CHECKS = {
    "ansible-playbook": _check_playbook,
    "ansible-doc": _check_documentation,
    "ansible-galaxy": _check_files,
    "pip": _check_files,
    "make": _check_make,
    "python": _check_python,
    "python3": _check_nothing,
}
_OF_THE_SHELL = {*["cd", "echo", "set", "for", "continue", "case", "esac", "printf", "plain", "exit"], "{", "}", "["}
# Of no package that tests install; their options as their manuals have them.
_ELSEWHERE = {"aws": {"--recursive"}, "ansible-builder": set(), "systemctl": set()}


@functools.cache
def _help(program: str, part: str) -> str:
    path = find_tool(program)
    if path is None:
        raise WrongError(f"nobody knows the program {program}")
    arguments = [part, "-help" if program == "openssl" else "--help"] if part else ["--help"]
    done = subprocess.run([path, *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr


def _check_program(program: str, words: list[str]) -> None:
    options = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
    if program in _ELSEWHERE:
        missing = options - _ELSEWHERE[program]
    else:
        part = words[0] if program in ("openssl", "rclone") and words else ""
        text = _help(program, part)
        missing = {option for option in options if option not in text}
    if missing:
        raise WrongError(f"{program} has no options {sorted(missing)}")
