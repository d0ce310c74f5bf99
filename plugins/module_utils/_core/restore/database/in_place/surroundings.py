"""A restore in place that knows what else is in the database."""

from __future__ import annotations

from dataclasses import replace

from ....postgres.connection import connect
from ..plan import RestorePlan
from ..target import elsewhere
from .clearing import plan_clearing
from .present import PresentSchema


def with_surroundings(plan: RestorePlan) -> RestorePlan:
    """The same plan with what is to be moved out of the way; a script clears its way itself.

    :raises PreflightError: what is in the way and cannot be moved.
    """
    toc = plan.contents.toc
    if toc is None or plan.pg_dump is None:
        return plan
    name, version = plan.target.name, plan.target.version_num
    with plan.environment(name) as environment:
        present = PresentSchema(plan.pg_dump, environment, plan.request.lock_timeout)
    connection = connect(elsewhere(plan.options, name), lock_timeout=plan.request.lock_timeout)
    try:
        clearing = plan_clearing(
            connection,
            toc,
            present.toc,
            plan.request.expected,
            owner=plan.owner,
            superuser=plan.target.superuser,
            subscriptions=[one.name for one in plan.subscriptions],
        )
    finally:
        connection.close()
    kept = [entry.dump_id for entry in clearing.strangers.kept]
    return replace(
        plan,
        clearing=clearing,
        put_back=present.script(kept, plan.pg_restore, version) if kept else b"",
        warnings=(*plan.warnings, *clearing.warnings),
    )
