"""Roles that a drill makes have the rights that objects need of their owners, and nobody can log in as one."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.globals_script import plan_roles
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.roles import without_login

SCRIPT = """
CREATE ROLE app;
ALTER ROLE app WITH SUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:it''s LOGIN$x:y' VALID UNTIL '2030-01-01';
CREATE ROLE "LOGIN PASSWORD 'x'";
ALTER ROLE "LOGIN PASSWORD 'x'" WITH NOSUPERUSER LOGIN;
ALTER ROLE app SET search_path TO 'LOGIN';
GRANT app TO "LOGIN PASSWORD 'x'";
"""


def test_passwords_and_the_right_to_log_in_are_left_out_and_all_else_is_kept() -> None:
    statements = [one.text for one in without_login(plan_roles(SCRIPT, ())).statements]
    assert statements == [
        "CREATE ROLE app",
        "ALTER ROLE app WITH SUPERUSER INHERIT NOLOGIN VALID UNTIL '2030-01-01'",
        "CREATE ROLE \"LOGIN PASSWORD 'x'\"",
        "ALTER ROLE \"LOGIN PASSWORD 'x'\" WITH NOSUPERUSER NOLOGIN",
        "ALTER ROLE app SET search_path TO 'LOGIN'",
        "GRANT app TO \"LOGIN PASSWORD 'x'\"",
    ]
