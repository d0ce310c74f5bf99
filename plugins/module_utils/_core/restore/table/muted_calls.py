"""What calls out while rows are put into a table, silent for that long, and told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ...texts import bounded_list
from ..outbound.of_table import TableCalls
from .session import Session

STEP = "mute what calls out"


@contextlib.contextmanager
def calls_muted(session: Session, calls: TableCalls) -> Iterator[None]:
    """A block within the session's transaction in which none of *calls* is made; other sessions see nothing of it."""
    mute_calls(session, calls)
    yield
    with session.at(STEP):
        for statement in calls.after():
            session.execute(statement)


def mute_calls(session: Session, calls: TableCalls) -> None:
    """Mute the functions that would call out; a second call adds those that are new."""
    with session.at(STEP):
        for statement in calls.before(session.connection.server_version):
            session.execute(statement)


def report_muted(report: dict[str, Any], calls: TableCalls) -> dict[str, Any]:
    """The report with the names of the objects that were muted."""
    warnings = [f"would call out, and is muted meanwhile: {bounded_list(calls.names)}"] if calls.names else []
    return {**report, "silenced": calls.names, "summary": [*report["summary"], *warnings]}
