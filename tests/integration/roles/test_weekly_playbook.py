"""``mobul.backup.weekly`` as an operator runs it: several databases, three stores, mistakes among them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.backup_bench import Keys, make_keys
from support.lab import PostgresServer
from support.playbooks import Playbooks
from support.stored_sets import StoredSet

PASSWORD = "canary-password-"
UNSET = ("backup_label", "backup_environment", "backup_jobs", "backup_gnupghome", "backup_connect_params")
NO_RECIPIENTS = {"backup_recipients": []}


@pytest.mark.next
def test_each_database_gets_its_set_and_one_that_fails_stops_no_other(
    playbooks: Playbooks, keys: Keys, backed_up: dict[str, Any], stored: list[Path], postgres17: PostgresServer
) -> None:
    role_password = postgres17.create_role("weekly_role", "SUPERUSER LOGIN", password=f"{PASSWORD}right")
    marked = [{"name": "recipients", "priority": 1, "personal_data": True, "fingerprint": True}]
    inventory = playbooks.inventory(
        {
            "shop": {"backup_tables": marked, "backup_exports": [{"table": "recipients"}]},
            # Empty is what an inventory takes from variables of the environment that are not set.
            "catalogue": {"backup_login_db": "postgres", **dict.fromkeys(UNSET, "")},
            "unknown": {"backup_login_db": "no_such_database"},
            "denied": {"backup_login_password": f"{PASSWORD}wrong"},
        },
        **{
            **backed_up,
            "backup_login_user": "weekly_role",
            "backup_login_password": role_password,
            "backup_environment": "test",
            "backup_locations": [
                {**one, "prefix": ""} if one["type"] == "s3" else one for one in backed_up["backup_locations"]
            ],
        },
    )
    run = playbooks.run("mobul.backup.weekly", inventory, "-vvv")

    assert run.status == 2
    counts = [{**run.recap()[host], "ok": 0} for host in ("shop", "catalogue")]
    assert counts[0] == counts[1]
    assert run.recap()["shop"]["changed"] == 1
    assert {host for host, counts in run.recap().items() if counts["failed"]} == {"unknown", "denied"}
    for host, reason in (("unknown", 'database "no_such_database" does not exist'), ("denied", "password")):
        assert run.failure(host)["step"] == "connect to the database"
        assert reason in run.failure(host)["msg"]

    for label in ("shop", "catalogue"):
        (summary,) = set(re.findall(rf'"{label}: (weekly_\d{{8}}_\d{{6}}), 3 of 3 copies good', run.output))
        for root in stored:
            assert [path.parent.name for path in root.glob(f"{label}/*/*/*/*/manifest.json")] == [summary]
    copies = {next(root.glob("shop/*/*/*/*/manifest.json")).read_bytes() for root in stored}
    assert len(copies) == 1
    manifest = json.loads(copies.pop())
    assert (manifest["kind"], manifest["environment"]) == ("weekly", "test")
    recipients = next(table for table in manifest["tables"] if table["name"] == "recipients")
    assert (recipients["rows"], recipients["priority"], recipients["personal_data"]) == (300, 1, True)
    assert recipients["fingerprint"]
    assert [artifact["role"] for artifact in manifest["artifacts"]] == ["dump", "globals", "export"]
    assert {artifact["encryption"] for artifact in manifest["artifacts"]} == {"age"}
    assert not (stored[2] / "unknown").exists()

    for secret in (PASSWORD, backed_up["backup_locations"][0]["secret_key"], "PRIVATE KEY"):
        assert secret not in run.output
    assert StoredSet(next(stored[2].glob("shop/*/*/*/*")), keys.identity).manifest


@pytest.mark.next
def test_check_mode_says_what_would_be_made_and_makes_nothing(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], locations: list[dict[str, Any]], stored: list[Path]
) -> None:
    inventory = playbooks.inventory(
        {"shop": {}}, **login, backup_recipients=keys.recipients, backup_locations=locations
    )
    run = playbooks.run("mobul.backup.weekly", inventory, "--check", "--diff")

    assert run.status == 0, run.output
    assert run.recap()["shop"]["changed"] == 1
    planned = r"shop: weekly_\d{8}_\d{6} would be made of database"
    assert re.search(rf"^\+{planned}", run.output, re.MULTILINE)
    assert re.search(rf'"{planned}', run.output)
    for name in ("s3 (s3)", "gdrive (rclone)", "local (local)"):
        assert f"{name}: planned" in run.output
    assert "copies good" not in run.output
    assert [path for root in stored for path in root.rglob("*") if path.is_file()] == []


@pytest.mark.next
def test_a_configuration_that_is_wrong_is_named_before_anything_is_written(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path
) -> None:
    local = {"name": "local", "type": "local", "path": str(tmp_path / "local")}
    marked = [{"name": "recipients", "personal_data": True}]
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "open": (
            {**NO_RECIPIENTS},
            "backup_recipients is empty (give at least one recipient, or set backup_allow_unencrypted: true)",
        ),
        "blank": ({"backup_recipients": ""}, "recipients is empty"),
        "personal": (
            {**NO_RECIPIENTS, "backup_allow_unencrypted": True, "backup_tables": marked},
            "personal data is never written unencrypted: recipients",
        ),
        "nowhere": ({"backup_locations": []}, "locations is empty (give at least one location)"),
        "nowhere2": ({"backup_locations": ""}, "locations is empty"),
        "doubled": ({"backup_locations": [local, local]}, "two locations"),
        "mistyped": ({"backup_locations": [{**local, "buckett": "b"}]}, "backup_locations.buckett is no option"),
        "strange": (
            {"backup_locations": [{**local, "type": "ftp", "secret_key": "canary-2"}]},
            "local, s3, rclone",
        ),
        "private": ({"backup_recipients": [keys.identity.read_text().strip()]}, "private key"),
        "elsewhere": ({"backup_label": "../shop"}, "../shop"),
        "unknown": ({"backup_tables": [{"name": "recipient", "priority": 1}]}, "recipient"),
        "greedy": ({"backup_min_copies": 2}, "min_copies is 2, but there is 1 location"),
        "port": ({"backup_login_port": "54x2"}, "login_port"),
        "missing": ({"backup_login_password": "{{ vault_password }}"}, "'vault_password' is undefined"),
    }
    defaults = {"backup_recipients": keys.recipients, "backup_locations": [local]}
    inventory = playbooks.inventory({host: {**defaults, **options} for host, (options, _) in wrong.items()}, **login)
    run = playbooks.run("mobul.backup.weekly", inventory, "-vvv", "--forks", "2")

    assert run.status == 2
    assert {host for host, counts in run.recap().items() if counts["failed"]} == set(wrong)
    told = {host: run.failure(host)["msg"] for host in wrong}
    assert {host: message for host, message in told.items() if wrong[host][1] not in message} == {}
    assert "canary" not in run.output
    assert keys.identity.read_text().strip() not in run.output
    assert not any(path.is_file() for path in (tmp_path / "local").rglob("*"))


def test_an_inventory_without_databases_is_no_success(playbooks: Playbooks) -> None:
    for inventory in (playbooks.inventory({"shop": {}}, group="database"), playbooks.directory / "mistyped.yml"):
        run = playbooks.run("mobul.backup.weekly", inventory)
        assert run.status == 2
        assert "no host is in the group databases" in run.failure("localhost")["msg"]


@pytest.mark.parametrize("limit", ["web", "web,!shop", "all:!databases"])
def test_a_limit_outside_of_the_databases_is_no_success(playbooks: Playbooks, tmp_path: Path, limit: str) -> None:
    inventory = playbooks.inventory({"shop": {}})
    groups = yaml.safe_load(inventory.read_text())
    inventory.write_text(yaml.safe_dump({**groups, "others": {"hosts": {"web": {"ansible_connection": "local"}}}}))
    run = playbooks.run("mobul.backup.weekly", inventory, "--limit", limit)
    assert run.status == 2, run.output
    (host,) = [host for host, counts in run.recap().items() if counts["failed"]]
    message = run.failure(host)["msg"]
    assert f"no host is in the group databases and within the limit {limit}, so there is nothing" in message


@pytest.fixture(scope="module")
def limited(postgres17: PostgresServer, shop: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two of three databases were backed up, with numbers from the command line."""
    directory = tmp_path_factory.mktemp("limited")
    playbooks, login = Playbooks(directory), postgres17.login(shop)
    inventory = playbooks.inventory(
        {"shop": {}, "other": {}, "third": {}},
        **{f"backup_{name}": value for name, value in login.items()},
        backup_pg_bin_dir=str(postgres17.bin_dir),
        backup_recipients=make_keys(directory).recipients,
        backup_locations=[{"name": "local", "type": "local", "path": str(directory / "local")}],
    )
    numbers = {"min_copies": 0, "jobs": 2, "lock_timeout": 30, "login_port": login["login_port"]}
    given = [word for name, number in numbers.items() for word in ("-e", f"backup_{name}={number}")]
    run = playbooks.run("mobul.backup.weekly", inventory, "--limit", "third,shop", "--forks", "1", *given)
    assert run.status == 0, run.output
    return directory


def test_a_limit_to_one_database_backs_up_that_one(limited: Path) -> None:
    assert {path.name for path in (limited / "local").iterdir()} == {"shop", "third"}


@pytest.mark.next
def test_numbers_on_the_command_line_are_numbers(limited: Path) -> None:
    assert len(list((limited / "local" / "shop").rglob("*.part2.dump.age"))) == 1

    playbooks = Playbooks(limited)
    wrong = playbooks.run(
        *("mobul.backup.weekly", limited / "inventory.yml", "--limit", "shop", "-e", "backup_min_copies=two")
    )
    assert wrong.status == 2
    assert "min_copies" in wrong.failure("shop")["msg"]
