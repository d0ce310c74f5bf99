"""Each runbook of docs/runbooks.md ends its incident when its commands are run as they stand there.

``MOBUL_RUNBOOKS_SCALE=1 .venv/bin/pytest -rP tests/integration/roles/test_runbooks.py`` tells how long the commands of
each take with 1.4 GB.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import load_signing_key
from support.lab import MotoServer, PostgresServer
from support.locations import mounted_tmpfs
from support.night import PAGE, Night
from support.processes import children, is_running
from support.programs import PROJECT, wait_until
from support.restore_runs import databases
from support.small_sets import lay, small_set
from support.warm_command import warm_command

CHANGED = "UPDATE recipients SET phone = '+1000' WHERE id % 3 = 0"
PHONES = "SELECT md5(string_agg(phone, ',' ORDER BY id)) FROM recipients"


@pytest.fixture(scope="module")
def lab(moto_server: MotoServer, age: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One for all runbooks of a worker."""
    with PostgresServer(17) as server, warm_command() as command:
        yield Night(tmp_path_factory.mktemp("night"), server, moto_server, [command, age.parent])


@pytest.fixture
def night(lab: Night, request: pytest.FixtureRequest) -> Iterator[Night]:
    """It at the beginning of a test's incident. At its end nothing of the runbook is left."""
    lab.begin(request.param)
    yield lab
    lab.finished()


def incident(section: str) -> pytest.MarkDecorator:
    """The runbook that a test is about."""
    return pytest.mark.parametrize("night", [section], indirect=True, ids=["runbook"])


@contextlib.contextmanager
def comes_back(night: Night) -> Iterator[None]:
    """After the block the table has the rows that it had before."""
    before = night.server.query("shop", PHONES)
    yield
    assert night.server.query("shop", PHONES) == before


def test_the_first_line_leads_to_all_runbooks() -> None:
    text = (PROJECT / PAGE).read_text()
    found = re.findall(r"\[[^\]]+\]\(#([\w-]+)\)", text.split("\n\n")[1])
    headings = [
        line.removeprefix("## ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("## ")
    ]
    assert found == headings[:-2]
    takes = re.findall(r"^\*\*Takes\*\* at most \d+ minutes\.$", text, re.MULTILINE)
    assert len(takes) == len(found)


@incident("Rows were changed wrongly")
def test_rows_were_changed_wrongly(night: Night) -> None:
    before = night.server.query("shop", PHONES)
    night.server.query("shop", CHANGED)
    night.server.query("shop", "DELETE FROM recipients WHERE id = (SELECT max(id) FROM recipients)")
    night.step(before=night.moment)
    assert night.server.query("shop", PHONES) != before
    night.step(before=night.moment)
    night.sees()
    assert night.server.query("shop", PHONES) == before


@incident("A table was dropped")
def test_a_table_was_dropped(night: Night) -> None:
    with comes_back(night):
        night.server.query("shop", "DROP TABLE recipients CASCADE")
        night.step()
        night.sees()


@incident("The database was dropped")
def test_the_database_was_dropped(night: Night) -> None:
    with comes_back(night):
        night.server.drop_database("shop")
        night.step()
        night.sees()


@incident("The server is lost")
def test_the_server_is_lost(night: Night) -> None:
    before = night.server.query("shop", PHONES)
    with PostgresServer(17) as other:
        night.inventory(other)
        night.step()
        assert other.query("shop", PHONES) == before
        night.run("ansible-playbook mobul.backup.weekly -i databases.yml --limit shop", status=2)
        night.sees()
        (adopt,) = set(re.findall(r"adopt: '(\d+)'", night.said))
        night.step(adopt=adopt)
        night.sees()


@incident("A key is lost")
def test_a_key_is_lost(night: Night) -> None:
    night.step()
    recipient = re.findall(r"^age1\w+$", night.said, re.MULTILINE)[-1]
    night.inventory()
    path = night.directory / "databases.yml"
    inventory = yaml.safe_load(path.read_text())
    inventory["databases"]["hosts"]["shop"] |= {
        "backup_recipients": [recipient, night.keys.recipients[1]],
        "backup_identities": [str(night.directory / "ops-new.agekey")],
    }
    path.write_text(yaml.safe_dump(inventory))
    night.step(escrow=night.keys.escrow)
    night.step()
    night.sees()


@incident("The bucket is lost")
def test_the_bucket_is_lost(night: Night) -> None:
    night.remove_bucket(night.bucket)
    night.run("ansible-playbook mobul.backup.daily_check -i databases.yml --limit shop")
    night.sees()
    night.step()
    night.sees()


@incident("Somebody encrypted the bucket")
def test_somebody_encrypted_the_bucket(night: Night) -> None:
    client = night.store.client()
    for one in client.list_objects_v2(Bucket=night.bucket)["Contents"]:
        client.put_object(Bucket=night.bucket, Key=one["Key"], Body=b"\x8f" * 2000)
    night.run("ansible-playbook mobul.backup.daily_check -i databases.yml --limit shop")
    night.sees()
    night.step()
    night.bucket = f"{night.bucket}-new"
    night.inventory()
    night.step()
    night.sees()


@incident("The runner died in a restore")
def test_the_runner_died_in_a_restore(night: Night) -> None:
    night.server.query("shop", CHANGED)
    arguments = ["--limit", "shop", "-e", "expect_environment=production", "-e", "expect_database=shop"]
    with (
        night.rows_held(),
        night.playbooks.start("mobul.backup.restore", night.directory / "databases.yml", *arguments) as run,
    ):
        try:
            night.wait_until_rows_held(unless=lambda: run.poll() is not None)
        finally:
            # As when the machine loses its power: nothing of it says goodbye to anybody.
            everything = [run.pid, *children(run.pid)]
            for pid in everything:
                # Some end by themselves when what has started them is gone.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, everything)), what="the run to be gone")
    limit = "SELECT datconnlimit FROM pg_database WHERE datname = 'shop'"
    assert night.server.query("postgres", limit) == [(0,)]
    assert len(databases(night.server, "shop")) == 2
    assert night.refused() == 'too many connections for database "shop"'
    night.step()
    night.sees()
    assert night.server.query("postgres", limit) == [(-1,)]
    assert night.server.query("shop", "SELECT count(*) > 0 FROM recipients WHERE phone = '+1000'") == [(True,)]
    night.step()
    night.sees()
    assert night.server.query("shop", "SELECT count(*) FROM recipients WHERE phone = '+1000'") == [(0,)]
    # The one that was being loaded is gone; the replaced one is kept.
    assert [name for name in databases(night.server, "shop") if "_new_" in name] == []
    assert len(databases(night.server, "shop")) == 2


def lay_old_set(night: Night, kind: str, age: timedelta, size: int) -> None:
    """One more set of the database in both places, from before."""
    manifest = Manifest.parse(night.manifest)
    set_id = f"{kind}_{datetime.now(timezone.utc) - age:%Y%m%d_%H%M%S}"
    files = small_set(
        set_id,
        key=load_signing_key(str(night.keys.signing)),
        dump=bytes(size),
        database=manifest.database,
        tables=manifest.tables,
        previous=None,
    )
    lay(night.local, set_id, files)


@incident("A disk is full")
def test_a_disk_is_full(night: Night) -> None:
    kept = night.directory / "kept"
    night.local.rename(kept)
    size = sum(path.stat().st_size for path in kept.rglob("*"))
    # The old set and the new one, and half of another.
    with mounted_tmpfs(night.local, f"size={4 * size + size // 2},mode=0700"):
        shutil.copytree(kept, night.local, dirs_exist_ok=True)
        lay_old_set(night, "daily", timedelta(days=30), 3 * size)
        night.upload()
        night.run("ansible-playbook mobul.backup.weekly -i databases.yml --limit shop")
        night.sees()
        night.step()
        night.sees()
    shutil.rmtree(kept)


@incident("A backup is older than promised")
def test_a_backup_is_older_than_promised(night: Night) -> None:
    shutil.rmtree(night.local)
    lay_old_set(night, "weekly", timedelta(days=9), 600_000)
    night.new_bucket()
    night.inventory()
    night.run("ansible-playbook mobul.backup.daily_check -i databases.yml --limit shop", status=2)
    night.sees()
    night.step()
    night.sees()
