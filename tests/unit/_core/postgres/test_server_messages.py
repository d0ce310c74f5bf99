"""What is said of an error of libpq or the server."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.messages import (
    connection_hint,
    in_one_line,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.texts import bounded_list


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ('FATAL:  password authentication failed for user "app"', "login_password"),
        ("fe_sendauth: no password supplied", "login_password"),
        ("FATAL:  Tenant or user not found", "role.project"),
        ('FATAL:  database "shp" does not exist', "login_db"),
        ('could not translate host name "db" to address: Name or service not known', "login_host"),
        ('connection to server at "db.abc.supabase.co" failed: Network is unreachable', "IPv6"),
        ('could not translate host name "db.abc.supabase.co" to address: Name or service not known', "session pooler"),
        ("connection failed: Connection refused", "login_port"),
        ("server does not support SSL, but SSL was required", "ssl_mode"),
        ('root certificate file "/root/.postgresql/root.crt" does not exist', "ca_cert"),
        ("SSL error: certificate verify failed", "ca_cert"),
        ('server certificate for "a" does not match host name "b"', "login_host"),
        ('invalid connection option "foo"', "connect_params"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
    ],
)
def test_a_failed_connection_is_explained(message: str, hint: str) -> None:
    assert hint in str(connection_hint(message, "db", 5432))


def test_an_unknown_failure_has_no_invented_hint() -> None:
    assert connection_hint("the moon is full", "db", 5432) is None


def test_the_same_line_for_every_address_is_told_once() -> None:
    assert in_one_line("a failed\n\tis it up?\na failed\n") == "a failed; is it up?"


def test_long_lists_are_cut_and_counted() -> None:
    names = [f"t{number}" for number in range(12)]
    assert bounded_list(names, limit=2) == "t0, t1 and 10 more"
    assert bounded_list(names[:2], limit=2) == "t0, t1"
    assert bounded_list(names[:2], 7, limit=2) == "t0, t1 and 5 more"
    assert bounded_list(names[:2], 7_002, limit=2, separator="; ") == "t0; t1 and 7,000 more"
