"""Names of tables, from a person's text to exactly one table."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.names import display_name, parse_name
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import (
    TableInfo,
    find_table,
    resolve_table,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20)


def tables(*names: str) -> list[TableInfo]:
    return [TableInfo(*name.split("/"), bytes=0) for name in names]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(NAMES, NAMES)
def test_a_quoted_name_is_read_exactly(schema: str, table: str) -> None:
    assert parse_name(f"{quoted(schema)}.{quoted(table)}") == (schema, table)


@given(NAMES, NAMES)
def test_any_table_is_found_by_its_quoted_name_among_similar_ones(schema: str, table: str) -> None:
    wanted = TableInfo(schema, table, 0)
    others = [TableInfo(schema + "x", table, 0), TableInfo(schema, table + "x", 0), TableInfo(table, schema + "_", 0)]
    assert resolve_table(f"{quoted(schema)}.{quoted(table)}", [*others, wanted]) == (schema, table)


@given(NAMES, NAMES)
def test_a_displayed_name_is_one_printable_line(schema: str, table: str) -> None:
    assert display_name((schema, table)).isprintable()


def test_a_byte_of_no_encoding_is_written_as_it_is_shown() -> None:
    table = ("s\udce9", "t\udcff")
    assert display_name(table) == r'"s\udce9"."t\udcff"'
    assert parse_name(display_name(table)) == table
    assert parse_name(r"t\udcff") == (None, "t\udcff")
    assert parse_name(r"t\udc0f\u00e9") == (None, r"t\udc0f\u00e9")


def test_plain_names_are_displayed_as_sql_has_them() -> None:
    assert display_name(("public", "users")) == "public.users"
    assert display_name(("public", "User")) == 'public."User"'
    assert display_name(("a.b", 'c"d\n')) == '"a.b"."c""d\\n"'


@pytest.mark.parametrize("text", ["", ".", "a.", ".b", "a.b.c", '"', '""', '"a', 'a"b', '"a"b', "a\0b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a table"):
        parse_name(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("users", ("public", "users")),
        ("audit.users", ("audit", "users")),
        ("log", ("audit", "log")),
        ("User", ("public", "User")),
        ("USERS", ("public", "users")),
        ('"USERS"', None),
        ("AUDIT.Log", ("audit", "log")),
        ("security-log", ("audit", "security-log")),
        ('"we.ird"."ta ble"', ("we.ird", "ta ble")),
        ("we.ird", None),
    ],
)
def test_a_name_means_one_table_or_none(text: str, expected: tuple[str, str] | None) -> None:
    known = tables(
        "audit/log", "audit/users", "audit/security-log", "public/users", "public/User", "we.ird/ta ble", "zoo/User"
    )
    if expected is None:
        with pytest.raises(ConfigError):
            resolve_table(text, known)
    else:
        assert resolve_table(text, known) == expected


def test_an_ambiguous_name_is_refused_with_all_it_could_mean() -> None:
    with pytest.raises(ConfigError, match=r"several tables: a\.events, b\.events") as caught:
        resolve_table("events", tables("a/events", "b/events"))
    assert "schema" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["recipient", "publc.recipients", "public.recipient", "Recipents"])
def test_an_unknown_name_is_answered_with_the_nearest(text: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean public\.recipients"):
        resolve_table(text, tables("public/recipients", "public/orders"))


def test_an_exact_name_is_looked_for_exactly() -> None:
    known = tables("public/users", "public/User")
    assert find_table(("public", "User"), known).name == "User"
    with pytest.raises(ConfigError):
        find_table(("public", "USER"), known)
