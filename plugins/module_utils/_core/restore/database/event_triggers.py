"""Event triggers of a dump: they would fire at whatever is restored behind them."""

from __future__ import annotations

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
