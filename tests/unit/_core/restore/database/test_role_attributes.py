"""Which of their attributes roles get that a restore makes: all, what its own role may give, or none for a drill."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.globals_script import (
    RolePlan,
    plan_roles,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.role_attributes import (
    given,
    without_denials,
    without_login,
)

SCRIPT = """
CREATE ROLE app;
ALTER ROLE app WITH SUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:it''s LOGIN$x:y' VALID UNTIL '2030-01-01';
CREATE ROLE "LOGIN PASSWORD 'x'";
ALTER ROLE "LOGIN PASSWORD 'x'" WITH NOSUPERUSER CREATEDB NOBYPASSRLS LOGIN;
ALTER ROLE app SET search_path TO 'LOGIN';
GRANT app TO "LOGIN PASSWORD 'x'";
"""
PLAN = plan_roles(SCRIPT, ())


def texts(plan: RolePlan) -> list[str]:
    return [one.text for one in plan.statements]


def test_passwords_and_the_right_to_log_in_are_left_out_and_all_else_is_kept() -> None:
    assert texts(without_login(PLAN, superuser=True)) == [
        "CREATE ROLE app",
        "ALTER ROLE app WITH SUPERUSER INHERIT NOLOGIN VALID UNTIL '2030-01-01'",
        "CREATE ROLE \"LOGIN PASSWORD 'x'\"",
        "ALTER ROLE \"LOGIN PASSWORD 'x'\" WITH NOSUPERUSER CREATEDB NOBYPASSRLS NOLOGIN",
        "ALTER ROLE app SET search_path TO 'LOGIN'",
        "GRANT app TO \"LOGIN PASSWORD 'x'\"",
    ]


def test_for_a_drill_nobody_but_a_superuser_gives_attributes() -> None:
    found = texts(without_login(PLAN, superuser=False))
    assert found[1] == "ALTER ROLE app WITH INHERIT NOLOGIN VALID UNTIL '2030-01-01'"
    assert found[3] == "ALTER ROLE \"LOGIN PASSWORD 'x'\" WITH NOLOGIN"


def test_what_is_so_of_every_new_role_is_not_said() -> None:
    found = texts(without_denials(PLAN))
    assert found[1] == texts(PLAN)[1]
    assert found[3] == "ALTER ROLE \"LOGIN PASSWORD 'x'\" WITH CREATEDB LOGIN"


def test_who_gets_which_of_some_attributes() -> None:
    assert list(given(PLAN, {"SUPERUSER", "CREATEDB"})) == [("app", "SUPERUSER"), ("LOGIN PASSWORD 'x'", "CREATEDB")]
    assert list(given(PLAN, {"BYPASSRLS"})) == []
