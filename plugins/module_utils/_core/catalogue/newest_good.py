"""Which set is meant, and which ids somebody may have meant who names one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ..backupset.naming import MANIFEST, SetId
from ..backupset.signing import VerifyKey
from ..errors import BackupError, ConfigError
from ..locations.base import Location
from .directories import gather
from .index import read_copy
from .search import Problem, ask_all, set_ids
from .selector import NEWEST

STEP = "find the backup"

_NEAREST = 3


@dataclass(frozen=True)
class FoundSet:
    """Which set is meant.

    :param passed_by: newer ones of which no good copy is known, where the newest was asked for.
    :param failures: the locations that could not be asked for it.
    """

    id: SetId
    passed_by: tuple[SetId, ...] = ()
    failures: Mapping[str, BackupError] = field(default_factory=dict)


def newest_good(locations: Sequence[Location], label: str, verify_keys: Sequence[VerifyKey]) -> FoundSet:
    """The newest set that may be meant of which some location has a good copy, and none a copy with another manifest.

    :raises ConfigError: there is none.
    """
    disputed: set[SetId] = set()
    bad: set[SetId] = set()

    def newest(location: Location) -> SetId | None:
        problems: list[Problem] = []
        for set_id in set_ids(location, label, problems):
            if not NEWEST.may_select(set_id):
                continue
            copy = read_copy(location, label, set_id, verify_keys=verify_keys)
            if copy is not None and copy.state == "good" and set_id not in disputed:
                return set_id
            if copy is not None and copy.state != "unfinished":
                bad.add(set_id)
        return None

    while True:
        answers, failures = ask_all(locations, newest)
        found = max((set_id for set_id in answers.values() if set_id is not None), default=None)
        if found is None:
            raise ConfigError(STEP, f"there is no good backup of '{label}'{_unasked(failures)}")
        if _copies_agree(locations, label, found, verify_keys):
            return FoundSet(found, tuple(sorted(one for one in bad if one > found)), failures)
        disputed.add(found)


def _copies_agree(locations: Sequence[Location], label: str, set_id: SetId, verify_keys: Sequence[VerifyKey]) -> bool:
    """Whether all copies that can be read have the same manifest; otherwise one of them is not what was written."""

    def manifest(location: Location) -> str | None:
        copy = read_copy(location, label, set_id, verify_keys=verify_keys)
        return copy.summary.sha256 if copy is not None and copy.summary is not None else None

    answers, _failures = ask_all(locations, manifest)
    return len(set(answers.values()) - {None}) <= 1


def no_such_set(
    locations: Sequence[Location],
    label: str,
    set_id: SetId | str,
    unfinished: Sequence[str] = (),
    failures: Mapping[str, BackupError] = MappingProxyType({}),
) -> ConfigError:
    """The error for an id that no location has; it lists similar ids.

    :param set_id: what was asked for; a text where it is no id.

    :param unfinished: the locations that have a directory of it without a manifest.
    :param failures: the locations that could not be asked.
    """
    message = f"the backup {set_id} of '{label}' is in none of the locations"
    if isinstance(set_id, str):
        message = f"{set_id!r} is not the id of a backup"
    if unfinished:
        places = ", ".join(f"'{name}'" for name in unfinished)
        message = f"the backup {set_id} of '{label}' was never finished: it has no manifest in {places}"
    near = _nearest(locations, label, set_id)
    hint = f"the nearest: {', '.join(map(str, near))}" if near else f"there is no backup of '{label}'"
    return ConfigError(STEP, f"{message}{_unasked(failures)}", hint=hint)


def _nearest(locations: Sequence[Location], label: str, set_id: SetId | str) -> list[SetId]:
    def ids(location: Location) -> set[SetId]:
        found = gather(location, label, [label], leftovers=False).directories
        return {one.id for one in found.values() if MANIFEST in one.objects}

    answers, _failures = ask_all(locations, ids)
    known = sorted(set().union(*answers.values()))
    if isinstance(set_id, str):
        alike = difflib.get_close_matches(set_id, [str(one) for one in known], n=_NEAREST, cutoff=0.0)
        return [SetId.parse(one) for one in alike]
    return sorted(known, key=lambda one: (abs(one.time - set_id.time), one))[:_NEAREST]


def _unasked(failures: Mapping[str, BackupError]) -> str:
    return "".join(f"; could not be asked: {error}" for error in failures.values())
