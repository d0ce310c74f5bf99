"""The shortest inventory of the README makes a backup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from support.backup_bench import Keys
from support.lab import PROJECT
from support.playbooks import Playbooks
from support.stored_sets import StoredSet

# What differs from reader to reader; everything else is as it stands there.
THEIRS = {"backup_login_host", "backup_recipients", "backup_locations"}


def test_the_readmes_inventory_makes_a_backup(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path
) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    inventory = yaml.safe_load(block)
    shop = inventory["databases"]["hosts"]["shop"]
    assert set(shop) > THEIRS
    shop |= {"backup_recipients": keys.recipients, "backup_login_host": login["backup_login_host"]}
    shop["backup_locations"][0]["path"] = str(tmp_path / "backups")
    path = tmp_path / "databases.yml"
    path.write_text(yaml.safe_dump(inventory))
    here = {name: login[name] for name in ("backup_login_port", "backup_login_db", "backup_pg_bin_dir")}
    given = [word for name, value in here.items() for word in ("-e", f"{name}={value}")]
    run = playbooks.run("mobul.backup.weekly", path, *given, SHOP_PASSWORD=login["backup_login_password"])

    assert run.status == 0, run.output
    assert "1 of 1 copies good" in run.output
    (directory,) = (tmp_path / "backups").glob("shop/*/*/*/weekly_*")
    assert StoredSet(directory, keys.identity).manifest["label"] == "shop"
