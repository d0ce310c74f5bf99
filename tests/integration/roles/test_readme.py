"""The shortest inventory of the README makes a backup, and its commands prove and keep it."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from support.backup_bench import Keys
from support.documented import commands
from support.lab import PROJECT
from support.pages import blocks, not_told, shown_block
from support.playbooks import Playbooks
from support.stored_sets import StoredSet
from support.throwaway import bin_dir

# What differs from reader to reader; everything else is as it stands there.
THEIRS = {"backup_login_host", "backup_recipients", "backup_identities", "backup_locations"}
# What the demo's and this test's own runs are: see there.
INSTALLED = {"make demo", "make test", "ansible-galaxy collection install", "pip install"}


def arguments_of(text: str, playbook: str) -> list[str]:
    """What the README's first command for *playbook* gives beside the inventory."""
    command = next(line for line in text.splitlines() if line.startswith(f"    ansible-playbook {playbook} "))
    words = shlex.split(command.partition("#")[0])
    assert words[2:4] == ["-i", "databases.yml"]
    return words[4:]


def test_the_readmes_inventory_makes_a_backup_that_its_commands_prove_and_keep(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path
) -> None:
    text = (PROJECT / "README.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    inventory = yaml.safe_load(block)
    shop = inventory["databases"]["hosts"]["shop"]
    assert set(shop) > THEIRS
    shop |= {"backup_recipients": keys.recipients, "backup_identities": [str(keys.identity)]}
    shop["backup_login_host"] = login["backup_login_host"]
    shop["backup_locations"][0]["path"] = str(tmp_path / "backups")
    path = tmp_path / "databases.yml"
    path.write_text(yaml.safe_dump(inventory))
    here = {name: login[name] for name in ("backup_login_port", "backup_login_db", "backup_pg_bin_dir")}
    given = [word for name, value in here.items() for word in ("-e", f"{name}={value}")]
    run = playbooks.run("mobul.backup.weekly", path, *given, SHOP_PASSWORD=login["backup_login_password"])

    assert run.status == 0, run.output
    names = {"'shop'": f"'{login['backup_login_db']}'"}
    assert not not_told(shown_block("README.md", "shop: weekly_"), run.output, names)
    (directory,) = (tmp_path / "backups").glob("shop/*/*/*/weekly_*")
    assert StoredSet(directory, keys.identity).manifest["label"] == "shop"

    there = {"verify_pg_bin_dir": bin_dir(17)}
    if os.geteuid() != 0:
        # Only root has a throwaway server.
        there = {name.replace("backup_", "verify_"): login[name] for name in login if name.startswith("backup_login_")}
        there |= {"verify_target": "server", "verify_login_db": "postgres"}
    words = arguments_of(text, "mobul.backup.verify")
    secret = {"SHOP_PASSWORD": login["backup_login_password"]}
    drill = playbooks.run("mobul.backup.verify", path, *words, "-e", json.dumps(there), **secret)
    assert drill.status == 0, drill.output
    assert "from location 'local' passed" in drill.output
    assert list(directory.glob("verified_*.json"))
    cleanup = playbooks.run("mobul.backup.cleanup", path, *arguments_of(text, "mobul.backup.cleanup"), **secret)
    assert cleanup.status == 0, cleanup.output
    assert "keep" in cleanup.output


def test_every_other_command_is_run_by_the_runbooks() -> None:
    def typed(page: str) -> set[str]:
        shell = [block.text for block in blocks(page) if block.language in ("", "sh")]
        found = (shlex.join(words) for text in shell for words in commands(text))
        return {command.replace(" --limit shop", "") for command in found}

    here = {"mobul.backup.weekly", "mobul.backup.verify", "mobul.backup.cleanup"}
    others = {one for one in typed("README.md") if not any(one.startswith(start) for start in INSTALLED)}
    others = {one for one in others if one.split()[1] not in here}
    assert len(others) == 3
    assert others <= typed("docs/runbooks.md")
