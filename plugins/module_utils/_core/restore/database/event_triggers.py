"""Event triggers of a dump: they would fire at whatever is restored behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...postgres.archive import Toc


def event_triggers(toc: Toc) -> tuple[int, ...]:
    """The dump ids of event triggers, and of what is said of them."""
    them = {entry.dump_id for entry in toc.entries if entry.desc == "EVENT TRIGGER"}
    return tuple(
        entry.dump_id
        for entry in toc.entries
        if entry.dump_id in them
        or (entry.desc in ("COMMENT", "SECURITY LABEL") and them.intersection(entry.dependencies))
    )


def in_order(toc: Toc, without: Collection[int] = ()) -> list[int]:
    """The dump ids of entries as they are carried out, event triggers last.

    pg_dump puts them before the materialized views that are filled, and several processes make both at the same time.

    :param without: dump ids of what is not carried out.
    """
    last = event_triggers(toc)
    ids = [*(entry.dump_id for entry in toc.entries if entry.dump_id not in last), *last]
    return [dump_id for dump_id in ids if dump_id not in without]


def listed(dump_ids: Iterable[int]) -> str:
    """The list of entries in the form of ``pg_restore --use-list``."""
    return "".join(f"{dump_id};\n" for dump_id in dump_ids)
