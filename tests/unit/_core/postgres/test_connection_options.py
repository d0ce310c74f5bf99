"""How a database is reached, before anybody connects."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, conninfo
from psycopg2.extensions import parse_dsn

SECRET = "canary's \\ secret"


def test_a_modules_parameters_become_options_and_others_are_passed_over() -> None:
    options = ConnectionOptions.parse({"login_host": "db", "login_db": "shop", "label": "shop", "ca_cert": None})
    assert options == ConnectionOptions(login_host="db", login_db="shop")


def test_the_password_is_in_no_representation() -> None:
    options = ConnectionOptions(login_password=SECRET, connect_params={"sslpassword": SECRET})
    assert "canary" not in repr(options) + str(options) + options.target
    assert "password" not in options.parameters()


def test_a_connection_string_carries_any_password_unchanged() -> None:
    options = ConnectionOptions(login_host="db", login_db="shop", login_password=SECRET)
    assert parse_dsn(conninfo(options))["password"] == SECRET


def test_parameters_of_libpq_take_precedence() -> None:
    options = ConnectionOptions(
        login_host="db", login_user="one", connect_params={"user": "two", "sslmode": "require", "keepalives": True}
    )
    assert options.parameters() | {"user": "two", "sslmode": "require", "keepalives": "1"} == options.parameters()
    assert options.user == "two"


@pytest.mark.parametrize("host", ["", "localhost"])
def test_the_socket_is_used_for_this_host(host: str) -> None:
    options = ConnectionOptions(login_host=host, login_unix_socket="/run/pg")
    assert options.parameters()["host"] == "/run/pg"


def test_another_host_wins_over_the_socket() -> None:
    assert ConnectionOptions(login_host="db", login_unix_socket="/run/pg").host == "db"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"client_encoding": "LATIN1"}, "client_encoding"),
        ({"replication": "database"}, "replication"),
        ({"dsn": "host=elsewhere"}, "dsn"),
        ({"bad name": "x"}, "bad name"),
        ({"options": ["a"]}, "options"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ConnectionOptions(connect_params=parameters)
