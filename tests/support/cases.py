"""Small databases that others' reports are about, as SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .postgres import PostgresServer
from .restore_runs import drop_versions

FOLDER = Path(__file__).resolve().parents[1] / "data" / "cases"
"""Where they are."""


def case(name: str) -> str:
    """The statements of the case."""
    return (FOLDER / f"{name}.sql").read_text()


@contextmanager
def case_database(server: PostgresServer, name: str) -> Iterator[str]:
    """A database made of them; it goes with all of its versions."""
    database = server.create_database()
    try:
        server.psql(database, case(name))
        yield database
    finally:
        drop_versions(server, database)
