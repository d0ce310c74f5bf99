"""Critical tables are given by their exact names, quoted where they need it."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.request import parse_table
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("orders", ("public", "orders")),
        ("app.orders", ("app", "orders")),
        ("Orders", ("public", "Orders")),
        ('"Odd.Name"', ("public", "Odd.Name")),
        ('app."a""b"', ("app", 'a"b')),
        ('"odd.schema".orders', ("odd.schema", "orders")),
    ],
)
def test_a_name_is_taken_as_it_is(text: str, table: tuple[str, str]) -> None:
    assert parse_table(text) == table


@given(NAMES, NAMES)
def test_every_name_can_be_given_in_quotes(schema: str, name: str) -> None:
    assert parse_table(f"{quote(schema)}.{quote(name)}") == (schema, name)


@pytest.mark.parametrize("text", ["", " ", ".", "a.", ".a", "a..b", "a.b.c", '"a', '"a"b', 'a."b', '""', 'a.""'])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not the name of a table"):
        parse_table(text)
