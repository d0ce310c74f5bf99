"""The commands of docs/keys.md run as they stand there, one after the other, and do what the page says."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import (
    load_signing_key,
    load_verify_key,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity, parse_identities
from support.age_sets import DUMP, age_set
from support.playbooks import Playbooks
from support.programs import PROJECT
from support.small_sets import directory_of, lay
from support.warm_command import warm_command

PAGE = (PROJECT / "docs" / "keys.md").read_text()
FIRST, SECOND = "weekly_20261122_000000", "weekly_20261129_000000"


class Page:
    """The page's commands, in a directory with an inventory ``databases.yml``."""

    def __init__(self, directory: Path, *programs: Path) -> None:
        self.directory = directory
        self.playbooks = Playbooks(directory)
        self.root = directory / "disk"
        self.root.mkdir()
        self.environment = {
            **self.playbooks.environment,
            "PATH": os.pathsep.join([*map(str, programs), self.playbooks.environment["PATH"]]),
        }
        self.blocks = iter(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
        for name, text in re.findall(r"`(\w+\.yml)`:\n\n```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
            (directory / name).write_text(text)

    def inventory(self, *identities: X25519Identity) -> None:
        """What the page says is put into the inventory."""
        self.playbooks.inventory(
            {"shop": {}},
            backup_locations=[{"name": "disk", "type": "local", "path": str(self.root)}],
            backup_recipients=[str(identity.recipient) for identity in identities],
        ).rename(self.directory / "databases.yml")

    def run(self, **names: str | Path) -> str:
        """Run the next block in a shell of its own, with a test's own names of the parts; its output."""
        block = next(self.blocks)
        for name, value in names.items():
            assert re.search(rf"^{name}=.*$", block, re.MULTILINE), name
            block = re.sub(rf"^({name}=).*$", rf"\g<1>{value}", block, flags=re.MULTILINE)
        done = subprocess.run(
            ["sh", "-ec", block], cwd=self.directory, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def identity(self, name: str) -> X25519Identity:
        """The secret key in a file."""
        (found,) = parse_identities((self.directory / name).read_text())
        return found


@pytest.fixture
def page(tmp_path: Path, age: Path) -> Iterator[Page]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    with warm_command() as command:
        yield Page(tmp_path, command, age.parent)


def test_the_commands_of_the_page(page: Page) -> None:
    page.run()
    for name in ("ops.agekey", "escrow.agekey", "signing.pem", "records.pem"):
        assert (page.directory / name).stat().st_mode & 0o077 == 0
    ops, escrow = page.identity("ops.agekey"), page.identity("escrow.agekey")
    old = load_signing_key(str(page.directory / "signing.pem"))
    unsigned, signed = age_set(FIRST, ops, escrow), age_set(SECOND, ops, escrow, key=old)
    lay(page.root, FIRST, unsigned)
    lay(page.root, SECOND, signed)

    told = page.run()
    new = page.identity("ops-2027.agekey")
    assert told.strip() == str(new.recipient)
    page.inventory(new, escrow)
    assert "+disk: rekeyed by rekeyed_" in page.run()
    place = directory_of(page.root, FIRST)
    assert len(list(page.root.rglob("rekeyed_*.json"))) == 2

    (artifact,) = (name for name in unsigned if name.startswith("backup_"))
    dump = page.directory / "shop.dump"
    page.blocks = iter([next(page.blocks).replace("/tmp/shop.dump", str(dump)), *page.blocks])
    page.run(set_directory=place, key=page.directory / "ops-2027.agekey", artifact=artifact)
    assert dump.read_bytes() == DUMP

    page.run()
    later = load_verify_key(str(page.directory / "signing-2027.pub"))

    def digest(files: dict[str, bytes]) -> str:
        return hashlib.sha256(files["manifest.json"]).hexdigest()

    told = page.run(backup=FIRST, digest=digest(unsigned))
    assert f"+disk: signed by {old.key_id}" in told
    assert old.verify_key.fits(unsigned["manifest.json"], (place / "manifest.json.sig").read_bytes())

    told = page.run(backup=SECOND, digest=digest(signed))
    assert f"-disk: signed by {old.key_id}, which is revoked" in told
    signature = directory_of(page.root, SECOND) / "manifest.json.sig"
    assert later.fits(signed["manifest.json"], signature.read_bytes())
    assert next(page.blocks, None) is None
