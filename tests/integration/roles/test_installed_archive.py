"""The archive has what a user needs, and nothing of what belongs to development; what it installs works by itself."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Keys
from support.playbooks import Playbooks
from support.programs import PROJECT

PROGRAMS = Path(sys.executable).parent
SHIPPED = {
    *("CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "bindep.txt", "changelogs", "docs"),
    *("examples", "execution-environment.yml", "inventories", "meta", "playbooks", "plugins", "requirements.txt"),
    *("requirements.yml", "roles"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make build`` makes."""
    directory = tmp_path_factory.mktemp("archive")
    subprocess.run([sys.executable, PROJECT / "tools" / "build.py", directory], check=True)
    (found,) = directory.iterdir()
    return found


def test_the_archive_has_what_is_used_and_nothing_of_development(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        changes = tar.extractfile("CHANGELOG.md")
        assert changes is not None
        told = changes.read().decode()
    assert {name.partition("/")[0] for name in names} == SHIPPED
    assert [name for name in names if name.startswith("changelogs/")] == ["changelogs/changelog.yaml"]
    assert [name for name in names if "test_" in Path(name).name and not name.endswith("test_alerts.yml")] == []
    assert "pg\\_backup" in told


def test_a_playbook_of_the_installed_archive_makes_a_backup(
    archive: Path, playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path
) -> None:
    # Only what is installed here can be found, and not the working tree.
    where = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    install = ["collection", "install", "--offline", "--no-deps", "-p", tmp_path / "collections", archive]
    subprocess.run([PROGRAMS / "ansible-galaxy", *install], env={**playbooks.environment, **where}, check=True)
    place = {"name": "local", "type": "local", "path": str(tmp_path / "sets")}
    inventory = playbooks.inventory(
        {"shop": {**login, "backup_recipients": keys.recipients, "backup_locations": [place]}}
    )
    run = playbooks.run("mobul.backup.weekly", inventory, **where)
    assert run.status == 0, run.output
    assert list((tmp_path / "sets").glob("shop/*/*/*/weekly_*/manifest.json"))
