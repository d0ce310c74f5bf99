"""What a module's documentation says of the host it runs on, and of the groups it is in, is so."""

from __future__ import annotations

import importlib
import re
from functools import cache

import pytest
import yaml
from support.module_parameters import argument_spec
from support.programs import PROJECT

PLUGINS = "ansible_collections.mobul.backup.plugins"
MODULES = sorted(path.stem for path in (PROJECT / "plugins" / "modules").glob("*.py"))
NEEDED_BY = {
    "login_host": {"psycopg2"},
    "locations": {"boto3", "cryptography", "rclone"},
    "endpoint_url": {"boto3"},
    "identities": {"cryptography", "gpg"},
    "recipients": {"cryptography", "gpg"},
    "compress": {"zstandard"},
    "openssl_kdf": {"zstandard"},
    "directory": {"prometheus_client"},
    "controller_host": {"awx.awx"},
    "channels": {"apprise"},
}
"""The libraries and programs that a module needs which has the option."""
GROUP = re.compile(r"C\(group/mobul\.backup\.(\w+)\)")


@cache
def told(module: str, section: str) -> list[str]:
    """The lines of a section of its documentation, and of the fragments'."""
    own = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION)
    fragments = [
        yaml.safe_load(importlib.import_module(f"{PLUGINS}.doc_fragments.{name}").ModuleDocFragment.DOCUMENTATION)
        for name in (one.removeprefix("mobul.backup.") for one in own.get("extends_documentation_fragment", []))
    ]
    return [line for part in (own, *fragments) for line in part.get(section, [])]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_its_options_need(module: str) -> None:
    options = argument_spec(importlib.import_module(f"{PLUGINS}.modules.{module}"))
    needed = {"Python"}.union(*(needs for option, needs in NEEDED_BY.items() if option in options))
    lines = told(module, "requirements")
    known = {"Python"}.union(*NEEDED_BY.values())
    assert {name for name in known if any(re.search(rf"(^|\(){re.escape(name)}\b", line) for line in lines)} == needed


def test_modules_ask_for_the_versions_that_the_collection_installs() -> None:
    lines = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    installed = {re.sub(r"-binary\b", "", line).replace("-", "_").replace(">=", " >= ") for line in lines}
    asked = {line.partition(",")[0] for module in MODULES for line in told(module, "requirements")}
    names = {line.split()[0] for line in installed}
    assert {line for line in asked if line.split()[0] in names} == installed


def test_a_module_names_the_action_groups_that_it_is_in() -> None:
    groups = yaml.safe_load((PROJECT / "meta" / "runtime.yml").read_text())["action_groups"]
    named = {module: set(GROUP.findall(" ".join(told(module, "notes")))) for module in MODULES}
    assert named == {module: {group for group in groups if module in groups[group]} - {"all"} for module in MODULES}
