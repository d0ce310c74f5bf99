"""``mobul.backup.daily_check`` as an operator runs it: one database for each condition, and whom it is told."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Drill, Hold
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from support.alert_services import Desk, alert_desk
from support.certificates import make_certificates
from support.lab import MotoServer
from support.playbooks import Playbooks, Run
from support.small_sets import directory_of, lay, small_set
from support.spoiled_sets import dump_of, flip

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def id_before(days: float) -> str:
    return str(SetId(NOW - timedelta(days=days), "weekly"))


WEEKS = [id_before(1 + 7 * week) for week in range(6, -1, -1)]
NEWEST = WEEKS[-1]


class Database:
    """One label with weekly sets in two local locations, and a good drill."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.roots = [directory / name / place for place in ("here", "there")]
        for root in self.roots:
            root.mkdir(parents=True, mode=0o700)
            for set_id in WEEKS:
                lay(root, set_id, small_set(set_id, label=name), name)
        self.drill(NEWEST, 0.5)

    @property
    def variables(self) -> dict[str, Any]:
        """Of its host in the inventory."""
        return {"backup_locations": [{"name": root.name, "type": "local", "path": str(root)} for root in self.roots]}

    def place(self, set_id: str = NEWEST, root: int = 1) -> Path:
        return directory_of(self.roots[root], set_id, self.name)

    def drill(self, set_id: str, days: float, verdict: str = "passed") -> None:
        finished = NOW - timedelta(days=days)
        finding = Finding(check="policies", subject="here", status=verdict, message="POLICY public.t mine is missing")
        record = Drill(
            id=SetId.parse(set_id),
            label=self.name,
            manifest=digest((self.place(set_id, 0) / "manifest.json").read_bytes()),
            started=finished,
            finished=finished,
            verdict=verdict,
            location="here",
            server_version="17.10",
            restore_seconds=3,
            findings=(finding,),
        )
        for path in self.place(set_id, 0).glob("verified_*"):
            path.unlink()
        (self.place(set_id, 0) / f"verified_{finished:%Y%m%d_%H%M%S}.json").write_bytes(record.to_bytes())

    def hold(self, days: float) -> None:
        until = NOW + timedelta(days=days)
        hold = Hold(id=SetId.parse(NEWEST), label=self.name, held_at=NOW, reason="INC-7", until=until)
        (self.place() / "hold.json").write_bytes(hold.to_bytes())

    def spoil(self) -> None:
        """Bring about the condition that the label is called after."""
        if self.name == "stale":
            for root in (0, 1):
                for set_id in WEEKS[-2:]:
                    shutil.rmtree(self.place(set_id, root))
            self.drill(WEEKS[-3], 0.5)
        elif self.name == "missing":
            shutil.rmtree(self.place())
        elif self.name == "short":
            path = dump_of(self.place())
            path.write_bytes(path.read_bytes()[:-1])
        elif self.name == "flipped":
            flip(dump_of(self.place()), 5)
        elif self.name == "shrunk":
            for root in (0, 1):
                small = small_set(NEWEST, label=self.name, dump=b"x" * 20_000)
                lay(self.roots[root], NEWEST, small, self.name)
            self.drill(NEWEST, 0.5)
        elif self.name == "failed_drill":
            self.drill(NEWEST, 0.5, "failed")
        elif self.name == "old_drill":
            self.drill(NEWEST, 9)
        elif self.name == "down":
            shutil.rmtree(self.roots[1])
            self.roots[1].write_text("no directory")
        elif self.name == "held":
            self.hold(3)


CONDITIONS = {
    "good": None,
    "stale": ("failed", "recovery_point/weekly", "15 days old, 8 days are allowed"),
    "missing": ("failed", "copies/there", f"{NEWEST} is missing"),
    "short": ("failed", "copies/there", "bytes, and the manifest says"),
    "flipped": ("failed", "checksum/there", "not what was written"),
    "shrunk": ("failed", "size/weekly", "are usual after the last 6"),
    "failed_drill": ("failed", "drill/", "POLICY public.t mine is missing"),
    "old_drill": ("failed", "drill/", "9 days ago, 8 days are allowed"),
    "down": ("failed", "copies/there", "it could not be read"),
    "held": ("warning", "holds/", "INC-7"),
}


def spoiled(directory: Path, *names: str) -> dict[str, Database]:
    """The databases of these conditions."""
    found = {name: Database(directory, name) for name in names}
    for one in found.values():
        one.spoil()
    return found


def run(playbooks: Playbooks, databases: dict[str, Database], desk: Desk, *arguments: str, **variables: Any) -> Run:
    hosts = {name: one.variables for name, one in databases.items()}
    (playbooks.directory / "metrics").mkdir(exist_ok=True)
    given = {
        "backup_environment": "production",
        "backup_alerts": desk.channels,
        "backup_metrics_directory": str(playbooks.directory / "metrics"),
        **variables,
    }
    inventory = playbooks.inventory(hosts, **given)
    return playbooks.run(
        "mobul.backup.daily_check", inventory, *arguments, XDG_CACHE_HOME=str(playbooks.directory / "cache")
    )


def test_every_condition_is_found_told_to_every_channel_and_taken_back_when_it_is_good_again(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    databases = spoiled(tmp_path, *CONDITIONS)
    (tmp_path / "certificates").mkdir()
    with alert_desk(make_certificates(tmp_path / "certificates")) as desk:
        result = run(playbooks, databases, desk)
        assert result.status == 2
        failed = {name for name, condition in CONDITIONS.items() if condition and condition[0] == "failed"}
        assert {name for name, counts in result.recap().items() if counts["failed"]} == failed
        mails = {
            name: [mail for mail in desk.mail.mailbox.messages if f"{name} (production): " in mail["Subject"]]
            for name in CONDITIONS
        }
        posts = json.dumps(desk.services.posts)
        for name, condition in CONDITIONS.items():
            if condition is None:
                assert mails[name] == []
                continue
            status, key, told = condition
            dedup = f"mobul.backup/{name}/production/{key}".rstrip("/")
            assert (dedup in {one.rstrip("/") for one in desk.services.incidents}) == (status == "failed"), name
            (mail,) = mails[name]
            assert told in " ".join(mail.get_body().get_content().split()), name
            assert name in posts
            if status == "failed":
                assert told in result.failure(name)["msg"]
        assert {path.name for path in (tmp_path / "metrics").iterdir()} == {
            f"mobul_backup_{name}.prom" for name in CONDITIONS
        }
        flip(dump_of(databases["flipped"].place()), 5)
        only = {"flipped": databases["flipped"]}
        assert run(playbooks, only, desk).status == 0
        assert not [one for one in desk.services.incidents if "/flipped/" in one]


@pytest.mark.next
def test_check_mode_checks_and_tells_nobody(playbooks: Playbooks, tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir()
    with alert_desk(make_certificates(tmp_path / "certificates")) as desk:
        result = run(playbooks, spoiled(tmp_path, "missing"), desk, "--check")
        assert result.status == 2
        assert not desk.mail.mailbox.messages
        assert not desk.services.posts
        assert not desk.services.events
        assert list((tmp_path / "metrics").iterdir()) == []


def test_a_channel_that_fails_fails_the_run_though_the_backups_are_good(playbooks: Playbooks, tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir()
    with alert_desk(make_certificates(tmp_path / "certificates")) as desk:
        channels = [{**desk.mail.channel, "password": "wrong"}, desk.services.slack]
        result = run(playbooks, spoiled(tmp_path, "held"), desk, backup_alerts=channels)
        assert result.status == 2
        assert len(desk.services.posts) == 1
        assert "wrong" not in result.output.replace("went wrong", "")


def test_check_options_are_checked(playbooks: Playbooks, tmp_path: Path) -> None:
    inventory = playbooks.inventory({"good": spoiled(tmp_path, "good")["good"].variables})
    result = playbooks.run("mobul.backup.daily_check", inventory, "-e", "daily_check_drill_within=x")
    assert result.status == 2
    assert "drill_within: 'x' is no length of time" in result.output


def test_a_bucket_that_is_not_as_declared_is_a_finding_of_its_own(
    playbooks: Playbooks, moto_server: MotoServer
) -> None:
    bucket, other = moto_server.create_bucket(), moto_server.create_bucket()
    buckets = {"shop": bucket, "crm": other, "lost": "no-such-bucket"}
    hosts = {name: {"backup_locations": [moto_server.location(one)]} for name, one in buckets.items()}
    # moto forgets limits of size.
    inventory = playbooks.inventory(hosts, bucket_archive_after_days=0, daily_check_bucket=True)
    cache = ("-e", "daily_check_cache_dir=" + str(playbooks.directory / "cache"))

    def found(*names: str) -> list[tuple[str, str]]:
        result = playbooks.run("mobul.backup.daily_check", inventory, "-vvv", "--limit", ",".join(names), *cache)
        told = [one for name in names for one in result.result(name, "findings")["findings"]]
        return [(one["subject"], one["status"]) for one in told if one["check"] == "bucket"]

    assert found("shop", "lost") == [(bucket, "failed"), ("no-such-bucket", "failed")]
    assert moto_server.client().get_bucket_versioning(Bucket=bucket).get("Status") is None
    assert playbooks.run("mobul.backup.bucket", inventory, "-e", '{"bucket_hosts": ["shop", "crm"]}').status == 0
    assert found("shop") == [(bucket, "passed")]
