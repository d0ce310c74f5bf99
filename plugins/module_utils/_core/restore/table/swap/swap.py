"""The strategy ``swap``: a new table is loaded beside the old one, and takes its place in one short moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ....errors import FormatError, PreflightError, SourceError
from ....postgres.archive import Toc, schema_differences
from ....postgres.names import TableName, display_name
from ....texts import bounded_list
from ..columns import Matching, match_columns
from ..comparing import compare_rows
from ..kept_versions import REPLACED, Note, stamp
from ..loading import load
from ..request import TableRequest
from ..rights import Needed, check_rights, owners_of, places_of
from ..session import BrokenKey, Session
from ..source.sources import Backup
from ..target import Target, describe
from .dependents import Catalogue, Dependents, classify, reachable
from .drift import Watch
from .exchange import Exchange
from .missing_keys import explain_key
from .schema_dump import SchemaDump, Tools, dump_schema
from .security_labels import check_labels
from .shadow import Shadow

STEP = "check the table"
_REPLAYED = tuple(f"{kind} " for kind in ("MATERIALIZED VIEW", "POLICY", "RULE", "STATISTICS", "TRIGGER", "VIEW"))
"""What is made again as pg_dump wrote it, letter by letter."""
_SUBSCRIBED = """
SELECT s.subname FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
WHERE r.srrelid = %s
"""


@dataclass(frozen=True)
class SwapPlan:
    """What a swap is going to do; nothing was touched yet."""

    target: Target
    matching: Matching
    before: SchemaDump
    dependents: Dependents
    watch: Watch


@dataclass(frozen=True)
class Swapped:
    """What a swap has done.

    :param old_table: what the table that was there is called now.
    """

    rows: int
    restore_id: str
    old_table: str
    warnings: tuple[str, ...] = ()


def plan_swap(
    session: Session, target: Target, backup: Backup, tools: Tools, column_map: Mapping[str, str]
) -> SwapPlan:
    """Check everything that can be checked; the table is locked against changes of its definition.

    :raises BackupError: what cannot be carried over, named.
    """
    _refuse(session, target)
    matching = match_columns(backup.rows.columns, target, column_map)
    watch = Watch(session, target)
    before = dump_schema(tools)
    dependents = classify(before.toc, target, Catalogue.read(session, target))
    check_labels(session, dependents, target)
    _check_rights(session, target, dependents)
    return SwapPlan(target, matching, before, dependents, watch)


def _check_rights(session: Session, target: Target, dependents: Dependents) -> None:
    dependent = [*dependents.built, *dependents.carried, *dependents.kept, *dependents.rebound]
    needed = Needed(
        owners=owners_of(dependent),
        what=f"parts of {target.name} or what depends on it",
        in_database=("CREATE",),
        in_schemas={(target.table[0], ""), *places_of(dependents.carried)},
        referencing=target.oid,
    )
    check_rights(session, needed)


def swap(session: Session, plan: SwapPlan, backup: Backup, request: TableRequest, *, kind: str = REPLACED) -> Swapped:
    """Carry the plan out, up to but without the commit."""
    now = datetime.now(timezone.utc)
    restore_id = stamp(now)
    target, dependents = plan.target, plan.dependents
    scripts = (plan.before.script(dependents.definitions), plan.before.script(dependents.grants))
    shadow = Shadow(session, target, dependents, f"mobul_restore_{restore_id}")
    made = shadow.create()
    _check_columns(made, target)
    rows = load(session, backup.rows, target, shadow.identifier, plan.matching)
    shadow.complete()
    warnings = compare_rows(session, shadow.table, rows, backup, plan.matching)
    note = Note(target.table, kind, backup.name, now.isoformat(timespec="seconds"))
    exchange = Exchange(
        session=session,
        target=target,
        shadow=shadow,
        plan=dependents,
        watch=plan.watch,
        scripts=scripts,
        note=note,
        restore_id=restore_id,
        lock_timeout=request.lock_timeout,
    )
    try:
        old = exchange.run()
    except BrokenKey as error:
        raise explain_key(session, target, shadow.identifier, error) from None
    return Swapped(rows, restore_id, old, tuple(warnings))


def verify_swap(
    session: Session, plan: SwapPlan, swapped: Swapped, tools: Tools, dropped: Sequence[TableName] = ()
) -> None:
    """Compare the schema with what it was before, the kept table aside; outside of the restore's transaction.

    :param dropped: kept tables that are gone now.
    :raises FormatError: naming what differs, and how to go back.
    :raises SourceError: it could not be compared.
    """
    name = (plan.target.table[0], swapped.old_table)
    back = f"state: reverted brings the old table back, which is kept as {display_name(name)}"
    try:
        kept = describe(session, name)
        after = dump_schema(tools).toc
    except SourceError as error:
        message = f"{plan.target.name} was restored, but the schema could not be compared afterwards: {error.message}"
        raise SourceError("compare the schema", message, hint=back) from None
    if difference := _difference(_without(plan.before.toc, dropped), _without(after, [kept.table])):
        raise FormatError(
            "compare the schema",
            f"{plan.target.name} was restored, but the schema is not what it was: {bounded_list(difference)}",
            hint=back,
        )


def _without(toc: Toc, tables: Sequence[TableName]) -> Toc:
    """The same table of contents without these tables and all that belongs to them."""
    start = [entry.dump_id for entry in toc.entries if entry.desc == "TABLE" and (entry.namespace, entry.tag) in tables]
    excluded = reachable(toc, start)
    return replace(toc, entries=tuple(entry for entry in toc.entries if entry.dump_id not in excluded))


def _difference(before: Toc, after: Toc) -> list[str]:
    """What is not as it was; how the server writes what it was given as it had written it is no difference."""
    found = schema_differences(before, after)
    rewritten = [name for name in found.rewritten if not name.startswith(_REPLAYED)]
    return sorted([*found.missing, *found.strange, *found.changed, *found.moved, *rewritten])


def _refuse(session: Session, target: Target) -> None:
    reason = None
    if target.relkind == "p":
        reason = "it is partitioned: its partitions have the rows"
    elif target.children:
        children = bounded_list([display_name(child) for child in target.children])
        reason = f"other tables inherit from it: {children}"
    elif subscriptions := [name for (name,) in session.rows(_SUBSCRIBED, [target.oid])]:
        reason = f"the subscription {', '.join(subscriptions)} writes to it, and would lose it"
    if reason is not None:
        raise PreflightError(
            STEP, f"strategy swap cannot exchange {target.name}: {reason}", hint="use strategy: merge or replace"
        )


def _check_columns(made: Target, target: Target) -> None:
    found, wanted = ([(column.name, column.type) for column in one.columns] for one in (made, target))
    if found != wanted:
        raise PreflightError(
            STEP,
            f"strategy swap cannot make {target.name} with its columns in the order that they have",
            hint="use strategy: merge or replace; nothing was changed",
        )
