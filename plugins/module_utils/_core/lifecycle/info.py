"""The operation behind ``backup_info``: what there is, in which state, and until when."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from ..backupset.naming import SIGNATURE, SetId, check_kind
from ..backupset.record_keys import record_verify_keys
from ..backupset.signing import load_verify_keys
from ..catalogue.all_locations import Catalogue, KnownSet, read_catalogue
from ..catalogue.cache import default_directory
from ..catalogue.identity import Row, databases_of, find_mixture
from ..catalogue.index import objects_stay
from ..errors import ConfigError, LocationError
from ..locations import enter_locations
from ..texts import first_lines, readable_size, text_table
from .retention import Decision, Policy, plan_retention
from .retention.candidates import candidate_of
from .retention.describing import describe_decision

STEP = "read the catalogue"
_DOUBTS_SHOWN = 20
_PROBLEMS = 5
_HEADS = ("set", "when (UTC)", "kind", "state", "size", "copies", "held", "verified", "goes", "why it stays or goes")
_SHOWN = 50
"""Of what is damaged or unfinished no more is told one by one: whoever can write there can make any number."""


def run_backup_info(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Tell what the locations hold of a label, as the parameters of ``backup_info`` say; changes nothing.

    :return: what the module returns.
    :raises BackupError: no location could be read.
    """
    policy = Policy.parse(params["policy"])
    kinds = frozenset(map(check_kind, params["kinds"]))
    if params["limit"] < 0:
        raise ConfigError("check the options", f"limit is {params['limit']}", hint="a number of sets, or 0 for all")
    keys, record_keys = load_verify_keys(params["verify_key"]), record_verify_keys(params)
    with objects_stay(), contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        cache_dir = params["cache_dir"] or default_directory()
        catalogue = read_catalogue(
            locations, params["label"], cache_dir=cache_dir, verify_keys=keys, record_keys=record_keys
        )
        if not catalogue.indexes:
            message = "; ".join(str(error) for error in catalogue.failures.values())
            raise LocationError(locations[0].name, STEP, f"no location could be read: {message}")
        return report_catalogue(catalogue, policy, datetime.now(timezone.utc), kinds, params["limit"])


def report_catalogue(
    catalogue: Catalogue, policy: Policy, now: datetime, kinds: frozenset[str] = frozenset(), limit: int = 0
) -> dict[str, Any]:
    """What the module returns.

    :param kinds: show only these; none for all.
    :param limit: show no more than the newest so many; 0 for all.
    """
    decisions = {one.id: one for one in plan_retention([candidate_of(s, now) for s in catalogue.finished], policy, now)}
    shown = [one for one in catalogue.finished if not kinds or one.id.kind in kinds]
    shown_sets = _sets_shown(shown[-limit:] if limit else shown)
    sets = [_describe(one, decisions[one.id], now) for one in reversed(shown_sets)]
    unfinished = [
        {"id": str(one.id), "location": name, "bytes": copy.size, "modified": _time(copy.modified)}
        for one in catalogue.sets
        for name, copy in one.copies.items()
        if copy.state == "unfinished" and not copy.skipped
    ]
    skipped = [str(one.id) for one in catalogue.sets if one.skipped]
    locations = _locations(catalogue)
    databases = databases_of(catalogue)
    mixture = find_mixture(databases)
    return {
        "changed": False,
        "label": catalogue.label,
        "sets": sets,
        "count": len(shown),
        "damaged": sum(not one.good for one in shown),
        "newest_good": _newest(one for one in catalogue.backups if one.good),
        "newest_verified": _newest(one for one in catalogue.backups if one.counted(now).verified),
        "unfinished": unfinished[-_SHOWN:],
        "unfinished_count": len(unfinished),
        "skipped": skipped[-_SHOWN:],
        "databases": [_describe_row(one) for one in databases[-_SHOWN:]],
        "foreign": list(catalogue.foreign),
        "locations": locations,
        "policy": policy.to_dict(),
        "table": _table(sets),
        "summary": _summary(catalogue, locations, unfinished, skipped),
        "warnings": [
            *([] if mixture is None else [f"{mixture}: {mixture.remedy}"]),
            *(str(error) for error in catalogue.failures.values()),
            *catalogue.unseen,
            *(f"{doubt.location}: {doubt}" for doubt in islice(catalogue.doubts(now), _DOUBTS_SHOWN)),
        ],
    }


def _sets_shown(sets: Sequence[KnownSet]) -> list[KnownSet]:
    """Those that are shown: all that are good, and of the damaged ones the newest."""
    damaged = [one.id for one in sets if not one.good]
    left_out = frozenset(damaged[:-_SHOWN])
    return [one for one in sets if one.id not in left_out]


def _describe(one: KnownSet, decision: Decision, now: datetime) -> dict[str, Any]:
    summary, counted = one.summary, one.counted(now)
    hold, drill = counted.hold, counted.passed
    return {
        "id": str(one.id),
        "kind": one.id.kind,
        "time": _time(one.id.time),
        "state": one.state,
        "bytes": one.size,
        "copies": {name: copy.state for name, copy in one.copies.items()},
        "missing": list(one.missing),
        "problems": first_lines(one.problems, limit=_PROBLEMS),
        "hold": None if hold is None else {"reason": hold.reason, "until": _time(hold.until)},
        "released": one.released_everywhere(counted),
        "released_in": sorted(counted.released & one.copies.keys()),
        "verified": None if drill is None else _time(drill.finished),
        "drills": len(counted.drills),
        "retention": describe_decision(decision),
        "signature": _signature(one) if summary is None else summary.signature,
        "environment": None if summary is None else summary.environment,
        "labels": {} if summary is None else dict(summary.labels),
        "database": None if summary is None else summary.database,
        "system_identifier": None if summary is None else summary.system_identifier,
        "server_version": None if summary is None else summary.server_version,
        "tables": None if summary is None else summary.tables,
        "started": None if summary is None else summary.started,
        "finished": None if summary is None else summary.finished,
    }


def _describe_row(row: Row) -> dict[str, Any]:
    return {
        "name": row.identity.name,
        "system_identifier": row.identity.system,
        "first": str(row.first),
        "last": str(row.last),
        "sets": row.sets,
    }


def _signature(one: KnownSet) -> str:
    """What there is of a signature beside manifests none of which can be used."""
    signed = any(SIGNATURE in copy.objects for copy in one.copies.values())
    return "unverified" if signed else "unsigned"


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _newest(sets: Any) -> str | None:
    ids: list[SetId] = [one.id for one in sets]
    return str(max(ids)) if ids else None


def _locations(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, index in catalogue.indexes.items():
        states = [copy.state for copy in index.copies.values()]
        found[name] = {
            "good": states.count("good"),
            "damaged": states.count("damaged"),
            "missing": sum(name in one.missing for one in catalogue.finished),
            "bytes": sum(copy.size for copy in index.copies.values()),
            "read": index.read,
            "error": None,
        }
    for name, error in catalogue.failures.items():
        found[name] = {"good": 0, "damaged": 0, "missing": 0, "bytes": 0, "read": 0, "error": str(error)}
    return found


def _table(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            one["id"],
            one["time"][:16].replace("T", " "),
            one["kind"],
            one["state"],
            readable_size(one["bytes"]),
            f"{sum(state == 'good' for state in one['copies'].values())}/{len(one['copies']) + len(one['missing'])}",
            _held(one["hold"]),
            (one["verified"] or "-")[:10],
            (one["retention"]["expires"] or "-")[:10] if one["retention"]["keep"] else "due",
            one["retention"]["reason"],
        )
        for one in sets
    ]
    return text_table(_HEADS, rows)


def _held(hold: Mapping[str, Any] | None) -> str:
    if hold is None:
        return "-"
    return "held" if hold["until"] is None else f"until {hold['until'][:10]}"


def _summary(
    catalogue: Catalogue,
    locations: Mapping[str, Mapping[str, Any]],
    unfinished: Sequence[Any],
    skipped: Sequence[str],
) -> list[str]:
    sets = catalogue.finished
    good = sum(1 for one in sets if one.good)
    lines = [f"'{catalogue.label}': {len(sets)} sets, {good} of them good"]
    for name, here in locations.items():
        if here["error"] is not None:
            lines.append(f"{name}: {here['error']}")
            continue
        lines.append(
            f"{name}: {here['good']} good, {here['damaged']} damaged, {here['missing']} missing, "
            f"{readable_size(here['bytes'])}"
        )
    if unfinished:
        lines.append(f"{len(unfinished)} unfinished")
    if skipped:
        lines.append(f"{len(skipped)} skipped because another backup was running")
    damaged = sum(not one.good for one in sets)
    if damaged > _SHOWN:
        lines.append(f"{damaged} damaged, of which the newest {_SHOWN} are listed one by one")
    return [*lines, *(f"damaged or foreign: {problem}" for problem in catalogue.foreign)]
