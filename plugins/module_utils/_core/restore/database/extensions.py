"""Extensions that a backup wants and the server does not have: known before anything is touched."""

from __future__ import annotations

from dataclasses import replace

from ...errors import PreflightError
from ...postgres.messages import bounded_list, database_errors
from .plan import RestorePlan
from .target import STEP

_AVAILABLE = """
SELECT e.name, v.superuser AND NOT v.trusted
FROM pg_catalog.pg_available_extensions e
LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
"""
_TRUST_SINCE = 130000


def check_extensions(plan: RestorePlan) -> RestorePlan:
    """Check what will be made; what is expected to be missing may be.

    :return: the plan, warning of what the role may not be allowed to make: some services let others than superusers.
    :raises PreflightError: naming all that the server does not have.
    """
    toc, left = plan.contents.toc, frozenset[int]() if plan.clearing is None else plan.clearing.left
    entries = toc.entries if toc is not None else ()
    made = [entry.tag for entry in entries if entry.desc == "EXTENSION" and entry.dump_id not in left]
    wanted = [name for name in made if not plan.request.expected(f"EXTENSION {name}")]
    if not wanted or plan.target.version_num < _TRUST_SINCE:
        return plan
    with database_errors(STEP), plan.maintenance.cursor() as cursor:
        cursor.execute(_AVAILABLE)
        untrusted = dict(cursor.fetchall())
    if lacking := [name for name in wanted if name not in untrusted]:
        raise PreflightError(
            STEP,
            f"the server does not have the extensions {bounded_list(lacking)}",
            hint="nothing was touched; install them there, or restore without: "
            f"expected_differences: ['EXTENSION {lacking[0]}']",
        )
    doubtful = [name for name in wanted if untrusted[name] and not plan.target.superuser]
    if not doubtful:
        return plan
    told = f"only a superuser makes the extensions {bounded_list(doubtful)}, unless this server allows it otherwise"
    return replace(plan, warnings=(*plan.warnings, told))
