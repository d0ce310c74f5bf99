"""``mobul.backup.pre_deploy`` as a procedure: go, no go at each step, what is there already, and check mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from support.alert_services import Desk
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.pages import not_told, shown_block
from support.playbooks import Playbooks
from support.procedure_documents import document, statuses


@pytest.fixture
def variables(login: dict[str, Any], keys: Keys, tmp_path: Path) -> dict[str, Any]:
    """What backs a database up into two directories."""
    return {
        **login,
        "backup_environment": "test",
        "backup_recipients": keys.recipients,
        "backup_signing_key": str(keys.signing),
        "backup_verify_key": [str(keys.verify)],
        "backup_locations": [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in ("a", "b")],
    }


def test_each_database_ends_in_go_or_in_no_go_at_the_step_that_failed(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk, tmp_path: Path
) -> None:
    other = tmp_path / "other.pub"
    other.write_text(SigningKey.generate().verify_key.to_pem())
    hosts = {
        "shop": {},
        "gone": {"backup_login_db": "no_such_database"},
        "forged": {"backup_verify_key": [str(other)]},
        # Its mail server cannot prove who it is.
        "unheard": {"procedure_must_tell": True, "backup_alerts": [{**desk.channels[0], "ca_cert": ""}]},
    }
    inventory = playbooks.inventory(hosts, **variables, backup_alerts=desk.channels)
    results = tmp_path / "results"
    results.mkdir()
    run = playbooks.run(
        "mobul.backup.pre_deploy",
        inventory,
        *("--forks", "1"),
        MOBUL_DEPLOYMENT_ID="release/v1.2",
        MOBUL_PROCEDURE_RESULT_PATH=str(results),
        ANSIBLE_SHOW_CUSTOM_STATS="1",
    )

    assert run.status == 2
    assert {host for host, counts in run.recap().items() if counts["failed"]} == {"gone", "forged", "unheard"}
    told = {host: document(results / f"pre_deploy_{host}.json") for host in hosts}
    names = {
        "2026-11-24.3": "release/v1.2",
        "(production)": "(test)",
        "slack (slack)": "email (email)",
        "result.json": str(results / "pre_deploy_shop.json"),
    }
    assert not not_told(shown_block("docs/pre_deploy.md", "pre_deploy "), run.output, names)
    assert {host: one["verdict"] for host, one in told.items()} == {
        **dict.fromkeys(hosts, "no_go"),
        "shop": "go",
    }
    assert all(one["reference"] == "release/v1.2" for one in told.values())

    shop = told["shop"]
    assert set(statuses(shop).values()) == {"done", "skipped"}
    assert statuses(shop)["drill"] == "skipped"
    backup = shop["backup"]
    assert [(copy["location"], copy["status"], copy["proof"]) for copy in backup["copies"]] == [
        ("a", "good", "read_back"),
        ("b", "good", "read_back"),
    ]
    manifest = json.loads((tmp_path / "a" / backup["directory"] / "manifest.json").read_text())
    assert {one["name"]: one["sha256"] for one in backup["files"]} == {
        one["name"]: one["sha256"] for one in manifest["artifacts"]
    }
    assert (manifest["kind"], manifest["labels"]) == ("pre_deploy", {"deployment": "release/v1.2"})

    assert statuses(told["gone"])["backup"] == "failed"
    assert 'database "no_such_database" does not exist' in told["gone"]["reason"]
    assert statuses(told["gone"])["prove"] == "pending"
    assert statuses(told["forged"])["backup"] == "done"
    assert statuses(told["forged"])["prove"] == "failed"
    assert "0 of 2 copies of" in told["forged"]["reason"]
    line = f"record the procedure: pre_deploy release/v1.2: {told['forged']['reason']}"
    assert run.failure("forged") == {"changed": False, "msg": line, "step": "record the procedure"}
    assert "document" not in run.output.partition("CUSTOM STATS")[0]
    assert statuses(told["unheard"])["announce"] == "failed"
    assert statuses(told["unheard"])["backup"] == "pending"

    assert '"release/v1.2"' in run.output.partition("CUSTOM STATS")[2]
    messages = {str(one["Subject"]): one for one in desk.mail.mailbox.messages}
    prefix = "pre_deploy release/v1.2"
    assert set(messages) == {
        f"{host} (test): {prefix}: {word}"
        for host, word in [
            *((host, "begins") for host in ("shop", "gone", "forged")),
            *(("shop", "GO"), ("gone", "NO GO"), ("forged", "NO GO")),
        ]
    }
    assert sorted(messages) == sorted(post["text"] for post in desk.services.posts)
    begins, ends = messages[f"shop (test): {prefix}: begins"], messages[f"shop (test): {prefix}: GO"]
    assert ends["References"] == begins["Message-ID"]
    assert shop["thread"] in ends.get_content()
    assert backup["id"] in ends.get_content()
    # Nobody is paged because a procedure begins or ends well.
    assert set(desk.services.incidents) == {f"mobul.backup/{host}/test/job/pre_deploy" for host in ("gone", "forged")}


def test_a_fresh_backup_is_proven_and_taken_in_place_of_a_new_one(
    playbooks: Playbooks,
    variables: dict[str, Any],
    keys: Keys,
    postgres17: PostgresServer,
    shop: str,
    tmp_path: Path,
) -> None:
    inventory = playbooks.inventory({"shop": {}}, **variables)
    result = tmp_path / "result.json"
    given = json.dumps({"deployment_id": "v2", "reuse_within": "1h", "procedure_result_path": str(result)})

    check = playbooks.run("mobul.backup.pre_deploy", inventory, "--check", "-e", given)
    assert check.status == 0, check.output
    assert "pre_deploy v2 of shop: checked, nothing was done" in check.output
    assert not result.exists()
    assert not list(tmp_path.glob("a/**/manifest.json"))

    labels = {"kind": "pre_deploy", "labels": {"deployment": "v2"}, "environment": "test"}
    places = variables["backup_locations"]
    made = Bench(tmp_path, keys).backup(postgres17, shop, label="shop", locations=places, **labels)

    again = playbooks.run("mobul.backup.pre_deploy", inventory, "-e", given)
    assert again.status == 0, again.output
    taken = document(result)
    assert (taken["verdict"], taken["backup"]["reused"]) == ("go", True)
    assert taken["backup"]["id"] == made["id"]

    for dump in tmp_path.glob("b/**/backup_*"):
        data = bytearray(dump.read_bytes())
        data[-1] ^= 1
        dump.write_bytes(data)
    newer = playbooks.run("mobul.backup.pre_deploy", inventory, "-e", given)
    assert newer.status == 0, newer.output
    assert (document(result)["verdict"], document(result)["backup"]["reused"]) == ("go", False)
    assert document(result)["backup"]["id"] != made["id"]


def test_a_value_from_the_command_line_is_no_template(
    playbooks: Playbooks, variables: dict[str, Any], tmp_path: Path
) -> None:
    inventory = playbooks.inventory({"shop": {}, "second": {}}, **variables)
    given = {"deployment_id": '{{ lookup("pipe", "touch pwned") }}'}
    run = playbooks.run("mobul.backup.pre_deploy", inventory, "-e", json.dumps(given))
    assert run.status == 2
    assert "deployment_id is a template" in run.output
    assert sum(counts["failed"] for counts in run.recap().values()) == 1
    assert "Back up the database" not in run.output
    assert not list(tmp_path.rglob("pwned"))
    assert not (tmp_path / "a").exists()
