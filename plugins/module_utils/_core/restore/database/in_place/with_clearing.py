"""A restore in place that knows what else is in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ....errors import PreflightError
from ....postgres.activity import activity_reported
from ....postgres.archive import Toc, object_name
from ....postgres.archive.copy_statement import CopyStatement
from ....postgres.connection import connect
from ....postgres.types import Connection
from ....texts import bounded_list
from ...outbound.forecast import NOTHING_FORESEEN, foresee
from ..plan import RestorePlan
from ..target import elsewhere
from .clearing import plan_clearing
from .extra_objects import STEP
from .platform_objects import NO_SHARE, PlatformObjects, plan_platform_objects
from .present import PresentSchema


def _share(connection: Connection, plan: RestorePlan, toc: Toc, present: Toc) -> PlatformObjects:
    profile = plan.request.profile
    if profile is None:
        return NO_SHARE

    def columns(dump_id: int) -> Collection[str]:
        entry = toc.by_id[dump_id]
        copy = CopyStatement.parse(entry.copy_stmt)
        if copy is None:
            raise PreflightError(
                STEP,
                f"{plan.contents.name} has the rows of {entry.namespace}.{entry.tag} as INSERT statements, which "
                f"cannot take the place of those of a table of {profile.title}'s",
                hint="nothing was touched; take a dump that was made without --inserts",
            )
        return copy.columns

    share = plan_platform_objects(
        connection,
        profile,
        toc,
        present,
        columns,
        expected=plan.request.expected,
        role=plan.target.role,
        superuser=plan.target.superuser,
    )
    if share.owners and plan.contents.archive is None:
        names = bounded_list([object_name(toc.by_id[dump_id]) for dump_id in share.owners])
        raise PreflightError(
            STEP,
            f"in {plan.contents.name}, which is a file, this belongs to roles of {profile.title}'s: {names}",
            hint="nothing was touched; only what is restored from a set can become the role's own. Make these in the "
            f"project first, or leave them out: expected_differences: ['{object_name(toc.by_id[min(share.owners)])}']",
        )
    return share


def with_clearing(plan: RestorePlan) -> RestorePlan:
    """The same plan with what is to be moved out of the way; a script clears its way itself.

    :raises PreflightError: what is in the way and cannot be moved.
    """
    toc = plan.contents.toc
    if toc is None or plan.pg_dump is None:
        return plan
    name, version = plan.target.name, plan.target.version_num
    with plan.environment(name) as environment, activity_reported(elsewhere(plan.options, name)):
        present = PresentSchema(plan.pg_dump, environment, plan.request.lock_timeout, plan.without)
    connection = connect(elsewhere(plan.options, name), lock_timeout=plan.request.lock_timeout)
    try:
        share = _share(connection, plan, toc, present.toc)
        clearing = plan_clearing(
            connection,
            toc,
            present.toc,
            plan.request.expected,
            owner=plan.owner,
            superuser=plan.target.superuser,
            subscriptions=[one.name for one in plan.subscriptions],
            share=share,
            calling=NOTHING_FORESEEN if plan.request.outbound == "active" else foresee(present.toc),
        )
    finally:
        connection.close()
    kept = [entry.dump_id for entry in clearing.extra_objects.kept]
    return replace(
        plan,
        clearing=clearing,
        put_back=present.script(kept, plan.pg_restore, version) if kept else b"",
        warnings=(*plan.warnings, *clearing.warnings),
    )
