"""A restore in place that knows what else is in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ....errors import PreflightError
from ....postgres.archive import Toc
from ....postgres.connection import connect
from ....postgres.types import Connection
from ...outbound.forecast import NOTHING_FORESEEN, foresee
from ..plan import RestorePlan
from ..target import elsewhere
from .clearing import plan_clearing
from .extra_objects import STEP
from .platform_objects import NO_SHARE, PlatformObjects, plan_platform_objects
from .present import PresentSchema


def _share(connection: Connection, plan: RestorePlan, toc: Toc, present: Toc) -> PlatformObjects:
    profile, archive = plan.request.profile, plan.contents.archive
    if profile is None:
        return NO_SHARE
    if archive is None:
        raise PreflightError(
            STEP,
            f"{plan.contents.name} is a file, and profile {profile.name} restores sets in place",
            hint="nothing was touched; restore it into another database, with strategy: side_by_side",
        )

    def columns(dump_id: int) -> Collection[str]:
        return archive.copy(dump_id).columns

    return plan_platform_objects(
        connection,
        profile,
        toc,
        present,
        columns,
        expected=plan.request.expected,
        role=plan.target.role,
        superuser=plan.target.superuser,
    )


def with_clearing(plan: RestorePlan) -> RestorePlan:
    """The same plan with what is to be moved out of the way; a script clears its way itself.

    :raises PreflightError: what is in the way and cannot be moved.
    """
    toc = plan.contents.toc
    if toc is None or plan.pg_dump is None:
        return plan
    name, version = plan.target.name, plan.target.version_num
    with plan.environment(name) as environment:
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
