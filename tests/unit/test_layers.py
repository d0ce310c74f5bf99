"""The layers of the source tree hold, and what is declared twice is declared alike."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import (
    CONNECTION,
    DECRYPTION,
    LOCATIONS,
    S3_CONNECTION,
    SUPABASE,
)
from support.module_parameters import argument_spec

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.mobul.backup"
CORE = f"{PACKAGE}.plugins.module_utils._core"
CORE_FILES = sorted((PROJECT / "plugins" / "module_utils" / "_core").rglob("*.py"))
MODULE_FILES = sorted((PROJECT / "plugins" / "modules").glob("*.py"))
ROOMS: dict[str, tuple[str, ...]] = {
    "texts": (),
    "errors": (),
    "durations": (),
    "progress": (),
    "documents": (),
    "findings": (),
    "web": (),
    "stream": (),
    "backupset": (),
    "encryption": ("age", "gpg", "legacy"),
    "postgres": ("archive",),
    "platforms": ("supabase",),
    "locations": ("local", "rclone", "s3"),
    "catalogue": (),
    "reading": (),
    "backup": (),
    "restore": (
        *("outbound", "database", "database/in_place", "database/side_by_side"),
        *("table", "table/source", "table/merge", "table/swap", "table/dropped"),
    ),
    "lifecycle": ("retention", "hold", "keys", "replicate", "prune", "bucket"),
    "monitoring": ("alerting",),
    "verification": ("drill",),
    "controller": (),
    "procedures": (),
}
"""The rooms of the core from the ground up, and loose files; behind each the rooms within it, from the ground up, too.

A file imports from its own room and from those before it in the table. In a room that has rooms, its own files are both
what those share and what puts them together: imports go both ways there.
"""
LOOSE = ("errors", "texts", "durations", "findings", "progress")
ROLES = sorted(path.parent.parent for path in (PROJECT / "roles").glob("*/meta/argument_specs.yml"))


def imported_names(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """The absolute names that *source* imports anywhere, also inside functions and through importlib."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([node.module] if node.module else []))
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")):
            yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


def called(node: ast.Call) -> str:
    """The last word of what is called, "" where it has none."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def is_foreign(name: str) -> bool:
    """Whether a name that a file of the core imports belongs to Ansible or to a layer above."""
    top = name.partition(".")[0]
    inside = name == CORE or name.startswith(f"{CORE}.")
    return top in ("ansible", "ansible_collections", "ansible_test") and not inside


def module_name(path: Path) -> str:
    """The dotted name of a file of the collection."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join([PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import ansible.module_utils.basic", True),
        ("from ansible.module_utils.basic import AnsibleModule", True),
        ("def f():\n    from ansible import constants", True),
        ("import importlib\nimportlib.import_module('ansible.constants')", True),
        ("from ..._ansible import module", True),
        ("from .... import modules", True),
        (f"from {PACKAGE}.plugins.module_utils._ansible import module", True),
        ("from ..errors import BackupError", False),
        ("from .. import naming", False),
        ("from . import base", False),
        ("import boto3", False),
    ],
)
def test_the_check_of_imports_tells_foreign_ones(source: str, expected: bool) -> None:
    names = imported_names(source, f"{CORE}.locations.local", is_package=False)
    assert any(is_foreign(name) for name in names) is expected


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_in_the_core_imports_ansible(path: Path) -> None:
    names = imported_names(path.read_text(), module_name(path), is_package=path.name == "__init__.py")
    assert [name for name in names if is_foreign(name)] == []


def test_every_package_of_the_core_is_one() -> None:
    folders = {path.parent for path in CORE_FILES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def room_of(parts: tuple[str, ...]) -> tuple[str, str]:
    """The room of the core and the room within it ("" for its own files) of a dotted name's parts below the core."""
    top, rest = parts[0], "/".join(parts[1:])
    inner = [name for name in ROOMS.get(top, ()) if rest == name or rest.startswith(f"{name}/")]
    return top, max(inner, key=len, default="")


def runs_up(importer: tuple[str, ...], imported: tuple[str, ...]) -> bool:
    """Whether an import leads to a room that comes after the importer's in the table."""
    order = list(ROOMS)
    (here, inside), (there, inside_there) = room_of(importer), room_of(imported)
    if here != there:
        return order.index(there) > order.index(here)
    if not inside or not inside_there or inside.startswith(inside_there) or inside_there.startswith(inside):
        return False
    return ROOMS[here].index(inside_there) > ROOMS[here].index(inside)


@functools.cache
def known_files() -> set[tuple[str, ...]]:
    """All files of the core, as parts of their names below it."""
    return {tuple(module_name(file).removeprefix(f"{CORE}.").split(".")) for file in CORE_FILES}


@functools.cache
def imports_of(path: Path) -> set[tuple[str, ...]]:
    """The files of the core that a file of it imports, as parts of their names below the core."""
    known, found = known_files(), set()
    for name in imported_names(path.read_text(), module_name(path), is_package=path.name == "__init__.py"):
        if name.startswith(f"{CORE}."):
            parts = tuple(name.removeprefix(f"{CORE}.").split("."))
            found.add(parts if parts in known else parts[:-1])
    return found


@pytest.mark.parametrize(
    ("importer", "imported", "expected"),
    [
        ("stream.pipeline", "locations.base", True),
        ("locations.base", "stream.pipeline", False),
        ("restore.table.merge.merge", "restore.table.swap.shadow", True),
        ("restore.table.swap.shadow", "restore.table.merge.merge", False),
        ("reading.plain", "restore.database.run", True),
        ("restore.database.in_place.script", "restore.database.plan", False),
        ("restore.table.run", "restore.table.swap.swap", False),
    ],
)
def test_the_check_of_rooms_tells_an_import_that_runs_up(importer: str, imported: str, expected: bool) -> None:
    assert runs_up(tuple(importer.split(".")), tuple(imported.split("."))) is expected


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_import_of_the_core_runs_up(path: Path) -> None:
    here = tuple(module_name(path).removeprefix(f"{CORE}.").split("."))
    assert [".".join(name) for name in sorted(imports_of(path)) if runs_up(here, name)] == []


def test_no_files_of_the_core_import_each_other_in_a_circle() -> None:
    graph = {tuple(module_name(path).removeprefix(f"{CORE}.").split(".")): imports_of(path) for path in CORE_FILES}
    TopologicalSorter({name: found - {name} for name, found in graph.items()}).prepare()


def test_every_room_of_the_core_is_in_the_table_and_in_contributing() -> None:
    core = PROJECT / "plugins" / "module_utils" / "_core"
    folders = {path.parent.relative_to(core).as_posix() for path in CORE_FILES} - {"."}
    inner = {f"{room}/{name}" for room, names in ROOMS.items() for name in names}
    assert folders == {room for room in ROOMS if room not in LOOSE} | inner
    assert {path.stem for path in core.glob("*.py")} == {"__init__", *LOOSE}
    page = (PROJECT / "CONTRIBUTING.md").read_text()
    assert [room for room in ROOMS if room not in LOOSE and f"    {room}/ " not in page] == []


FROM_ANSIBLE = {"awx_objects": ["connect"]}
"""What an operation is handed beside the parameters, because only Ansible's side has it."""


@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda path: path.stem)
def test_a_module_runs_the_one_operation_of_its_name(path: Path) -> None:
    if path.stem in ON_THE_CONTROLLER:
        pytest.skip("its action plugin does the work, as it must know the caller's variables")
    found = [
        name for name in imported_names(path.read_text(), module_name(path), is_package=False) if "._core." in name
    ]
    (wanted,) = (name for name in found if name.endswith(f".run_{path.stem}"))
    assert f" run_{path.stem}" in path.read_text().partition("run_module(")[2]
    file, name = wanted.rsplit(".", 1)
    signature = inspect.signature(getattr(importlib.import_module(file), name))
    first, second, *others = signature.parameters.values()
    assert [f"{one.name}: {one.annotation}" for one in (first, second)] == [
        "params: Mapping[str, Any]",
        "check_mode: bool",
    ]
    assert all(one.kind is one.KEYWORD_ONLY for one in others)
    assert [one.name for one in others if one.default is one.empty] == FROM_ANSIBLE.get(path.stem, [])
    assert signature.return_annotation == "dict[str, Any]"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_declares_every_default_and_gives_the_value_it_declares(role: Path) -> None:
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options", {})
    defaults = load(role / "defaults" / "main.yml") if (role / "defaults" / "main.yml").exists() else {}
    declared = {name: option["default"] for name, option in options.items() if "default" in option}
    assert set(defaults) <= set(options), "defaults/main.yml has variables that argument_specs.yml does not"
    assert {name: defaults.get(name) for name in declared} == declared
    optional = {name for name, option in options.items() if not option.get("required")}
    # What the inventory says to all roles alike is the role backup's: another's default would stand beside it.
    inherited = {name for name in options if name.startswith("backup_") and role.name != "backup"}
    assert optional - inherited <= set(defaults), "an option that is not required has no default"


def test_every_role_has_an_argument_specification() -> None:
    assert [path.name for path in (PROJECT / "roles").iterdir() if path.is_dir() and path not in ROLES] == []


def test_the_action_group_all_has_every_module() -> None:
    runtime = load(PROJECT / "meta" / "runtime.yml")
    assert sorted(runtime["action_groups"]["all"]) == [path.stem for path in MODULE_FILES]


GROUPS: dict[str, dict[str, object]] = {
    "database": CONNECTION,
    "decryption": DECRYPTION,
    "locations": LOCATIONS,
    "s3": S3_CONNECTION,
    "supabase": SUPABASE,
}
"""The action groups beside "all", and the options that all of a group's modules take."""


def test_every_action_group_is_one_of_options_that_its_modules_share() -> None:
    assert set(load(PROJECT / "meta" / "runtime.yml")["action_groups"]) == {"all", *GROUPS}


@pytest.mark.parametrize("group", GROUPS)
def test_an_action_group_has_every_module_that_takes_its_options_and_no_other(group: str) -> None:
    runtime = load(PROJECT / "meta" / "runtime.yml")
    modules = {path.stem: importlib.import_module(f"{PACKAGE}.plugins.modules.{path.stem}") for path in MODULE_FILES}
    taking = [name for name, module in modules.items() if set(GROUPS[group]) <= set(argument_spec(module))]
    assert sorted(runtime["action_groups"][group]) == taking


def load(path: Path) -> dict:
    """A YAML file's mapping."""
    return yaml.safe_load(path.read_text()) or {}


ON_THE_CONTROLLER = {"procedure_record", "run_check", "run_summary"}
"""What an action plugin does in the module's place, in the run's own process."""


@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda path: path.stem)
def test_every_module_ends_with_its_run(path: Path) -> None:
    action = (PROJECT / "plugins" / "action" / path.name).read_text()
    assert ("class ActionModule(GuardedAction):" in action) == (path.stem not in ON_THE_CONTROLLER)
    assert "run_module(" in path.read_text()
