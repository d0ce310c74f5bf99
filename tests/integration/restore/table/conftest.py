"""What several tests of tables start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lab import PostgresServer

SCHEMA = Path(__file__).with_name("carried.sql")
ROLES = ("carried_alice", "carried Bob, (x)")


@pytest.fixture
def carried(postgres: PostgresServer) -> Iterator[str]:
    """A database with everything that can belong to a table."""
    known = {role for (role,) in postgres.query("postgres", "SELECT rolname FROM pg_roles")}
    for role in ROLES:
        if role not in known:
            postgres.create_role(role)
    with postgres.database() as name:
        postgres.psql(name, SCHEMA.read_text())
        yield name
