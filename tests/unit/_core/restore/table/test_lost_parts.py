"""What a table has lost with another one, told by two definitions of it."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import Section, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.dropped.lost_parts import find_lost_parts
from hypothesis import given
from hypothesis import strategies as st

NAME = "TABLE app.orders"
HEAD = "CREATE TABLE app.orders (\n    "
TEXTS = st.text(alphabet="ab'\"\\(),; \nDEFAULT", max_size=30)


def made(desc: str, drop: str) -> TocEntry:
    return TocEntry(
        1, False, 0, 0, "", desc, Section.PRE_DATA, "", drop, "", "app", "", "", "", "postgres", (), None, 0, 0
    )


SEQUENCE = made("SEQUENCE", "DROP SEQUENCE app.numbers;\n")
FUNCTION = made("FUNCTION", "DROP FUNCTION app.known(integer);\n")
KEY = made("FK CONSTRAINT", "ALTER TABLE ONLY app.orders DROP CONSTRAINT x;\n")


def table(*elements: str, tail: str = "") -> str:
    return HEAD + ",\n    ".join(elements) + f"\n){tail};\n"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(note=TEXTS, name=TEXTS.filter(bool))
def test_a_default_is_given_back_whatever_stands_around_it(note: str, name: str) -> None:
    column = '"' + name.replace('"', '""') + '"'
    others = [
        "id integer NOT NULL",
        f"note text DEFAULT {literal(note)}",
        "amount numeric(10,2) DEFAULT (1 + (2)) NOT NULL",
    ]
    default = "nextval('app.numbers'::regclass)"
    was = table(*others, f"{column} integer DEFAULT {default} NOT NULL")
    now = table(*others, f"{column} integer NOT NULL", "later integer")
    lost = find_lost_parts(NAME, was, now, [SEQUENCE, KEY])
    assert lost.statements == (f"ALTER TABLE ONLY app.orders ALTER COLUMN {column} SET DEFAULT {default};",)
    assert lost.for_ever == ()


def test_a_check_is_given_back_and_a_column_is_not() -> None:
    check = "CONSTRAINT known CHECK (app.known(client))"
    was = table("client integer", "doubled boolean GENERATED ALWAYS AS (app.known(client)) STORED", check)
    lost = find_lost_parts(NAME, was, table("client integer"), [FUNCTION])
    assert lost.statements == (f"ALTER TABLE app.orders ADD {check};",)
    assert lost.for_ever == ("it has lost its column doubled",)


def test_what_does_not_speak_of_what_is_made_was_changed_by_somebody() -> None:
    was = table(
        "a integer DEFAULT 5",
        "b text",
        "c integer DEFAULT nextval('app.numbers2'::regclass)",
        "CONSTRAINT c CHECK (a > 0)",
    )
    assert find_lost_parts(NAME, was, table("a integer", "c integer"), [SEQUENCE, FUNCTION, KEY]).statements == ()


def test_a_child_that_is_there_without_its_parent_is_told() -> None:
    parent = made("TABLE", "DROP TABLE app.parent;\n")
    lost = find_lost_parts(NAME, table("a integer", tail="\nINHERITS (app.parent)"), table("a integer"), [parent])
    assert lost.for_ever == ("it no longer inherits",)
