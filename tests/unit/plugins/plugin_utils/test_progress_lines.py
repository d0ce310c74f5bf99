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


def test_the_page_shows_lines_as_they_are() -> None:
    numbers = {"estimated": True, "table": "public.orders", "tables": 12, "tables_total": 40}
    gib = 1024 * MIB
    dumped = {"done": 3.2 * gib, "total": 9.8 * gib, "seconds": 70.0, **numbers}
    waiting = "waits for a lock on public.orders behind pid 4711, application 'psql', role 'app'"
    building = "builds the index orders_customer of public.orders (building index: scanning table, 43 %)"
    loaded = {"done": 9.7 * gib, "total": 9.8 * gib, "seconds": 240.0, **numbers}
    shown = [
        line("pg_backup", "shop", {**STAGE, **dumped}, 72.0),
        line("pg_backup", "shop", {**STAGE, "name": "at work", "doing": waiting}, 25.0),
        line(
            "restore_database",
            "shop",
            {**STAGE, **loaded, "name": "load the database", "table": "public.events", "doing": building},
            240.0,
        ),
    ]
    compared = [block for block in blocks("docs/progress.md") if block.text.startswith("mobul.backup: ")]
    assert len(compared) == 2
    for block in compared:
        assert not not_told(block, "\n".join(shown)), shown
