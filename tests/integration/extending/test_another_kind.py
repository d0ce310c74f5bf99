"""Another location, channel, cipher, strategy or module is one new file and the lines that CONTRIBUTING names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.module_runs import DRIVER
from support.postgres import PostgresServer
from support.programs import PROJECT

FACTORY = "module_utils/_core/locations/factory.py"
LOCATION = '''\
"""A directory that another program fills, say."""

from ..local.location import LocalLocation


class ShelfLocation(LocalLocation):
    type = "shelf"
'''
CHANNEL = '''\
"""A file to which a line is added."""

from dataclasses import dataclass

from .channel import Channel, required
from .retry_budget import Message


@dataclass(frozen=True, kw_only=True)
class LogbookChannel(Channel):
    type = "logbook"
    options = ("host",)

    host: str

    @classmethod
    def parse(cls, options):
        return cls(**cls.common(options), host=required(options, "host"))

    def messages(self, alert):
        def send(budget):
            with open(self.host, "a") as file:
                file.write(alert.label)

        return [Message("a line", "a line", send)]
'''

CIPHER = '''\
"""Each byte changed by the byte that is the key."""

from __future__ import annotations

from .cipher import Cipher, Encryption, Format

MAGIC = b"VEILED\\n"


class Veil:
    name = "veil"

    def __init__(self, key, prefix, ahead):
        self._key, self._prefix, self._ahead = key, prefix, ahead

    def update(self, chunk):
        taken, self._ahead = chunk[self._ahead :], max(0, self._ahead - len(chunk))
        done, self._prefix = self._prefix + bytes(byte ^ self._key for byte in taken), b""
        return done

    def finalize(self):
        return self._prefix


class VeilEncryption(Encryption):
    scheme = "veil"
    suffix = ".veil"

    def transform(self):
        return Veil(int(self.recipients[0][5:]), MAGIC, 0)

    def fits(self, head, size, plain_size):
        return head.startswith(MAGIC) and plain_size in (None, size - len(MAGIC))


class VeilCipher(Cipher):
    name = "veil"
    formats = (Format("veil", "veil"),)
    suffixes = (".veil",)
    _key = None

    @classmethod
    def detect(cls, head):
        return cls.formats[0] if head.startswith(MAGIC) else None

    @classmethod
    def is_secret(cls, data):
        return data.startswith(b"unveil:")

    def take(self, text, where):
        if text.startswith("unveil:"):
            self._key = int(text[7:])
        return text.startswith("unveil:")

    def open(self, found, tail, others):
        return Veil(self._key, b"", len(MAGIC))

    @classmethod
    def recipients_of(cls, text, where):
        return [text] if text.startswith("veil:") else []

    @classmethod
    def encrypt(cls, recipients, *, gnupghome, armor):
        return VeilEncryption(recipients)
'''

TABLE_STRATEGY = '''\
"""Adds the rows of the backup to those that are there, whatever they are."""

from __future__ import annotations

from .columns import match_columns
from .loading import load
from .strategy import Strategy


class AddStrategy(Strategy):
    name = "add"
    _added = None

    def plan(self, session, target, backup):
        self._target = target
        self._matching = match_columns(backup.rows.columns, target, self.request.column_map)
        return ["rows may come twice"]

    def run(self, session, backup, *, check_mode):
        self._added = load(session, backup.rows, self._target, self._target.identifier, self._matching)

    def report(self, target, backup):
        return {"changed": self._added != 0, "rows": self._added, "summary": [f"{self._added} rows added"]}
'''
DATABASE_STRATEGY = '''\
"""Executes a script as it is."""

from __future__ import annotations

from contextlib import closing

from ...postgres.connection import connect
from .comparing import Comparison
from .restored import Restored
from .strategy import Strategy
from .target import elsewhere


class ExecuteStrategy(Strategy):
    name = "execute"
    how = "would be executed in it"
    replaces = by_script = takes_search_paths = False

    def check_role(self, target):
        pass

    def run(self, plan):
        pieces = []
        plan.contents.file.source().run(pieces.append)
        with closing(connect(elsewhere(plan.options, plan.target.name))) as connection:
            connection.cursor().execute(b"".join(pieces))
        return Restored(Comparison(0, 0, 0, ()))
'''

OPERATION = '''\
"""The operation behind ``backup_places``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ..locations import enter_locations


def run_backup_places(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        places = [location.place for location in enter_locations(stack, params["locations"])]
    return {"changed": False, "places": places, "warnings": ["nothing was asked"]}
'''
MODULE = """\
from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATIONS
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.places import run_backup_places


def main() -> None:
    run_module(LOCATIONS, run_backup_places)
"""


class Copy:
    """The collection as a file tree of its own, which a test may change."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "ansible_collections" / "mobul" / "backup"
        shutil.copytree(PROJECT / "plugins", self.root / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (self.root, *self.root.parents[:2]):
            (folder / "__init__.py").touch()
        self._directory = directory

    @property
    def core(self) -> Path:
        return self.root / "plugins" / "module_utils" / "_core"

    def change(self, path: str, before: str, after: str) -> None:
        """Replace what is there once."""
        file = self.root / "plugins" / path
        text = file.read_text()
        assert text.count(before) == 1, (path, before)
        file.write_text(text.replace(before, after))

    def run(self, module: str, **options: Any) -> dict[str, Any]:
        """Run one of its modules."""
        argv = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(self._directory)!r})\n{DRIVER}", module]
        done = subprocess.run(argv, input=json.dumps(options), capture_output=True, text=True)
        result: dict[str, Any] = json.loads(done.stdout)
        print(result.get("msg", ""))
        return result


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_another_kind_of_location(copy: Copy, tmp_path: Path) -> None:
    (copy.core / "locations" / "shelf").mkdir()
    (copy.core / "locations" / "shelf" / "__init__.py").touch()
    (copy.core / "locations" / "shelf" / "location.py").write_text(LOCATION)
    copy.change(
        FACTORY,
        "_TYPES: Mapping",
        "def _shelf():\n    from .shelf.location import ShelfLocation\n\n    return ShelfLocation\n\n\n_TYPES: Mapping",
    )
    copy.change(FACTORY, '"local": _local,', '"local": _local, "shelf": _shelf,')
    copy.change("module_utils/_ansible/options.py", '["local", "s3", "rclone"]', '["local", "s3", "rclone", "shelf"]')
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "b").mkdir(mode=0o700)
    places = [{"name": name, "type": "shelf", "path": str(tmp_path / name)} for name in ("a", "b")]
    assert copy.run("backup_info", label="shop", locations=places)["sets"] == []
    told = copy.run("backup_info", label="shop", locations=[places[0], {**places[0], "name": "second"}])["msg"]
    assert "'a' and 'second' are the same place" in told


def test_another_kind_of_alert_channel(copy: Copy, tmp_path: Path) -> None:
    (copy.core / "monitoring" / "alerting" / "logbook.py").write_text(CHANNEL)
    table = "module_utils/_core/monitoring/alerting/channels.py"
    copy.change(table, "from .mail import", "from .logbook import LogbookChannel\nfrom .mail import")
    copy.change(table, "(EmailChannel, ", "(LogbookChannel, EmailChannel, ")
    copy.change("modules/backup_alert.py", '"choices": ["email", ', '"choices": ["logbook", "email", ')
    channel = {"type": "logbook", "host": str(tmp_path / "book")}
    finding = {"check": "age", "subject": "shop", "status": "failed", "message": "too old"}
    options = {"label": "shop", "source": "weekly", "findings": [finding]}
    assert copy.run("backup_alert", channels=[channel], **options)["changed"]
    assert (tmp_path / "book").read_text() == "shop"
    told = copy.run("backup_alert", channels=[{**channel, "to": ["ops@example.com"]}], **options)["msg"]
    assert re.search("a channel of type logbook does not take to", told)


def test_another_cipher(copy: Copy, tmp_path: Path) -> None:
    (copy.core / "encryption" / "veil.py").write_text(CIPHER)
    table = "module_utils/_core/encryption/ciphers.py"
    copy.change(table, "\n_TYPES", "from .veil import VeilCipher\n\n_TYPES")
    copy.change(table, "EnvelopeCipher)", "EnvelopeCipher, VeilCipher)")
    plain, veiled, again = (tmp_path / name for name in ("shop.csv", "shop.csv.veil", "again"))
    plain.write_text("id,name\n")
    for changed in (True, False):
        told = copy.run("encrypt_artifact", src=str(plain), recipients=["veil:42"], identities=["unveil:42"])
        assert (told["changed"], told["dest"], told["format"]) == (changed, str(veiled), "veil")
    assert b"id,name" not in veiled.read_bytes()
    assert "is a private key" in copy.run("encrypt_artifact", src=str(plain), recipients=["unveil:42"])["msg"]
    options = {"state": "decrypted", "src": str(veiled), "identities": ["unveil:42"]}
    assert copy.run("encrypt_artifact", dest=str(again), **options)["format"] == "veil"
    assert again.read_text() == "id,name\n"


def test_another_strategy_for_a_table(copy: Copy, tmp_path: Path, postgres17: PostgresServer, database: str) -> None:
    (copy.core / "restore" / "table" / "add.py").write_text(TABLE_STRATEGY)
    table = "module_utils/_core/restore/table/strategies.py"
    copy.change(table, "from .merge", "from .add import AddStrategy\nfrom .merge")
    copy.change(table, "ReplaceStrategy)", "ReplaceStrategy, AddStrategy)")
    copy.change("modules/restore_table.py", '"merge", "replace"]', '"merge", "replace", "add"]')
    postgres17.psql(database, "CREATE TABLE public.people (name text); INSERT INTO public.people VALUES ('a')")
    rows = tmp_path / "people.csv"
    rows.write_text("name\nb\nc\n")
    login = {**postgres17.login(database), "pg_bin_dir": str(postgres17.bin_dir)}
    options = {**login, "table": "people", "src": str(rows), "strategy": "add", "expect_environment": "test"}
    told = copy.run("restore_table", **options)
    assert (told["strategy"], told["rows"], told["summary"]) == ("add", 2, ["2 rows added"])
    assert "rows may come twice" in str(told["warnings"])
    assert postgres17.query(database, "SELECT name FROM public.people ORDER BY name") == [("a",), ("b",), ("c",)]
    told = copy.run("restore_table", **options, missing_only=True)["msg"]
    assert "missing_only belongs to strategy: merge" in told


def test_another_strategy_for_a_database(copy: Copy, tmp_path: Path, postgres17: PostgresServer, database: str) -> None:
    (copy.core / "restore" / "database" / "execute.py").write_text(DATABASE_STRATEGY)
    table = "module_utils/_core/restore/database/strategies.py"
    copy.change(table, "from .in_place", "from .execute import ExecuteStrategy\nfrom .in_place")
    copy.change(table, "InPlaceStrategy())", "InPlaceStrategy(), ExecuteStrategy())")
    copy.change(
        "modules/restore_database.py", '["side_by_side", "in_place"]', '["side_by_side", "in_place", "execute"]'
    )
    script = tmp_path / "more.sql"
    script.write_text("CREATE TABLE public.more ();\n")
    login = {**postgres17.login(database), "pg_bin_dir": str(postgres17.bin_dir)}
    options = {**login, "src": str(script), "strategy": "execute", "expect_environment": "test"}
    planned = copy.run("restore_database", **options, _ansible_check_mode=True)
    assert "would be executed in it" in planned["summary"][0]
    assert copy.run("restore_database", **options)["strategy"] == "execute"
    assert postgres17.query(database, "SELECT to_regclass('public.more')::text") == [("more",)]


def test_another_module(copy: Copy, tmp_path: Path) -> None:
    (copy.core / "lifecycle" / "places.py").write_text(OPERATION)
    (copy.root / "plugins" / "modules" / "backup_places.py").write_text(MODULE)
    told = copy.run("backup_places", locations=[{"name": "a", "type": "local", "path": str(tmp_path)}])
    assert (told["changed"], len(told["places"])) == (False, 1)
    assert "nothing was asked" in str(told["warnings"])
    told = copy.run("backup_places", locations=[])
    assert (told["failed"], told["step"]) == (True, "check the options")
