"""Small parts of a restore: names, scripts on their way into psql, messages that may be shown."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, FormatError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.programs import Program
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.children import tool_message
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.naming import Note, beside, is_beside
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.psql_filter import (
    Restricted,
    WithoutCommit,
    check_restricts,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.request import RestoreRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.safety import DEFAULTS
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.strategies import check_strategy
from ansible_collections.mobul.backup.plugins.modules import pg_backup
from hypothesis import given
from hypothesis import strategies as st
from support.module_parameters import argument_spec

NOW = datetime(2026, 11, 24, 21, 34, 55, tzinfo=timezone.utc)


def test_a_name_beside_fits_the_server_and_is_free() -> None:
    assert beside("shop", "new", NOW, {"shop"}) == "shop_new_20261124213455"
    assert beside("shop", "old", NOW, {"shop_old_20261124213455"}) == "shop_old_20261124213456"
    name = beside("ü" * 31, "old", NOW, ())
    assert len(name.encode()) <= 63
    assert name.startswith("üüü")


@pytest.mark.parametrize("database", ["shop", "ü" * 31, "x" * 63])
def test_a_name_beside_is_told_from_others(database: str) -> None:
    name = beside(database, "new", NOW, ())
    assert is_beside(name, database, "new")
    assert not is_beside(name, database, "old")
    assert not is_beside(name, "other", "new")
    assert not is_beside(f"{database[:20]}_new_of_mine", database, "new")
    assert not is_beside(database, database, "new")


@pytest.mark.parametrize("text", [None, "", "a shop", "{}", "[1]", '{"mobul.backup": 1}', '{"mobul.backup": {"x": 1}}'])
def test_a_comment_of_somebody_else_is_no_note(text: str | None) -> None:
    assert Note.parse(text) is None


def test_a_note_is_read_as_it_was_written() -> None:
    note = Note("shop", "replaced", "weekly_20261122_000000", "2026-11-24T21:34:55+00:00", "it's ü")
    assert Note.parse(note.to_text()) == note


@given(pieces=st.lists(st.integers(1, 200), max_size=40))
def test_a_script_is_restricted_by_a_key_that_it_cannot_know_and_loses_its_own(pieces: list[int]) -> None:
    script = b"--\n\\restrict abcDEF123\n\nSELECT 1;\n" + b"x" * 70_000 + b"\nSELECT 2;\n\\unrestrict abcDEF123\n\n"
    stage, output, rest = Restricted(), b"", script
    for size in pieces:
        output += stage.update(rest[: size * 500])
        rest = rest[size * 500 :]
    output += stage.update(rest) + stage.finalize()
    lines = output.splitlines()
    key = lines[0].removeprefix(b"\\restrict ")
    assert len(key) == 64
    assert lines[-1] == b"\\unrestrict " + key
    assert b"abcDEF123" not in output
    assert b"SELECT 1;" in lines
    assert b"SELECT 2;" in lines


def test_two_scripts_have_different_keys() -> None:
    assert Restricted().finalize() != Restricted().finalize()


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ((17, 6), True),
        ((17, 5), False),
        ((15, 14), True),
        ((15, 13), False),
        ((12, 22), False),
        ((18, 0), True),
        ((19,), True),
    ],
)
def test_a_psql_that_would_execute_a_scripts_commands_is_refused(version: tuple[int, ...], fits: bool) -> None:
    program = Program("psql", "/usr/bin/psql", version)
    if fits:
        check_restricts(program)
    else:
        with pytest.raises(PreflightError, match="would execute commands"):
            check_restricts(program)


END = b"COMMIT;\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"


@given(data=st.binary(max_size=9000), cuts=st.lists(st.integers(1, 3000), max_size=10))
def test_only_the_last_commit_is_taken_out(data: bytes, cuts: list[int]) -> None:
    text = b"BEGIN;\nCOMMIT;\n" + data + b"\n" + END
    stage, output, rest = WithoutCommit(), b"", text
    for cut in cuts:
        output += stage.update(rest[:cut])
        rest = rest[cut:]
    output += stage.update(rest) + stage.finalize()
    assert output == b"BEGIN;\nCOMMIT;\n" + data + b"\n" + END.removeprefix(b"COMMIT;")


def test_without_a_commit_at_the_end_nothing_is_committed() -> None:
    stage = WithoutCommit()
    stage.update(b"BEGIN;\nCOMMIT;\nSELECT 1;\n")
    with pytest.raises(FormatError, match="did not end its transaction"):
        stage.finalize()


def test_messages_show_neither_rows_nor_values() -> None:
    told = tool_message(
        "pg_restore: while PROCESSING TOC:\n"
        'pg_restore: error: COPY failed for table "t": ERROR:  invalid input syntax for type integer: "secret"\n'
        'CONTEXT:  COPY t, line 1, column a: "secret"\n'
        'psql:<stdin>:7: ERROR:  duplicate key value violates unique constraint "t_pkey"\n'
        "DETAIL:  Key (a)=(secret) already exists.\n"
        "Command was: INSERT INTO t VALUES ('secret');\n"
    )
    assert "secret" not in told
    assert "invalid input syntax for type integer" in told
    assert 'duplicate key value violates unique constraint "t_pkey"' in told


def test_the_safety_backup_knows_every_option_of_pg_backup() -> None:
    given_by_restore = {
        "login_host", "login_port", "login_user", "login_password", "login_db", "login_unix_socket", "ssl_mode",
        "ca_cert", "ssl_cert", "ssl_key", "connect_params", "pg_bin_dir", "locations", "label", "kind", "environment",
        "verify_key", "profile",
    }  # fmt: skip
    assert set(DEFAULTS) | given_by_restore == set(argument_spec(pg_backup))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"database": ""}, "login_db is empty"),
        ({"jobs": 0}, "jobs is 0"),
        ({"lock_timeout": 0}, "lock_timeout is 0"),
        ({"database": "postgres"}, r"maintenance_db is 'postgres', .* \(say maintenance_db: template1, "),
        ({"src": "/x"}, "give either label"),
        ({"strategy": "sideways"}, "strategy is 'sideways'"),
        ({"expect_environment": None}, "expect_environment is missing"),
        ({"environment": "production"}, "the inventory says"),
    ],
)
def test_options_that_cannot_be_right_are_refused(changes: dict[str, object], message: str) -> None:
    options = {"database": "shop", "label": "shop", "expect_environment": "staging", **changes}
    with pytest.raises(ConfigError, match=message):
        check_strategy(RestoreRequest(**options))
