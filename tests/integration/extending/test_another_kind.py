"""Another location, channel or cipher is one new file and the lines that CONTRIBUTING names."""

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
from .retry import Message


@dataclass(frozen=True, kw_only=True)
class LogbookChannel(Channel):
    type = "logbook"
    options = ("host",)

    host: str

    @classmethod
    def parse(cls, options):
        return cls(**cls.common(options), host=required(options, "host"))

    def messages(self, alert):
        def send(patience):
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
    assert re.search("to is nothing that a channel of type logbook takes", told)


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
