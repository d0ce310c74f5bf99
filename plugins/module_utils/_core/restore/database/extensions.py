"""Extensions that a backup wants and the server does not have: known before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...errors import PreflightError
from ...platforms.profile import Profile
from ...postgres.archive import Toc, is_borrowed, object_name
from ...postgres.archive.toc import TABLE_DATA
from ...postgres.messages import database_errors
from ...postgres.types import Connection
from ...texts import bounded_list
from .in_place.extra_objects import reachable
from .plan import RestorePlan
from .request import RestoreRequest
from .target import STEP

_AVAILABLE = """
SELECT e.name, v.superuser AND NOT v.trusted
FROM pg_catalog.pg_available_extensions e
LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
"""
_TRUST_SINCE = 130000
_HELD_BY = {TABLE_DATA: "TABLE", "SEQUENCE SET": "SEQUENCE"}


def without_extensions(
    request: RestoreRequest, connection: Connection, toc: Toc | None
) -> tuple[RestoreRequest, list[str]]:
    """Of a hosted database, restore the rest where the server does not have all of the platform's extensions.

    :return: the same request, which expects them and all that depends on them to be missing, and what is told of it.
    """
    if request.profile is None or toc is None:
        return request, []
    wanted = [one for one in toc.entries if one.desc == "EXTENSION" and not request.expected(object_name(one))]
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute(_AVAILABLE)
        available = {name for name, _untrusted in cursor.fetchall()}
    lacking = [one for one in wanted if one.tag not in available]
    if not lacking:
        return request, []
    names = {object_name(toc.by_id[dump_id]) for dump_id in reachable(toc, [one.dump_id for one in lacking])}
    names |= set(_parts(toc, request.profile))
    expected = replace(request.expected, names=frozenset(names) | request.expected.names)
    others = sorted(names - {object_name(one) for one in lacking})
    message = f"the server does not have the extensions {bounded_list([one.tag for one in lacking])}"
    if others:
        message += f", so that this is not restored either: {bounded_list(others)}"
    return replace(request, expected=expected), [message]


def _parts(toc: Toc, profile: Profile) -> Iterator[str]:
    """Rows and values of and grants on parts of extensions, of which no dump says what extension that is."""
    relations = {(one.desc, one.namespace, one.tag) for one in toc.entries if one.desc in ("TABLE", "SEQUENCE")}
    for entry in toc.entries:
        schema = entry.namespace or entry.tag.removeprefix("SCHEMA ")
        if not profile.has_schema(schema):
            continue
        kind = _HELD_BY.get(entry.desc)
        if kind is not None and (kind, entry.namespace, entry.tag) not in relations:
            yield from (object_name(entry), f"{kind} {entry.namespace}.{entry.tag}")
        elif is_borrowed(entry, toc):
            yield object_name(entry)


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
    message = f"only a superuser makes the extensions {bounded_list(doubtful)}, unless this server allows it otherwise"
    return replace(plan, warnings=(*plan.warnings, message))
