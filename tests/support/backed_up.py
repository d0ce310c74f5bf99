"""A database that is made and backed up once: each test gets it as it was then, under its name, and the set of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import Fingerprint

from .backup_bench import Bench
from .postgres import PostgresServer
from .restore_runs import rename
from .stored_sets import contents_of
from .table_restores import schema_of


@dataclass(frozen=True)
class BackedUp:
    """What there was when it was backed up.

    :param name: of the database, which is there within :meth:`anew`.
    :param bench: where its set is; nobody changes it.
    :param report: of its backup.
    :param schema: see :func:`schema_of`.
    :param contents: see :func:`contents_of`.
    """

    server: PostgresServer
    name: str
    bench: Bench
    report: dict[str, Any]
    schema: str
    contents: dict[tuple[str, str], Fingerprint]

    @contextmanager
    def anew(self, bench: Bench) -> Iterator[str]:
        """Within the block there is the database, and *bench*, which has the same keys, has a copy of the set."""
        self.copy_set(bench)
        with self.server.database(name=self.name, template=self.template):
            yield self.name

    def copy_set(self, bench: Bench) -> None:
        """Have *bench*, which has nothing yet, find the set."""
        shutil.copytree(self.bench.root, bench.root)

    @property
    def template(self) -> str:
        """The name under which nobody changes the database; not one of those that restores make of its own."""
        return f"of_{self.name}"


@contextmanager
def backed_up(server: PostgresServer, bench: Bench, statements: str, **options: Any) -> Iterator[BackedUp]:
    """Make a database by *statements* and back it up, told *options*."""
    with server.database() as name:
        server.psql(name, statements)
        report = bench.backup(server, name, **options)
        made = BackedUp(server, name, bench, report, schema_of(server, name), contents_of(server, name))
        rename(server, name, made.template)
        try:
            yield made
        finally:
            server.drop_database(made.template)
