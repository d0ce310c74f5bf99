"""Copies that a listing calls good, read to their ends: for a repair of a set that somebody named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ...catalogue.good_set import GoodSet
from ...catalogue.loading import load_set
from ...errors import BackupError, CryptoError, FormatError
from ...locations.base import Location
from ...progress import expect, stage
from ...reading.artifact import NotAsWritten, StoredArtifact
from .planning import ReplicationRequest, SetPlan, Target


def verify_copies(plan: SetPlan, request: ReplicationRequest) -> SetPlan:
    """The plan in which a copy that is not what was written is no source, but is to be repaired.

    A copy that cannot be read now is left as it is: it may be good.
    """
    if not plan.sources:
        return plan

    def look(location: Location) -> tuple[int, str]:
        return _look(location, plan, request)

    readers = ThreadPoolExecutor(max_workers=len(plan.sources), thread_name_prefix="proving")
    with stage(f"prove the copies of {plan.id}"), readers as pool:
        looks = list(zip(plan.sources, pool.map(look, plan.sources), strict=True))
    bad = {location: found for location, found in looks if found[1]}
    good = tuple(location for location in plan.sources if location not in bad)
    damaged = {**(plan.damaged or {}), **{location.name: problem for location, (_size, problem) in bad.items()}}
    if not good:
        problems = "; ".join(f"{name}: {problem}" for name, problem in damaged.items())
        return replace(plan, sources=(), targets=(), damaged=damaged, problem=f"no copy can be trusted: {problems}")
    targets = (*plan.targets, *(Target(location, True, size) for location, (size, _problem) in bad.items()))
    return replace(plan, sources=good, targets=targets, damaged=damaged)


def _look(location: Location, plan: SetPlan, request: ReplicationRequest) -> tuple[int, str]:
    """Bytes of what is wrong, and what it is; "" where nothing is, or where that cannot be known."""
    size, wrong = 0, []
    try:
        good = GoodSet(location, load_set(location, request.label, plan.id, request.verify_keys))
        expect(sum(artifact.size for artifact in good.manifest.artifacts))
        for artifact in good.manifest.artifacts:
            try:
                StoredArtifact(good, artifact).verify()
            except NotAsWritten as error:
                size += artifact.size
                wrong.append(error.message)
    except (CryptoError, FormatError) as error:
        wrong.append(error.message)
    except BackupError:
        return 0, ""
    return size, "; ".join(wrong)
