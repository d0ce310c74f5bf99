"""A database with backups in two places, on which the runbooks are tried one after the other."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from .backup_bench import Keys, make_keys
from .pages import Block, blocks, not_told
from .playbooks import Playbooks
from .postgres import PostgresServer
from .programs import PROJECT, wait_until
from .restore_runs import databases
from .stores import MotoServer

PAGE = "docs/runbooks.md"
SCALE = os.environ.get("MOBUL_RUNBOOKS_SCALE", "0.001")
"""Of the database; 1 is 1.4 GB."""
_GATE = """
CREATE FUNCTION gate_is_open() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  WHILE EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objid = 2026 AND classid = 17) LOOP
    PERFORM pg_catalog.pg_sleep(0.02);
  END LOOP;
  RETURN true;
END $$;
CREATE TABLE gate (passed boolean CHECK (gate_is_open()));
INSERT INTO gate VALUES (true);
"""
"""A table whose row is not loaded, into whichever database, before :meth:`Night.rows_held` lets it."""
_AT_GATE = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname LIKE 'shop%' AND state = 'active' AND query LIKE 'COPY public.gate %'
"""
_REFERENCE = PROJECT / "tests" / "data" / "reference.sql"


class Night:
    """The places, and the inventory of the page with them in it.

    :param server: where ``shop`` is, which nobody else uses.
    :param store: the S3 store.
    :param programs: where ansible-playbook and age are.
    """

    def __init__(self, directory: Path, server: PostgresServer, store: MotoServer, programs: list[Path]) -> None:
        self.directory = directory
        self.server = server
        self.store = store
        self.keys: Keys = make_keys(directory)
        self.local = directory / "backups"
        self.playbooks = Playbooks(directory)
        path = os.pathsep.join([*map(str, programs), self.playbooks.environment["PATH"]])
        self._environment = {**self.playbooks.environment, "PATH": path}
        self._name = f"night-{secrets.token_hex(4)}"
        self.bucket = ""
        self.said = ""
        self.seconds = 0.0
        server.create_database("pristine")
        server.run("psql", "-Xq", "-v", f"scale={SCALE}", "-f", str(_REFERENCE), database="pristine")
        server.query("pristine", _GATE)
        server.query("pristine", "VACUUM ANALYZE")
        server.query("postgres", "CREATE DATABASE shop TEMPLATE pristine")
        self.new_bucket()
        self.inventory()
        self.run("ansible-playbook mobul.backup.weekly -i databases.yml --limit shop")
        self._kept = {
            str(path.relative_to(self.local)): path.read_bytes() for path in self.local.rglob("*") if path.is_file()
        }
        (self.manifest,) = (data for name, data in self._kept.items() if name.endswith("/manifest.json"))
        # The backup may have been begun within this very second, and is not from before it then.
        self.moment = (datetime.now(timezone.utc) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._blocks: list[Block] = []

    def begin(self, section: str) -> None:
        """Everything as it was when the backup had just been made; what follows is that section of the page."""
        self._blocks = [block for block in blocks(PAGE) if block.section == section]
        self.said, self.seconds = "", 0.0
        for name in databases(self.server, "shop"):
            self.server.drop_database(name)
        self.server.query("postgres", "CREATE DATABASE shop TEMPLATE pristine")
        shutil.rmtree(self.local, ignore_errors=True)
        for name, data in self._kept.items():
            path = self.local / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)
        self.new_bucket()
        self.inventory()

    def new_bucket(self) -> None:
        """A bucket with the copies that belong there, in the place of the one before."""
        for bucket in self.store.client().list_buckets()["Buckets"]:
            if bucket["Name"].startswith(self._name):
                self.remove_bucket(bucket["Name"])
        self.bucket = self.store.create_bucket(f"{self._name}-{secrets.token_hex(4)}")
        self.upload()

    def remove_bucket(self, name: str) -> None:
        """Delete a bucket with all that is in it, and with all its versions."""
        client = self.store.client()
        found = client.list_object_versions(Bucket=name)
        for one in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
            client.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
        client.delete_bucket(Bucket=name)

    def upload(self) -> None:
        """Copy all files of the local directory into the bucket."""
        client = self.store.client()
        for path in self.local.rglob("*"):
            if path.is_file():
                name = str(path.relative_to(self.local))
                client.put_object(Bucket=self.bucket, Key=name, Body=path.read_bytes())

    def inventory(self, server: PostgresServer | None = None, **changes: Any) -> None:
        """Write that of the page, with what differs from reader to reader; *changes* are what a step puts into it."""
        (page,) = (block for block in blocks(PAGE) if block.language == "yaml")
        inventory = yaml.safe_load(page.text)
        shop = inventory["databases"]["hosts"]["shop"]
        login = (server or self.server).login("shop")
        shop |= {f"backup_{name}": value for name, value in login.items()}
        shop |= {f"verify_{name}": value for name, value in login.items() if name != "login_db"}
        shop |= {
            "backup_pg_bin_dir": str(self.server.bin_dir),
            # No drill was ever made here.
            "daily_check_drill_within": "30d",
            # The model of AWS does not know it.
            "bucket_archive_after_days": 0,
            "verify_target": "server",
            "backup_recipients": self.keys.recipients,
            "backup_identities": [str(self.keys.identity)],
            "backup_signing_key": str(self.keys.signing),
            "backup_verify_key": [str(self.keys.verify)],
            "backup_locations": [
                shop["backup_locations"][0] | self.store.location(self.bucket),
                shop["backup_locations"][1] | {"path": str(self.local)},
            ],
        }
        (self.directory / "databases.yml").write_text(yaml.safe_dump(inventory | changes))

    def run(self, commands: str, status: int = 0) -> str:
        """Run commands in one shell, which stops at the first that fails; what they say."""
        done = subprocess.run(
            ["sh", "-ec", commands], cwd=self.directory, env=self._environment, capture_output=True, text=True
        )
        self.said += done.stdout + done.stderr
        if done.returncode != status:
            raise AssertionError(f"{commands}ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def step(self, **names: object) -> str:
        """Run the section's next commands as they are printed, with a test's own values of what they begin with."""
        text = self._next("sh").text
        for name, value in names.items():
            text, count = re.subn(rf"^({name}=)\S+", rf"\g<1>{value}", text, flags=re.MULTILINE)
            if not count:
                raise AssertionError(f"{name} is no value of {text}")
        began = time.monotonic()
        try:
            return self.run(text)
        finally:
            self.seconds += time.monotonic() - began

    @contextlib.contextmanager
    def rows_held(self) -> Iterator[None]:
        """Within the block no restore comes past the rows of one table."""
        with contextlib.closing(self.server.connect()) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(17, 2026)")
            yield

    def wait_until_rows_held(self, unless: Callable[[], bool]) -> None:
        """Wait until a restore has come there; raise if *unless* holds before."""

        def held() -> bool:
            if unless():
                raise AssertionError("no restore comes to the rows any more")
            return self.server.query("postgres", _AT_GATE) == [(True,)]

        wait_until(held, what="rows to be loaded")

    def refused(self) -> str:
        """What the server says to an application that wants to connect."""
        password = self.server.create_role("application")
        try:
            psycopg2.connect(self.server.dsn("shop", user="application", password=password)).close()
        except psycopg2.OperationalError as error:
            return str(error).strip().rpartition("FATAL:  ")[2]
        finally:
            self.server.query("postgres", "DROP ROLE application")
        raise AssertionError("it is let in")

    def sees(self) -> None:
        """Check that the section's next text was told since it has begun."""
        block = self._next("text")
        if missing := not_told(block, self.said):
            raise AssertionError(f"{block} was not told: {missing}: {self.said}")

    def finished(self) -> None:
        """Check that no block of the section is left."""
        print(f"all commands together took {self.seconds:.0f} s")
        if self._blocks:
            raise AssertionError(f"{self._blocks[0]} was not tried")

    def _next(self, language: str) -> Block:
        block = self._blocks.pop(0)
        if block.language != language:
            raise AssertionError(f"{block} is no {language}")
        return block
