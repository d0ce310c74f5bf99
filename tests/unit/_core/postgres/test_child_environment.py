"""The environment of programs that speak libpq."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import environment
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.environment import (
    child_environment_for,
    password_line,
    private_file,
)
from hypothesis import given
from hypothesis import strategies as st

SECRET = "canary-secret"
OPTIONS = ConnectionOptions(login_host="db", login_db="shop", login_password=SECRET, ssl_mode="verify-full")


def test_options_become_variables() -> None:
    with child_environment_for(OPTIONS) as variables:
        expected = {"PGHOST": "db", "PGPORT": "5432", "PGDATABASE": "shop", "PGSSLMODE": "verify-full"}
        assert variables | expected == variables


def test_the_password_is_in_a_private_file_only_and_gone_afterwards() -> None:
    with child_environment_for(OPTIONS) as variables:
        assert SECRET not in "".join(variables.values())
        path = variables["PGPASSFILE"]
        assert SECRET in Path(path).read_text()
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.path.exists(path)


def test_without_a_password_libpq_looks_for_its_own() -> None:
    with child_environment_for(ConnectionOptions(login_host="db")) as variables:
        assert "PGPASSFILE" not in variables and "PGPASSWORD" not in variables


def test_a_password_of_several_lines_is_passed_on_whole() -> None:
    options = ConnectionOptions(login_host="db", login_password="one\ntwo")
    with child_environment_for(options) as variables:
        assert variables["PGPASSWORD"] == "one\ntwo"


def test_our_own_environment_counts_where_the_options_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "/ca.pem")
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with child_environment_for(ConnectionOptions(login_host="db", ssl_mode="require")) as variables:
        assert variables["PGSSLROOTCERT"] == "/ca.pem"
        assert variables["PGSSLMODE"] == "require"
        assert SECRET in Path(variables["PGPASSFILE"]).read_text()
        assert SECRET not in "".join(variables.values())


@pytest.mark.parametrize(("version", "timeouts"), [(130000, 2), (150018, 3), (170010, 4)], ids=["13", "15", "17"])
def test_only_timeouts_that_the_server_knows_are_switched_off(version: int, timeouts: int) -> None:
    with child_environment_for(OPTIONS, server_version_num=version) as variables:
        assert variables["PGOPTIONS"].count("timeout=0") == timeouts


def test_a_poolers_client_sends_no_startup_options() -> None:
    with child_environment_for(OPTIONS) as variables:
        assert "PGOPTIONS" not in variables


def test_the_users_own_startup_options_come_first() -> None:
    options = ConnectionOptions(login_host="db", connect_params={"options": "-c work_mem=1MB"})
    with child_environment_for(options, server_version_num=170000) as variables:
        assert variables["PGOPTIONS"].startswith("-c work_mem=1MB -c statement_timeout=0")


def test_parameters_without_a_variable_travel_in_a_private_service_file() -> None:
    options = ConnectionOptions(login_host="db", connect_params={"keepalives_idle": 5, "sslpassword": SECRET})
    with child_environment_for(options) as variables:
        assert SECRET not in "".join(variables.values())
        lines = Path(variables["PGSERVICEFILE"]).read_text().splitlines()
        assert lines == [f"[{variables['PGSERVICE']}]", "keepalives_idle=5", f"sslpassword={SECRET}"]


def test_a_service_of_the_users_cannot_be_combined_with_such_parameters() -> None:
    options = ConnectionOptions(connect_params={"service": "prod", "keepalives_idle": 5})
    with pytest.raises(ConfigError, match="keepalives_idle"), child_environment_for(options):
        pass


@given(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=("Cs",)), min_size=1))
def test_a_password_line_holds_any_password(password: str) -> None:
    # As libpq reads it: a backslash takes the next character literally, a colon ends a field.
    fields, escaped = [""], False
    for character in password_line(password).rstrip("\n"):
        if not escaped and character == "\\":
            escaped = True
        elif not escaped and character == ":":
            fields.append("")
        else:
            fields[-1] += character
            escaped = False
    assert fields == ["*", "*", "*", "*", password]


def test_where_there_are_no_anonymous_files_a_private_directory_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(environment.os, "memfd_create")
    previous = os.umask(0)
    try:
        with private_file(SECRET) as path:
            assert Path(path).read_text() == SECRET
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    finally:
        os.umask(previous)
    assert not os.path.exists(os.path.dirname(path))
