"""The chain of a label's sets: each names the one before it, so that a missing or exchanged one shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..backupset.naming import SetId
from .loading import LoadedSet


@dataclass(frozen=True)
class ChainFinding:
    """A gap or a fork in the chain of sets.

    :param id: the set in which it shows.
    :param status: ``failed`` where one of the sets is not what it was; ``warning`` where there may be a good reason.
    :param check: ``exchanged``, ``doubled``, ``forked``, ``order``, ``missing`` or ``unlinked``.
    """

    id: SetId
    status: str
    check: str
    message: str


def check_chain(sets: Iterable[LoadedSet]) -> tuple[ChainFinding, ...]:
    """What is wrong with the links between the sets of one label, oldest first.

    Retention takes sets out of the chain, so a missing one is a warning; a set whose bytes are not those that its
    successor saw is a failure. Exports are not in the chain. Copies of one set from several locations may all be given.
    """
    versions: dict[SetId, dict[str, LoadedSet]] = defaultdict(dict)
    for loaded in (one for one in sets if one.id.is_backup):
        versions[loaded.manifest.id][loaded.sha256] = loaded
    ordered = sorted(versions)
    successors: dict[SetId, SetId] = {}
    findings: list[ChainFinding] = []
    for number, set_id in enumerate(ordered):
        if len(versions[set_id]) > 1:
            findings.append(ChainFinding(set_id, "failed", "doubled", f"there are different manifests of {set_id}"))
        for loaded in versions[set_id].values():
            findings += _check_link(loaded, versions, successors, first=number == 0)
    return tuple(findings)


def _check_link(
    loaded: LoadedSet, versions: dict[SetId, dict[str, LoadedSet]], successors: dict[SetId, SetId], *, first: bool
) -> list[ChainFinding]:
    own, previous = loaded.manifest.id, loaded.manifest.previous
    if previous is None:
        if first:
            return []
        return [ChainFinding(own, "warning", "unlinked", f"{own} names no set before it, although there are some")]
    findings: list[ChainFinding] = []
    if previous.id > own:
        message = f"{own} says it came after {previous.id}: either a clock was set back, or the id was forged"
        findings.append(ChainFinding(own, "warning", "order", message))
    if (other := successors.setdefault(previous.id, own)) != own:
        message = f"{own} and {other} both say they came right after {previous.id}"
        findings.append(ChainFinding(own, "warning", "forked", message))
    if previous.id not in versions:
        message = f"{previous.id}, the set before {own}, is not there: pruned, or lost"
        findings.append(ChainFinding(own, "warning", "missing", message))
    elif previous.sha256 not in versions[previous.id]:
        message = f"the manifest of {previous.id} is not the one that was there when {own} was made"
        findings.append(ChainFinding(own, "failed", "exchanged", message))
    return findings
