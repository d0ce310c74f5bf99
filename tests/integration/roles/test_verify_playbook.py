"""``mobul.backup.verify``, the Monday drill, as an operator runs it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.alert_services import PASSWORD, ROUTING_KEY, WEBHOOK_PATH, alert_desk
from support.backup_bench import Bench, Keys, make_keys
from support.certificates import make_certificates
from support.lab import PostgresServer
from support.playbooks import Playbooks
from support.spoiled_sets import dump_of, flip
from support.throwaway import as_root, bin_dir

TABLES = [{"name": "recipients", "priority": 1, "fingerprint": True}]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """One's own for all tests, which restore the same set."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def bench(keys: Keys, postgres17: PostgresServer, shop: str, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A weekly set of each label in one place."""
    made = Bench(tmp_path_factory.mktemp("bench"), keys)
    for label in ("shop", "far"):
        made.backup(postgres17, shop, label=label, kind="weekly", tables=TABLES)
    return made


@pytest.fixture
def inventory(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], locations: list[dict[str, Any]], postgres17: PostgresServer
) -> Path:
    """A database whose sets lie in three locations, to be restored into the same server,"""
    server = {f"verify_{name}": value for name, value in postgres17.login("postgres").items()}
    return playbooks.inventory(
        {"shop": {}},
        **login,
        **server,
        backup_environment="staging",
        backup_recipients=keys.recipients,
        backup_signing_key=str(keys.signing),
        backup_verify_key=[str(keys.verify)],
        backup_locations=locations,
        backup_tables=TABLES,
        backup_metrics_directory=str(playbooks.directory),
        verify_identities=[str(keys.identity)],
        verify_target="server",
        verify_report_dir=str(playbooks.directory / "reports"),
        verify_checks=[{"name": "phones", "query": "SELECT count(*) FROM recipients", "expect": {"min": 300}}],
    )


@pytest.fixture
def filled(bench: Bench, stored: list[Path]) -> list[Path]:
    """The directories behind the locations, with the sets in each."""
    for root in stored:
        shutil.copytree(bench.root, root, dirs_exist_ok=True)
    return stored


def records(stored: list[Path]) -> list[str]:
    return [json.loads(path.read_bytes())["verdict"] for root in stored for path in root.rglob("verified_*.json")]


@pytest.mark.next
def test_the_newest_backup_of_every_location_is_restored_compared_and_told_of(
    playbooks: Playbooks, inventory: Path, stored: list[Path], keys: Keys
) -> None:
    assert playbooks.run("mobul.backup.weekly", inventory).status == 0
    metrics = (playbooks.directory / "mobul_backup_shop.prom").read_text()
    assert 'mobul_backup_last_copies{environment="staging",kind="weekly",label="shop"} 3.0' in metrics
    shown = playbooks.run("mobul.backup.verify", inventory, "--check")
    assert shown.status == 0
    assert shown.output.count("would be restored into a scratch database of PostgreSQL 17") == 3
    assert records(stored) == []
    run = playbooks.run("mobul.backup.verify", inventory, "-vvv")
    assert run.status == 0
    assert records(stored) == ["passed"] * 3
    (report,) = (playbooks.directory / "reports").glob("drill_shop_*.md")
    text = report.read_text()
    assert text.startswith("# Restore drill of shop: passed\n")
    assert re.search(r"^\| query: phones \| passed \| 300, at least 300 \|$", text, re.MULTILINE)
    assert text.count("## Location ") == 3
    assert json.loads(report.with_suffix(".json").read_bytes())["verdict"] == "passed"
    secret = keys.identity.read_text().strip()
    assert secret not in run.output + text


def test_a_damaged_copy_fails_the_play_and_the_others_are_proven(
    playbooks: Playbooks, inventory: Path, filled: list[Path]
) -> None:
    (dump,) = (filled[1] / "shop").rglob("*.dump.age")
    flip(dump_of(dump.parent), -100)
    run = playbooks.run("mobul.backup.verify", inventory)
    assert run.status == 2
    assert "did not pass its drill" in run.failure("shop")["msg"]
    assert records(filled) == ["passed", "failed", "passed"]


def test_a_failed_drill_and_a_server_out_of_reach_alert_and_a_good_drill_takes_the_alerts_back(
    playbooks: Playbooks, inventory: Path, filled: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "certificates").mkdir()
    with alert_desk(make_certificates(tmp_path / "certificates")) as desk:
        document = yaml.safe_load(inventory.read_text())
        document["databases"]["vars"]["backup_alerts"] = desk.channels
        document["databases"]["hosts"]["far"] = {"verify_login_port": 1}
        inventory.write_text(yaml.safe_dump(document))
        (dump,) = (filled[2] / "shop").rglob("*.dump.age")
        flip(dump, -100)
        run = playbooks.run("mobul.backup.verify", inventory, "-e", "verify_location=local", "-vvv")
        assert run.status == 2
        assert "did not pass its drill" in run.failure("shop")["msg"]
        messages = desk.mail.mailbox.messages
        mails = {mail["Subject"].partition(" ")[0]: mail.get_body().get_content() for mail in messages}
        assert set(mails) == {"shop", "far"}
        assert "not authentic" in mails["shop"]
        assert "connect to the database" in mails["far"]
        assert len(messages) == len(desk.services.posts) == 2
        unreachable = "mobul.backup/far/staging/job/verify"
        assert desk.services.incidents == {"mobul.backup/shop/staging/source/local", unreachable}
        flip(dump, -100)
        again = playbooks.run("mobul.backup.verify", inventory, "-e", "verify_location=local", "--limit", "shop")
        assert again.status == 0
        assert desk.services.incidents == {unreachable}
        assert len(desk.mail.mailbox.messages) == len(desk.services.posts) == 2
        for secret in (PASSWORD, ROUTING_KEY, WEBHOOK_PATH):
            assert secret not in run.output


@as_root
def test_a_throwaway_server_needs_nothing_but_its_programs(
    playbooks: Playbooks, inventory: Path, filled: list[Path]
) -> None:
    run = playbooks.run(
        "mobul.backup.verify",
        inventory,
        "-e",
        f"verify_target=throwaway verify_pg_bin_dir={bin_dir(17)} verify_location=local",
    )
    assert run.status == 0
    assert records(filled) == ["passed"]
