"""Write the README of each role, which Galaxy shows, from its argument specification; with ``--check`` only compare.

Everything in it stands elsewhere: the specification says what the variables are, the tasks which modules are called.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.parser import Context, parse

PROJECT = Path(__file__).resolve().parents[1]
_OTHERS = re.compile(r"name: mobul\.backup\.(\w+)\n\s+tasks_from: (\w+)$", re.MULTILINE)
_MODULE = re.compile(r"^\s+(mobul\.backup\.\w+):$", re.MULTILINE)


def main() -> None:
    stale = []
    for role in sorted(path.parents[1] for path in PROJECT.glob("roles/*/meta/argument_specs.yml")):
        readme, text = role / "README.md", _readme(role)
        if "--check" not in sys.argv:
            readme.write_text(text)
        elif not readme.is_file() or readme.read_text() != text:
            stale.append(str(readme.relative_to(PROJECT)))
    if stale:
        sys.exit(f"not as tools/role_readmes.py writes it: {', '.join(stale)}")


def _readme(role: Path) -> str:
    """The text of one role's file."""
    entry = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    name = f"mobul.backup.{role.name}"
    parts = [
        f"# {name}",
        f"{_plain(entry['short_description'])}.",
        *(_plain(paragraph) for paragraph in entry["description"]),
        _users(role.name),
        "## Variables",
        _table(entry["options"]),
        f"All that is said of them: `ansible-doc --type role {name}`.",
        "## Modules",
        "\n".join(f"- `{module}`" for module in _modules(role)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _users(role: str) -> str:
    """The playbooks that run the role."""
    calls = re.compile(rf"name: mobul\.backup\.{role}$", re.MULTILINE)
    playbooks = [path.stem for path in sorted(PROJECT.glob("playbooks/*.yml")) if calls.search(path.read_text())]
    return f"Run by: {', '.join(f'`mobul.backup.{playbook}`' for playbook in playbooks)}." if playbooks else ""


def _modules(role: Path) -> list[str]:
    """The collection's modules that its tasks call, and those of other roles that it includes; each once."""
    texts = [path.read_text() for path in role.glob("tasks/*.yml")]
    others = [
        PROJECT / "roles" / name / "tasks" / f"{file}.yml" for text in texts for name, file in _OTHERS.findall(text)
    ]
    texts += [path.read_text() for path in others]
    return sorted({found for text in texts for found in _MODULE.findall(text)})


def _table(options: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each variable: its type, and the first sentences of its meaning."""
    rows = ["| variable | type | meaning |", "|---|---|---|"]
    for name, option in options.items():
        kind = f"{option['type']} of {option['elements']}" if "elements" in option else option["type"]
        kind += ", required" if option.get("required") else ""
        meaning = option["description"]
        first = _plain(meaning if isinstance(meaning, str) else meaning[0]).replace("|", "\\|")
        rows.append(f"| `{name}` | {kind} | {first} |")
    return "\n".join(rows)


def _plain(text: str) -> str:
    """A paragraph of Ansible's documentation in Markdown."""
    return "".join(_parts(part) for paragraph in parse(text, Context()) for part in paragraph)


def _parts(part: dom.AnyPart) -> str:
    if isinstance(part, dom.TextPart):
        return part.text
    if isinstance(part, dom.OptionNamePart | dom.ReturnValuePart):
        return f"`{part.name}`" if part.value is None else f"`{part.name}: {part.value}`"
    if isinstance(part, dom.ModulePart):
        return f"`{part.fqcn}`"
    if isinstance(part, dom.PluginPart):
        return f"`{part.plugin.fqcn}`"
    if isinstance(part, dom.CodePart):
        return f"`{part.text}`"
    if isinstance(part, dom.OptionValuePart):
        return f"`{part.value}`"
    if isinstance(part, dom.EnvVariablePart):
        return f"`{part.name}`"
    if isinstance(part, dom.BoldPart | dom.ItalicPart):
        return f"*{part.text}*"
    if isinstance(part, dom.LinkPart):
        return f"[{part.text}]({part.url})"
    if isinstance(part, dom.URLPart):
        return f"<{part.url}>"
    raise SystemExit(f"no Markdown for {part}")


if __name__ == "__main__":
    main()
