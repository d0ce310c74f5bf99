"""What a line of progress says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils.progress import line
from support.pages import blocks, not_told

MIB = 1024 * 1024
STAGE = {
    "name": "dump the database",
    "total": None,
    "estimated": False,
    "done": 0,
    "table": "",
    "tables": 0,
    "tables_total": None,
    "doing": "",
    "seconds": 10.0,
}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, "12 seconds so far"),
        ({"done": 20 * MIB}, "20.0 MiB, 2.0 MiB/s, 12 seconds so far"),
        (
            {"done": 20 * MIB, "total": 80 * MIB},
            "20.0 MiB of 80.0 MiB (25 %), 2.0 MiB/s, about 30 seconds left, 12 seconds so far",
        ),
        # An estimate may be exceeded, and then nothing is known of what is left.
        (
            {"done": 20 * MIB, "total": 10 * MIB, "estimated": True},
            "20.0 MiB of about 10.0 MiB (99 %), 2.0 MiB/s, 12 seconds so far",
        ),
        (
            {"tables": 3, "tables_total": 40, "table": "public.orders"},
            "table 3 of 40 (public.orders), 12 seconds so far",
        ),
        ({"seconds": 0.0, "done": 5}, "5 B, 12 seconds so far"),
        ({"doing": "waits for a lock behind pid 7"}, "waits for a lock behind pid 7, 12 seconds so far"),
    ],
)
def test_a_line_says_what_is_known(found: dict[str, Any], expected: str) -> None:
    told = line("pg_backup", "shop", {**STAGE, **found}, 12.5)
    assert told == f"mobul.backup: [shop] pg_backup: dump the database: {expected}"


def test_what_a_host_tells_is_one_line_without_control_characters() -> None:
    told = line("restore_table", "shop", {**STAGE, "name": "load\x1b[2J\na", "table": "\u202eb\r", "tables": 1}, 12.5)
    assert told.isprintable()
    assert "restore_table: load\\x1b[2J\\na: table 1 (\\u202eb\\r), " in told


def test_the_page_shows_a_line_as_it_is() -> None:
    (block,) = blocks("docs/progress.md")[:1]
    found = {
        "done": 3.2 * 1024 * MIB,
        "total": 9.8 * 1024 * MIB,
        "estimated": True,
        "table": "public.orders",
        "tables": 12,
        "tables_total": 40,
    }
    assert not not_told(block, line("pg_backup", "shop", {**STAGE, **found, "seconds": 70.0}, 72.0))
