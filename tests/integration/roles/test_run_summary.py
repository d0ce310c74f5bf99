"""How a run went for all of its hosts, at its end, once: whatever the strategy is and whoever is gone. Golden texts."""

from __future__ import annotations

import json
import re
import sys

import pytest
from support.playbooks import Playbooks

SUMMED_UP = re.compile(r"^ok: \[\w+\] => (?=\{\n    \"ansible_stats\")", re.MULTILINE)


@pytest.mark.parametrize("strategy", [pytest.param("linear", marks=pytest.mark.next), "free"])
def test_those_that_failed_or_are_gone_are_named_in_one_table_at_the_end(playbooks: Playbooks, strategy: str) -> None:
    place = playbooks.directory / "here"
    place.mkdir()
    location = {"name": "here", "type": "local", "path": str(place)}
    missing = {**location, "path": str(playbooks.directory / "missing")}
    # Where that is gone is known before anybody has come to the end.
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}
    hosts = {"gone": gone, "crm": {}, "erp": {"backup_locations": [missing]}, "shop": {}}
    inventory = playbooks.inventory(hosts, backup_locations=[location])
    run = playbooks.run("mobul.backup.cleanup", inventory, "--check", ANSIBLE_STRATEGY=strategy)
    assert run.status in (2, 4)
    (summed_up,) = SUMMED_UP.finditer(run.output)
    told = json.JSONDecoder().raw_decode(run.output, summed_up.end())[0]
    assert told["msg"] == [
        "clean-up: 2 of 4 good",
        "erp   failed: plan the clean-up",
        "gone  unreachable",
        "good: crm, shop",
        "to run it again for the others only: --limit erp,gone",
    ]
    assert told["ansible_stats"]["data"]["backup_run"] == {
        "title": "clean-up",
        "hosts": 4,
        "good": 2,
        "failed": ["erp"],
        "unreachable": ["gone"],
    }


def test_batches_that_come_one_after_the_other_are_summed_up_once(playbooks: Playbooks) -> None:
    play = {
        "hosts": "databases",
        "gather_facts": False,
        "serial": 1,
        "tasks": [
            {
                "block": [
                    {"ansible.builtin.fail": {"msg": "no"}, "when": "inventory_hostname == failing | default('')"},
                    {"mobul.backup.run_summary": {"state": "noted"}, "register": "run__noted"},
                ],
                "always": [{"mobul.backup.run_summary": {"state": "run"}, "run_once": True}],
            }
        ],
    }
    path = playbooks.directory / "play.yml"
    path.write_text(json.dumps([play]))
    inventory = playbooks.inventory({"a": {}, "b": {}, "c": {}}, ansible_python_interpreter=sys.executable)
    for arguments, told in (
        ([], ["run: 3 of 3 good", "good: a, b, c"]),
        (["--limit", "a,c"], ["run: 2 of 2 good", "good: a, c"]),
        (
            ["-e", "failing=b"],
            [
                "run: 1 of 3 good",
                "b  failed: see above",
                "c  not reached",
                "good: a",
                "to run it again for the others only: --limit b,c",
            ],
        ),
    ):
        run = playbooks.run(path, inventory, *arguments)
        (summed_up,) = SUMMED_UP.finditer(run.output)
        assert json.JSONDecoder().raw_decode(run.output, summed_up.end())[0]["msg"] == told
