"""What an operator reads of a failure: one line, once, in the words of the inventory. The texts are golden."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.backup_bench import Keys
from support.playbooks import Playbooks, Run

HOSTS: dict[str, tuple[dict[str, Any], str]] = {
    "refused": (
        {"backup_login_host": "127.0.0.1", "backup_login_port": 1},
        'connect to the database: postgres@127.0.0.1:1/refused: connection to server at "127.0.0.1", port 1 failed: '
        "Connection refused; Is the server running on that host and accepting TCP/IP connections? (check "
        "backup_login_host and backup_login_port, and that the server runs); no backup was made",
    ),
    "jobs": (
        {"backup_jobs": "many"},
        "check the options: argument 'backup_jobs' is of type str and we were unable to convert to int: "
        "\"'many'\" cannot be converted to an int; no backup was made",
    ),
    "recipients": (
        {"backup_recipients": []},
        "check the options: backup_recipients is empty (give at least one recipient, or set "
        "backup_allow_unencrypted: true); no backup was made",
    ),
    "compress": (
        {"backup_compress": "best"},
        "check the options: backup_compress 'best' is not understood (auto, none, zstd:1, gzip:6 or lz4); "
        "no backup was made",
    ),
    "locations": (
        {"backup_locations": [{"name": "s3", "type": "s4"}]},
        "check the options: value of type must be one of: local, s3, rclone, got: s4 found in backup_locations; "
        "no backup was made",
    ),
    "undefined": (
        {"backup_locations": "{{ my_locations }}"},
        "check the options: backup_locations cannot be worked out: 'my_locations' is undefined (set what it names, or "
        "correct the name); no backup was made",
    ),
    "template": (
        {"backup_login_host": "{{ lookup('ansible.builtin.env', 'X') }"},
        "check the options: backup_login_host cannot be worked out: Syntax error in template: unexpected '}' (correct "
        "the template); no backup was made",
    ),
    "verify": (
        {"backup_verify_key": "{{ my_key }}"},
        "check the options: backup_verify_key cannot be worked out: 'my_key' is undefined (set what it names, or "
        "correct the name); no backup was made",
    ),
    "address": (
        {"backup_login_host": "postgresql://postgres:secret@127.0.0.1/shop"},
        "connect to the database: backup_login_host is a whole address; it is not shown, as a password may be in it "
        "(give the name alone, and backup_login_port, backup_login_user, backup_login_password and backup_login_db for "
        "the rest); no backup was made",
    ),
    "hostport": (
        {"backup_login_host": "127.0.0.1:5433"},
        "connect to the database: backup_login_host is '127.0.0.1:5433', which has a port in it (give the name alone, "
        "and backup_login_port, backup_login_user, backup_login_password and backup_login_db for the rest); no backup "
        "was made",
    ),
    "level": (
        {"backup_compress": "zstd:99"},
        "check the options: backup_compress 'zstd:99' is not possible: its level is out of range (1 to 22); no backup "
        "was made",
    ),
    "place": (
        {"backup_locations": [{"name": "here", "type": "local", "pth": "/srv"}]},
        "check the options: backup_locations.pth is no option (did you mean path?); no backup was made",
    ),
    "store": (
        {
            "backup_locations": [
                {"name": "s3", "type": "s3", "bucket": "shop", "endpoint_url": "https://s3.example.com/shop"}
            ]
        },
        "check the locations: location 's3': endpoint_url has the bucket's name in it (give the store's address "
        "alone); no backup was made",
    ),
    "kind": (
        {"backup_kind": "x"},
        "check the options: backup_kind is 'x' (one of daily, weekly, monthly, yearly, manual)",
    ),
}


def shown(run: Run) -> dict[str, dict[str, Any]]:
    """Host -> what Ansible shows of its failure."""
    decoder, found = json.JSONDecoder(), {}
    for match in re.finditer(r"^fatal: \[(\w+)[^\]]*\]: FAILED! => ", run.output, re.MULTILINE):
        assert match[1] not in found, "a failure is told once"
        result = decoder.raw_decode(run.output, match.end())[0]
        # Some versions of Ansible show this, too.
        result.pop("failed", None)
        found[match[1]] = result
    return found


@pytest.mark.next
def test_a_failed_backup_is_one_line_in_the_inventorys_words(playbooks: Playbooks, keys: Keys) -> None:
    place = playbooks.directory / "here"
    place.mkdir()
    location = {"name": "here", "type": "local", "path": str(place)}
    common = {"backup_recipients": keys.recipients, "backup_locations": [location]}
    inventory = playbooks.inventory({name: {**common, **variables} for name, (variables, _text) in HOSTS.items()})
    run = playbooks.run("mobul.backup.backup", inventory)
    assert run.status == 2
    assert "[ERROR]" not in run.output
    for name, result in shown(run).items():
        assert result == {"changed": False, "msg": HOSTS[name][1], "step": HOSTS[name][1].partition(": ")[0]}
    assert set(shown(run)) == set(HOSTS)


def test_a_clean_up_of_a_label_that_nobody_has_is_no_success(playbooks: Playbooks) -> None:
    place = playbooks.directory / "here"
    place.mkdir()
    inventory = playbooks.inventory(
        {"shop": {}, "crm": {"backup_retention": {"weakly": "90d"}}},
        backup_locations=[{"name": "here", "type": "local", "path": str(place)}],
    )
    run = playbooks.run("mobul.backup.cleanup", inventory, "-e", "cleanup_label=shpo", "--check")
    assert run.status == 2
    told = "find the sets: there is none of shpo in any location (is cleanup_label right?); nothing was deleted"
    assert run.failure("shop")["msg"] == told
    # What neither the deletion nor the copies can do with is told once.
    assert run.output.count("unknown kind 'weakly'") == 1
    assert "check the policy: it fails for the same reason (see above); nothing was copied" in run.output


def test_a_failed_check_is_told_once_and_kept_for_those_who_register_it(playbooks: Playbooks) -> None:
    gone = playbooks.directory / "gone"
    location = {"name": "here", "type": "local", "path": str(gone)}
    inventory = playbooks.inventory({"shop": {"backup_locations": [location]}})
    run = playbooks.run("mobul.backup.daily_check", inventory)
    assert run.status == 2
    told = f"it could not be read: open the location: location 'here': {gone} does not exist"
    assert run.output.count(told) == 1
    assert "[ERROR]" not in run.output
    assert shown(run)["shop"] == {
        "changed": False,
        "msg": "check the backups: recovery_point (weekly): there is no good weekly backup; "
        f"copies (here): {told} (create it, or mount its file system)",
        "registered": "daily_check_result",
    }


@pytest.mark.next
def test_a_step_that_failed_is_one_line_and_leaves_the_document_to_those_after_it(playbooks: Playbooks) -> None:
    recorded = {"state": "recorded", "record": "{{ record }}"}
    bad = {"failed": True, "msg": "no space"}
    play = {
        "hosts": "databases",
        "gather_facts": False,
        "tasks": [
            record(state="begun", procedure="pre_deploy", host="shop", label="shop"),
            {
                "block": [record(**recorded, step="backup", result=bad)],
                "rescue": [record(**recorded, step="prove", result={"skipped": True}), record(**recorded)],
            },
            {"ansible.builtin.debug": {"msg": "{{ record.document.reason }}"}},
        ],
    }
    path = playbooks.directory / "play.yml"
    path.write_text(json.dumps([play]))
    run = playbooks.run(path, playbooks.inventory({"shop": {}}), "--diff", "-e", "deployment_id=v1")
    assert run.status == 0, run.output
    told = "record the procedure: pre_deploy v1: step 'backup' failed: no space"
    assert shown(run)["shop"] == {"changed": False, "msg": told, "step": "record the procedure"}
    assert "thread" not in run.output
    assert '"msg": "step \'backup\' failed: no space"' in run.output


def record(**options: Any) -> dict[str, Any]:
    """A task that goes on with the record."""
    return {"mobul.backup.procedure_record": options, "register": "record"}


def test_a_failed_restore_says_what_is_intact(playbooks: Playbooks, login: dict[str, Any]) -> None:
    place = playbooks.directory / "here"
    place.mkdir()
    location = {"name": "here", "type": "local", "path": str(place)}
    inventory = playbooks.inventory({"shop": {**login, "backup_locations": [location]}}, backup_environment="test")
    given = ("-e", "expect_environment=test", "-e", f"expect_database={login['backup_login_db']}")
    run = playbooks.run("mobul.backup.restore", inventory, *given)
    assert run.status == 2
    assert "[ERROR]" not in run.output
    assert run.failure("shop") == {
        "changed": False,
        "msg": "find the backup: there is no backup of 'shop' in 'here' (is the label right? A safety backup and a set "
        "from the future are taken by their ids only); the database is intact",
        "step": "find the backup",
    }
