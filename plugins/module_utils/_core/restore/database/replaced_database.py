"""The database that a restore has replaced: dropped when nobody needs it any more, or brought back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ...errors import PreflightError, after_change
from ...postgres.connection import ConnectionOptions
from ...postgres.types import Composable, Connection
from ...texts import bounded_list
from .naming import LOADING, REPLACED, UNDONE, beside
from .request import RestoreRequest
from .rights import check_may_create, check_owned
from .sessions import sessions
from .side_by_side.creating import drop_database, set_template
from .side_by_side.rename import DatabaseRename, rename_databases
from .subscriptions import enable, subscriptions_of
from .target import STEP, Target, elsewhere


@dataclass(frozen=True)
class Kept:
    """The databases of earlier restores that were dropped, and the one that is kept.

    :param dropped: names of those that were dropped, or in check mode would be.
    :param returned: the one that is in use again.
    :param kept_as: the name of the one that was in use until then.
    :param warnings: what is left to do.
    """

    changed: bool
    dropped: tuple[str, ...] = ()
    returned: str | None = None
    kept_as: str | None = None
    warnings: tuple[str, ...] = ()


def reap_unfinished(connection: Connection, options: ConnectionOptions, target: Target) -> list[str]:
    """Drop what killed restores of the same database have left half made; the restore's lock is held."""
    left = [*target.unborn, *(name for name, note in target.others.items() if note.kind == LOADING)]
    for name in left:
        drop_database(connection, options, name)
    return left


def finalize(
    connection: Connection, options: ConnectionOptions, target: Target, request: RestoreRequest, *, check_mode: bool
) -> Kept:
    """Drop every other version of the database that our restores have kept.

    :raises PreflightError: the database itself is not there, so that the kept one may be all there is; or somebody
        uses one of them.
    """
    kept = [name for name, note in target.others.items() if note.kind in (REPLACED, UNDONE)]
    if kept and target.database is None:
        raise PreflightError(
            STEP,
            f"there is no database {target.name!r}: {', '.join(kept)} may be all there is",
            hint="nothing was dropped",
        )
    if kept:
        check_owned(target.database, target)
    for name in kept:
        if not request.end_connections and (there := sessions(connection, name)):
            raise PreflightError(
                STEP,
                f"database {name!r} is in use (pid {there[0][0]})",
                hint="nothing was dropped; end these sessions, or set end_connections: true",
            )
    slots = [] if check_mode else [slot for name in kept for slot in drop_database(connection, options, name)]
    return Kept(bool(kept), dropped=tuple(kept), warnings=tuple(_unused(connection, target.name, slots)))


def _unused(connection: Connection, database: str, slots: Sequence[str]) -> Iterator[str]:
    """Slots at publishers that nobody knows any more, and that keep everything there for ever."""
    known = {one.slot for one in subscriptions_of(connection, database)}
    if unknown := sorted(set(slots) - known):
        yield (
            f"slots at the publisher that no subscription uses any more: {bounded_list(unknown)}: "
            "SELECT pg_drop_replication_slot(...) there"
        )


def revert(
    connection: Connection, options: ConnectionOptions, target: Target, request: RestoreRequest, *, check_mode: bool
) -> Kept:
    """Bring the replaced database back; the restored one is kept beside it until it is finalized.

    :raises PreflightError: there is nothing to bring back.
    """
    kept = sorted((note.time, name) for name, note in target.others.items() if note.kind in (REPLACED, UNDONE))
    if not kept:
        raise PreflightError(
            STEP,
            f"no database is kept that a restore of {target.name!r} has replaced",
            hint="it was finalized, or nothing was restored side by side",
        )
    _time, name = kept[-1]
    note = target.others[name]
    if note.kind == UNDONE:
        return Kept(False)
    check_owned(target.database, target)
    check_may_create(target)
    now = datetime.now(timezone.utc)
    kept_as = beside(target.name, "old", now, target.names) if target.database is not None else None
    if check_mode:
        return Kept(True, returned=name, kept_as=kept_as)
    comment = None if target.database is None else target.database.comment
    undone = replace(note, kind=UNDONE, time=now.isoformat(timespec="seconds"), comment=comment, subscriptions=())
    existing = target.database
    before: list[Composable] = []
    if existing is not None:
        before = [
            *set_template(target.name, existing, is_template=False),
            *set_template(name, existing, is_template=True),
        ]
    rename_databases(
        connection,
        elsewhere(options, request.beside),
        DatabaseRename(target.name, kept_as, name, note=undone.to_text(), comment=note.comment, before=before),
        end_connections=request.end_connections,
    )
    with after_change():
        warnings = enable(options, target.name, note.subscriptions)
    return Kept(True, returned=name, kept_as=kept_as, warnings=tuple(warnings))
