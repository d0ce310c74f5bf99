"""The page about backup sets tells the truth: its commands work, and it names every member and every finding."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import SCHEMA
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.rekey import Rekey
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import (
    Drill,
    Hold,
    Release,
    SetRecord,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from support.lab import find_tool
from support.manifests import make_dump, make_globals, make_manifest
from support.programs import PROJECT

PAGE = (PROJECT / "docs" / "backup-set.md").read_text()
SET_ID = SetId.parse("weekly_20261122_000000")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    key = SigningKey.generate()
    artifacts = []
    for make, content in ((make_dump, b"dump"), (make_globals, b"globals")):
        artifact = make(SET_ID, sha256=hashlib.sha256(content).hexdigest())
        (tmp_path / artifact.name).write_bytes(content)
        artifacts.append(artifact)
    data = make_manifest(artifacts=tuple(artifacts)).to_bytes()
    (tmp_path / "manifest.json").write_bytes(data)
    (tmp_path / "manifest.json.sig").write_bytes(key.sign(data))
    (tmp_path / "signing.pub").write_text(key.verify_key.to_pem())
    return tmp_path


def check_by_hand(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's first commands as a person would, each of which must succeed."""
    if find_tool("openssl") is None:
        pytest.skip("openssl is not installed")
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0]
    return subprocess.run(["/bin/sh", "-ec", commands], cwd=directory, capture_output=True, text=True)


def test_the_commands_accept_a_set_that_is_in_order(directory: Path) -> None:
    done = check_by_hand(directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 2


@pytest.mark.parametrize("name", ["manifest.json", "backup_20261122_0000.dump.age", "globals_20261122_0000.sql.age"])
def test_the_commands_refuse_a_set_of_which_any_file_was_changed(directory: Path, name: str) -> None:
    (directory / name).write_bytes((directory / name).read_bytes() + b" ")
    assert check_by_hand(directory).returncode != 0


def test_every_member_of_the_manifest_and_of_its_artifacts_is_explained() -> None:
    definitions = SCHEMA.as_dict()["$defs"]
    for record in ("Manifest", "Artifact", "Index"):
        for member in definitions[record]["properties"]:
            assert f"`{member}`" in PAGE, member


def test_every_finding_of_the_chain_is_explained() -> None:
    for check in ("exchanged", "doubled", "forked", "order", "missing", "unlinked"):
        assert f"| `{check}` |" in PAGE


@pytest.mark.parametrize("kind", [Hold, Release, Drill, Rekey], ids=lambda kind: kind.what)
def test_the_page_names_every_member_of_what_lies_beside_a_set(kind: type[SetRecord]) -> None:
    (row,) = (line for line in PAGE.splitlines() if f"`{kind.kind}`" in line)
    common = {"format", "version", "id", "label"}
    assert {field.name for field in fields(kind)} - common <= set(re.findall(r"`([a-z_]+)`", row))
