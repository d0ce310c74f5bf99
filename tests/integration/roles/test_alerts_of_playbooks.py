"""Alerts from the real runs of the playbooks that cause them, sent by email, Slack and PagerDuty."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.alert_services import PASSWORD, ROUTING_KEY, WEBHOOK_PATH, Desk, free_port
from support.backup_bench import Bench, Keys
from support.fake_programs import FakePrograms
from support.lab import PROJECT, PostgresServer
from support.playbooks import Playbooks, Run

CANARY = "canary-database-password"


@pytest.fixture
def variables(login: dict[str, Any], keys: Keys, desk: Desk, tmp_path: Path) -> dict[str, Any]:
    """What backs a database up into one directory, and tells everybody."""
    return {
        **login,
        "backup_environment": "test",
        "backup_recipients": keys.recipients,
        "backup_locations": [{"name": "first", "type": "local", "path": str(tmp_path / "first")}],
        "backup_alerts": desk.channels,
    }


def open_incidents(desk: Desk) -> set[str]:
    """What PagerDuty has open: label, environment, check and subject."""
    return {key.removeprefix("mobul.backup/") for key in desk.services.incidents}


def subjects(desk: Desk) -> list[str]:
    """The subjects of all email, which must be what Slack was told."""
    found = sorted(str(message["Subject"]) for message in desk.mail.mailbox.messages)
    assert found == sorted(post["text"] for post in desk.services.posts)
    return found


def pages(desk: Desk) -> dict[str, str]:
    """The text of the last email about each label."""
    messages = desk.mail.mailbox.messages
    return {str(message["Subject"]).partition(" ")[0]: str(message.get_content()) for message in messages}


def assert_no_secret(run: Run, desk: Desk) -> None:
    sent = "".join(
        [*pages(desk).values(), *map(str, desk.services.posts)]
        + [str({**event, "routing_key": ""}) for event in desk.services.events]
    )
    for secret in (PASSWORD, ROUTING_KEY, WEBHOOK_PATH.rpartition("/")[2], CANARY):
        assert secret not in run.output
        assert secret not in sent


def test_a_backup_that_fails_alerts_and_the_next_good_one_takes_it_back(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk
) -> None:
    hosts = {
        "shop": {},
        "unknown": {"backup_login_db": "no_such_database"},
        "denied": {"backup_login_password": CANARY},
    }
    inventory = playbooks.inventory(hosts, **variables)
    run = playbooks.run("mobul.backup.weekly", inventory, "-vvv")
    assert run.status == 2
    assert {host for host, counts in run.recap().items() if counts["failed"]} == {"unknown", "denied"}
    assert 'database "no_such_database" does not exist' in run.failure("unknown")["msg"]
    assert open_incidents(desk) == {"unknown/test/job/weekly", "denied/test/job/weekly"}
    assert subjects(desk) == ["denied (test): job weekly: failed", "unknown (test): job weekly: failed"]
    told = pages(desk)
    assert 'database "no_such_database" does not exist' in told["unknown"]
    assert "password" in told["denied"]
    assert_no_secret(run, desk)

    # One after the other, as they both stand for the same database.
    inventory = playbooks.inventory({host: {} for host in hosts}, **variables)
    again = playbooks.run("mobul.backup.weekly", inventory, "--forks", "1", "--limit", "unknown,denied")
    assert again.status == 0, again.output
    assert open_incidents(desk) == set()
    assert len(subjects(desk)) == 2


def test_a_copy_that_fails_alerts_and_the_next_good_one_takes_it_back(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk, postgres17: PostgresServer, tmp_path: Path
) -> None:
    both = [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in ("first", "second")]
    variables |= {"backup_locations": both, "backup_pg_bin_dir": str(tmp_path / "fake" / "bin")}
    inventory = playbooks.inventory({"shop": {}}, **variables)
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=1024) as programs:
        # As when its disk is pulled out.
        run = playbooks.run_held("mobul.backup.weekly", inventory, programs, lambda: shutil.rmtree(tmp_path / "second"))
    assert run.status == 2
    assert "1 of 2 copies are good, 2 needed" in run.failure("shop")["msg"]
    assert run.recap()["shop"]["failed"] == 1
    told = run.output.partition("TASK [mobul.backup.backup : Show what was backed up]")[2]
    assert re.search(r'"shop: weekly_\d{8}_\d{6}, 1 of 2 copies good', told)
    assert "first (local): good" in told
    assert "second (local): failed" in told
    assert open_incidents(desk) == {"shop/test/job/weekly", "shop/test/upload/second"}
    assert subjects(desk) == ["shop (test), weekly: 2 failed"]
    assert "FAILED: upload second" in pages(desk)["shop"]

    variables |= {"backup_pg_bin_dir": str(postgres17.bin_dir)}
    again = playbooks.run("mobul.backup.weekly", playbooks.inventory({"shop": {}}, **variables))
    assert again.status == 0, again.output
    assert open_incidents(desk) == set()


def test_a_missing_copy_warns_where_others_are_enough_and_wakes_nobody(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    gone = {"name": "gone", "type": "local", "path": str(tmp_path / "file" / "below")}
    variables |= {"backup_locations": [*variables["backup_locations"], gone], "backup_min_copies": 1}
    run = playbooks.run("mobul.backup.weekly", playbooks.inventory({"shop": {}}, **variables))
    assert run.status == 0, run.output
    assert subjects(desk) == ["shop (test): upload gone: warning"]
    assert {event["event_action"] for event in desk.services.events} == {"resolve"}


@pytest.mark.next
def test_an_alert_is_sent_whatever_keeps_the_backup_from_its_beginning(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk
) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not here: install openssh-client")
    closed = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    wrong = {
        "unreachable": (closed, "Failed to connect to the host"),
        "undefined": ({"backup_login_password": "{{ no_such_variable }}"}, "'no_such_variable' is undefined"),
        "nameless": ({"backup_label": "{{ no_such_variable }}"}, "'no_such_variable' is undefined"),
        "python": ({"ansible_python_interpreter": "/no/such/python"}, "/no/such/python"),
        # It is where the alert is sent from that counts, and there nobody else needs to be.
        "sudo": ({"backup_locations": [], "ansible_become": True, "ansible_become_exe": "/no/such/sudo"}, "sudo"),
    }
    inventory = playbooks.inventory({host: options for host, (options, _) in wrong.items()}, **variables)
    run = playbooks.run("mobul.backup.weekly", inventory)
    assert run.status == 2
    recap = run.recap()
    assert {host for host, counts in recap.items() if counts["failed"]} == set(wrong)
    told = pages(desk)
    assert {host for host, (_, reason) in wrong.items() if reason not in told.get(host, "")} == set()
    assert open_incidents(desk) == {f"{host}/test/job/weekly" for host in wrong}


@pytest.mark.next
def test_without_channels_a_host_that_cannot_be_reached_is_unreachable(
    playbooks: Playbooks, variables: dict[str, Any]
) -> None:
    closed = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    for playbook in ("mobul.backup.weekly", "mobul.backup.cleanup"):
        run = playbooks.run(playbook, playbooks.inventory({"shop": closed}, **{**variables, "backup_alerts": []}))
        assert run.status == 4
        assert run.recap()["shop"]["unreachable"] == 1


def test_the_inventory_of_the_page_about_alerts_reaches_everybody(playbooks: Playbooks, desk: Desk) -> None:
    text = (PROJECT / "docs" / "alerts.md").read_text()
    given = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0])
    mail, _slack, pagerduty = given["backup_alerts"]
    # What differs from reader to reader; everything else is as it stands there.
    mail |= {name: desk.mail.channel[name] for name in ("host", "port", "ca_cert")}
    pagerduty |= {"events_url": desk.services.pagerduty["events_url"]}
    inventory = playbooks.inventory({"shop": {}}, **given)
    secrets = {"SMTP_PASSWORD": PASSWORD, "PAGERDUTY_KEY": ROUTING_KEY}
    run = playbooks.run(
        "mobul.backup.test_alerts", inventory, SLACK_WEBHOOK=desk.services.slack["webhook_url"], **secrets
    )
    assert run.status == 0, run.output
    assert subjects(desk) == ["shop (production), test: 1 failed, 1 warning"]
    assert [event["event_action"] for event in desk.services.events].count("trigger") == 1
    assert open_incidents(desk) == set()

    # As when a variable of the environment is not set.
    run = playbooks.run("mobul.backup.test_alerts", inventory, SLACK_WEBHOOK="", **secrets)
    assert run.status == 2
    assert "1 of 3 channels failed: slack: check the options: webhook_url is missing" in run.output
    nobody = playbooks.run("mobul.backup.test_alerts", playbooks.inventory({"shop": {}}))
    assert nobody.status == 2
    assert "nobody would hear" in nobody.failure("shop")["msg"]


@pytest.mark.next
@pytest.mark.parametrize("good", [True, False])
def test_an_alert_that_fails_is_told_and_changes_nothing(
    playbooks: Playbooks, variables: dict[str, Any], desk: Desk, good: bool
) -> None:
    dead = {"type": "slack", "name": "dead", "webhook_url": desk.services.url + "/services/T0/B0/no-such-hook"}
    mistyped = {"type": "slack", "name": "mistyped", "webhook": "x"}
    options = {} if good else {"backup_login_db": "no_such_database"}
    hosts = {
        "shop": {**options, "backup_alerts": [dead, *desk.channels, {**desk.services.pagerduty, "routing_key": ""}]},
        "other": {**options, "backup_alerts": [mistyped]},
        "third": {**options, "backup_alerts": "{{ no_such_variable }}"},
    }
    run = playbooks.run("mobul.backup.weekly", playbooks.inventory(hosts, **variables), "--forks", "1")
    assert run.status == (0 if good else 2)
    assert {counts["failed"] for host, counts in run.recap().items() if host in hosts} == {0 if good else 1}
    if not good:
        assert "no_such_database" in run.failure("shop")["msg"]
        assert "shop (test): no alert by dead (slack): send the alert: 127.0.0.1 answered 404: no_service" in run.output
        assert open_incidents(desk) == {"shop/test/job/weekly"}
    assert "shop (test): no alert by pagerduty (pagerduty): check the options: routing_key is missing" in run.output
    assert "webhook" in run.output
    assert "'no_such_variable' is undefined" in run.output


def test_in_check_mode_nothing_is_sent(playbooks: Playbooks, variables: dict[str, Any], desk: Desk) -> None:
    hosts = {"shop": {}, "unknown": {"backup_login_db": "no_such_database"}}
    run = playbooks.run("mobul.backup.weekly", playbooks.inventory(hosts, **variables), "--check", "--diff")
    assert run.status == 2
    assert "+slack (slack): unknown (test): job weekly: failed" in run.output
    assert desk.services.asked == []
    assert desk.mail.mailbox.messages == []


def test_a_clean_up_that_fails_alerts_and_the_next_good_one_takes_it_back(
    playbooks: Playbooks,
    variables: dict[str, Any],
    keys: Keys,
    desk: Desk,
    postgres17: PostgresServer,
    shop: str,
    tmp_path: Path,
) -> None:
    closed = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    both = [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in ("first", "second")]
    inventory = playbooks.inventory({"shop": {}, "unreachable": closed}, **{**variables, "backup_locations": both})
    Bench(tmp_path, keys).backup(postgres17, shop, label="shop", kind="weekly", environment="test", locations=both)
    stranger = tmp_path / "first" / "shop" / "notes.txt"
    stranger.write_text("mine")
    next((tmp_path / "second").rglob("backup_*.dump.age")).unlink()
    run = playbooks.run("mobul.backup.cleanup", inventory)
    assert run.status == 2
    assert {host for host, counts in run.recap().items() if counts["failed"]} == {"shop", "unreachable"}
    assert "nothing was deleted" in run.failure("shop")["msg"]
    assert open_incidents(desk) == {"shop/test/job/cleanup", "unreachable/test/job/cleanup"}
    assert subjects(desk) == ["shop (test), cleanup: 1 failed, 1 warning", "unreachable (test): job cleanup: failed"]
    assert "WARNING: damaged copies" in pages(desk)["shop"]
    assert "in location 'second'" in pages(desk)["shop"]

    stranger.unlink()
    options = ("--limit", "shop", "-e", "cleanup_repair=true")
    assert playbooks.run("mobul.backup.cleanup", inventory, *options).status == 0
    assert open_incidents(desk) == {"unreachable/test/job/cleanup"}
    assert len(subjects(desk)) == 2
