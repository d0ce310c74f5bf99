"""Which statements of pg_dumpall's script are executed on a server that has roles of its own."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.globals_script import (
    plan_roles,
    roles_of,
    split_statements,
)

SCRIPT = r"""--
-- PostgreSQL database cluster dump; it's "odd
--

\restrict abc

SET default_transaction_read_only = off;

CREATE ROLE old;
ALTER ROLE old WITH NOSUPERUSER PASSWORD 'SCRAM-SHA-256$4096:a;b=$c=:d=';
CREATE ROLE "n""ew; --";
ALTER ROLE "n""ew; --" WITH LOGIN PASSWORD 'x''; ALTER ROLE old SUPERUSER; --';
COMMENT ON ROLE "n""ew; --" IS 'two
\! lines; -- and ''more';
ALTER ROLE old SET work_mem TO '8MB';
ALTER ROLE "n""ew; --" SET search_path TO 'a', 'B c';
ALTER ROLE "n""ew; --" IN DATABASE shop SET work_mem TO '8MB';
GRANT old TO "n""ew; --" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY boss;
GRANT old TO older GRANTED BY boss;
GRANT SET ON PARAMETER work_mem TO "n""ew; --";
GRANT SET ON PARAMETER work_mem TO old;
CREATE TABLESPACE fast OWNER old LOCATION '/fast';
ALTER TABLESPACE fast OWNER TO "n""ew; --";
\unrestrict abc
"""
NEW = 'n"ew; --'


def test_only_what_is_about_roles_that_are_missing_is_executed_in_its_order() -> None:
    plan = plan_roles(SCRIPT, {"old", "older", "postgres"})
    assert plan.roles == (NEW,)
    assert [statement.role for statement in plan.statements] == [NEW] * 6
    texts = [statement.text for statement in plan.statements]
    assert texts[0] == 'CREATE ROLE "n""ew; --"'
    assert texts[1].endswith("PASSWORD 'x''; ALTER ROLE old SUPERUSER; --'")
    assert texts[2].endswith("IS 'two\n\\! lines; -- and ''more'")
    assert texts[3].startswith('ALTER ROLE "n""ew; --" SET search_path')
    assert plan.statements[4].fallback == 'GRANT old TO "n""ew; --" WITH ADMIN OPTION, INHERIT TRUE'
    assert texts[5].startswith("GRANT SET ON PARAMETER")


def test_nothing_is_executed_where_all_roles_exist() -> None:
    plan = plan_roles(SCRIPT, {"old", NEW})
    assert (plan.roles, plan.statements) == ((), ())


def test_on_an_empty_server_all_roles_are_made() -> None:
    assert plan_roles(SCRIPT, set()).roles == ("old", NEW)
    assert roles_of(SCRIPT) == {"old", NEW}


def test_tablespaces_and_settings_of_databases_are_left_out() -> None:
    texts = [statement.text for statement in plan_roles(SCRIPT, set()).statements]
    assert not [text for text in texts if "TABLESPACE" in text or "IN DATABASE" in text or text.startswith("SET")]


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("a; b;", ["a", "b"]),
        ("a 'x;y'; b", ["a 'x;y'"]),
        ('a "x;""y"; b;', ['a "x;""y"', "b"]),
        (r"a E'x\';y'; b;", [r"a E'x\';y'", "b"]),
        ("-- it's; a\nb;", ["b"]),
        ("\\connect x\na;", ["a"]),
        ("a '\n\\connect x\n';", ["a '\n\\connect x\n'"]),
        ("", []),
    ],
)
def test_statements_end_where_sql_ends_them(script: str, statements: list[str]) -> None:
    assert list(split_statements(script)) == statements
