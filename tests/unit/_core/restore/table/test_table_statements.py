"""Statements of pg_dump about one table, turned to a table of the same name elsewhere."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.swap.statements import (
    QualifiedName,
    keep_casts,
    move_statements,
    split_statements,
)

NAME = QualifiedName("app", '"a.b ""c"""')


@pytest.mark.parametrize(
    ("statement", "moved"),
    [
        ("CREATE TABLE {}.{} (\n    x text DEFAULT 'CREATE TABLE {}.{} ('\n);", "CREATE TABLE {}.{} ("),
        ("CREATE UNLOGGED TABLE {}.{} (\n);", "CREATE UNLOGGED TABLE {}.{} ("),
        ("ALTER TABLE ONLY {}.{} ALTER COLUMN x SET STATISTICS 5;", "ALTER TABLE ONLY {}.{} ALTER"),
        ('CREATE UNIQUE INDEX "i; ;" ON ONLY {}.{} USING btree (x);', 'CREATE UNIQUE INDEX "i; ;" ON ONLY {}.{} USING'),
    ],
)
def test_only_the_name_at_the_head_is_another(statement: str, moved: str) -> None:
    given = statement.replace("{}.{}", str(NAME))
    [found] = move_statements(given, NAME, "elsewhere")
    head = moved.replace("{}.{}", str(QualifiedName("elsewhere", NAME.table)))
    assert found.startswith(head)
    assert found[len(head) :] == given[len(moved.replace("{}.{}", str(NAME))) :]


def test_the_sequence_of_an_identity_goes_along() -> None:
    text = (
        f"ALTER TABLE {NAME} ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n"
        "    SEQUENCE NAME app.s\n    CACHE 1\n);\n"
        "ALTER SEQUENCE app.s SET LOGGED;\n"
    )
    first, second = move_statements(text, NAME, "new")
    assert "SEQUENCE NAME new.s\n" in first
    assert second == "ALTER SEQUENCE new.s SET LOGGED;"


def test_what_pg_dump_does_not_write_is_refused() -> None:
    with pytest.raises(FormatError):
        move_statements("DROP TABLE app.x;", QualifiedName("app", "x"), "new")
    with pytest.raises(FormatError):
        move_statements("ALTER TABLE app.xx ADD y integer;", QualifiedName("app", "x"), "new")


def test_statements_end_only_at_semicolons_that_end_them() -> None:
    text = "A ';' \";\" E'\\';' $$;$$ $x$;$$;$x$ -- ;\n;B;\n\nC"
    assert list(split_statements(text)) == ["A ';' \";\" E'\\';' $$;$$ $x$;$$;$x$ -- ;\n;", "B;", "C"]


def test_an_array_that_is_cast_as_a_whole_stays_so() -> None:
    text = "= ANY ((ARRAY['a'::character varying, 'it''s'::character varying(3)])::text[])"
    assert keep_casts(text) == text.replace(")::text[]", ")::character varying[])::text[]").replace("(ARRAY", "((ARRAY")
    assert keep_casts("ARRAY[('a'::character varying)::text]") == "ARRAY[('a'::character varying)::text]"
