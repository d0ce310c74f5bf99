"""A set that was allowed to be unencrypted holds nothing that opens the server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from support.backup_bench import Bench
from support.lab import PostgresServer

HASH = re.compile(r"PASSWORD '|SCRAM-SHA-256\$")
LEFT_OUT = "the passwords of the roles were left out, because the set is not encrypted"


@pytest.fixture
def role(postgres17: PostgresServer) -> Iterator[str]:
    """A role with a password."""
    postgres17.create_role("unencrypted_role", "LOGIN", password="canary-password")
    yield "unencrypted_role"
    postgres17.query("postgres", "DROP ROLE unencrypted_role")


def test_an_unencrypted_set_has_the_roles_without_their_passwords_and_says_so(
    postgres17: PostgresServer, database: str, bench: Bench, role: str
) -> None:
    report = bench.backup(postgres17, database, recipients=[], allow_unencrypted=True)
    stored = bench.stored(report)
    [globals_] = stored.artifacts("globals")
    script = (stored.directory / globals_["name"]).read_text()
    assert f"CREATE ROLE {role};" in script
    assert not HASH.search(script)
    assert LEFT_OUT in stored.manifest["warnings"]
    assert LEFT_OUT in report["warnings"]


@pytest.mark.usefixtures("age")
def test_an_encrypted_set_has_the_passwords_and_nothing_to_say_of_them(
    postgres17: PostgresServer, database: str, bench: Bench, role: str
) -> None:
    stored = bench.stored(bench.backup(postgres17, database))
    [globals_] = stored.artifacts("globals")
    script = stored.plain(globals_).decode()
    assert re.search(rf"^ALTER ROLE {role} .*PASSWORD 'SCRAM-SHA-256\$", script, re.MULTILINE)
    assert LEFT_OUT not in stored.manifest["warnings"]
