"""What a refused restore says to type can be typed, whatever the database is called."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from support.programs import PROJECT
from support.role_templates import load, role_templar

TYPED = re.compile(r"name its database:\s+-e (.*)\); nothing was touched")


@pytest.mark.parametrize("name", ["shop", "shop-1.main", "Shop Main", "o'clock", 'a"b=c'])
def test_the_command_names_the_database(name: str) -> None:
    (task,) = (
        task
        for play in load(PROJECT / "playbooks" / "restore.yml")
        for task in play.get("tasks", [])
        if task["name"] == "Check the database"
    )
    asked = {"given": {"expect_database": "other"}}
    variables = {"inventory_hostname": "host", "backup_login_db": name, "ansible_play_hosts_all": ["host"]}
    templar = role_templar({**variables, **task["vars"], "restore__asked": asked})
    told = TYPED.search(templar.template(task["mobul.backup.run_check"]["fail_msg"]))
    assert told is not None
    (word,) = shlex.split(told[1])
    # As ansible-playbook reads it: an object, or words with an equals sign each.
    given = json.loads(word) if word.startswith("{") else dict([word.split("=")])
    assert given == {"expect_database": name}
