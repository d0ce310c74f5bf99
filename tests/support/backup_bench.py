"""A place to make backups in, with keys: what tests of whole backups start from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity

from .backup_runs import ModuleProcess, backup, backup_under_way
from .fake_programs import FakePrograms
from .postgres import PostgresServer
from .programs import wait_until
from .stored_sets import StoredSet

LABEL = "shop"
"""Of the first database that a bench backs up."""
ENVIRONMENT = "staging"


@dataclass(frozen=True)
class Keys:
    """Two age identities and a signing key, in files."""

    identity: Path
    escrow: Path
    recipients: list[str]
    signing: Path
    verify: Path


def make_keys(directory: Path) -> Keys:
    """Make new keys in *directory* and return them."""
    recipients = []
    for name in ("ops", "escrow"):
        identity = X25519Identity.generate()
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(f"{identity}\n")
        recipients.append(str(identity.recipient))
    key = SigningKey.generate()
    (directory / "signing.pem").touch(mode=0o600)
    (directory / "signing.pem").write_text(key.to_pem())
    (directory / "signing.pub").write_text(key.verify_key.to_pem())
    return Keys(
        directory / "ops", directory / "escrow", recipients, directory / "signing.pem", directory / "signing.pub"
    )


@dataclass(frozen=True)
class Bench:
    """Backups of a server's databases into directories below one, with the keys of the tests."""

    directory: Path
    keys: Keys
    _labels: dict[str, str] = field(default_factory=dict)

    def label(self, database: str | None = None) -> str:
        """The label of a database's sets; for one that has none, or None, of the database that was backed up last."""
        last = next(reversed(self._labels.values()), LABEL)
        return last if database is None else self._labels.get(database, last)

    def _label_for(self, database: str) -> str:
        """The label of a database that is backed up now."""
        found = self._labels.pop(database, None) or (f"{LABEL}_{len(self._labels) + 1}" if self._labels else LABEL)
        self._labels[database] = found
        return found

    @property
    def root(self) -> Path:
        """Of the location ``disk``, which a backup uses unless it is told otherwise."""
        return self.directory / "disk"

    def location(self, name: str = "disk") -> dict[str, Any]:
        """The options of a local location of that name."""
        return {"name": name, "type": "local", "path": str(self.directory / name)}

    def options(self, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
        """The options of pg_backup; *changes* replace or add some."""
        return {
            **server.login(database),
            "pg_bin_dir": str(server.bin_dir),
            "label": self._label_for(database),
            "environment": ENVIRONMENT,
            "recipients": self.keys.recipients,
            "signing_key": str(self.keys.signing),
            "locations": [self.location()],
            **{name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in changes.items()},
        }

    def backup(self, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
        """Run a backup in this process and return its report."""
        return backup(**self.options(server, database, **changes))

    def under_way(self, server: PostgresServer, database: str, **changes: Any) -> AbstractContextManager[Any]:
        """Run a backup in another thread while the block runs."""
        return backup_under_way(**self.options(server, database, **changes))

    @contextmanager
    def held(
        self,
        server: PostgresServer,
        database: str,
        *,
        hold_after: int | Sequence[int],
        spoiled: str = "pg_dump",
        status: int = 0,
        **changes: Any,
    ) -> Iterator[tuple[FakePrograms, Any]]:
        """Run one in a thread of its own until a program holds: see :class:`FakePrograms` and :meth:`under_way`."""
        directory = Path(tempfile.mkdtemp(dir=self.directory)) / "programs"
        with (
            FakePrograms(directory, server.bin_dir, spoiled=spoiled, hold_after=hold_after, status=status) as programs,
            self.under_way(server, database, pg_bin_dir=programs, **changes) as run,
        ):
            programs.wait_until_held()
            yield programs, run

    @contextmanager
    def held_module(
        self, server: PostgresServer, database: str, *, hold_after: int
    ) -> Iterator[tuple[FakePrograms, ModuleProcess]]:
        """Run the module in a process of its own until a program holds, and something is written."""
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        with FakePrograms(directory / "programs", server.bin_dir, hold_after=hold_after) as programs:
            options = self.options(server, database, compress="none", pg_bin_dir=programs)
            with ModuleProcess(directory, options) as module:
                programs.wait_until_held()
                wait_until(self.files, what="something to be written")
                yield programs, module

    def stored(self, report: dict[str, Any], root: Path | None = None) -> StoredSet:
        """The set that a report tells of, as it lies in a directory."""
        return StoredSet((root or self.root) / report["directory"], self.keys.identity)

    def files(self, name: str = "disk") -> set[str]:
        """The paths of all files below a location's root, hidden ones too."""
        root = self.directory / name
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def make_older(root: Path, *, hours: float) -> None:
    """Let every file below *root* have been written so much earlier."""
    for path in root.rglob("*"):
        if path.is_file():
            status = path.stat()
            os.utime(path, (status.st_atime - hours * 3600, status.st_mtime - hours * 3600))
