"""The first location that has a good copy of a set: authentic, complete, and of the sizes that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..backupset.artifact import Artifact
from ..backupset.manifest import Manifest
from ..backupset.naming import SetId
from ..backupset.signing import VerifyKey
from ..errors import BackupError, ConfigError, CryptoError
from ..locations.base import Location
from . import LoadedSet, id_taken, load_set, set_exists, set_ids
from .newest_good import no_such_set
from .rekeys import Rekeys
from .selector import NEWEST, BackupSelector

STEP = "find the backup"
UNPROVEN = {
    "unsigned": "the set is not signed: nothing proves who made it",
    "unverified": "the set is signed, but no verify_key was given: nothing proves who made it",
}
"""What should be known of a set that can be used, by its signature."""


@dataclass(frozen=True)
class GoodSet:
    """A set that can be read from one location, and from others where that one turns out to fail.

    :param warnings: why other locations were passed over, and what is not proven.
    :param others: where to go on, should a file in *location* be damaged or unreadable.
    :param passed_over: why reading went on in another location; grows while the set is read.
    """

    location: Location
    loaded: LoadedSet
    warnings: tuple[str, ...] = ()
    others: tuple[Location, ...] = ()
    passed_over: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the set."""
        return self.loaded.manifest

    @property
    def directory(self) -> str:
        """The key of the set's directory in its location."""
        return self.manifest.id.directory(self.manifest.label)

    def key(self, artifact: Artifact) -> str:
        """The key of one of the set's artifacts in its location."""
        return f"{self.directory}/{artifact.name}"

    @cached_property
    def rekeys(self) -> Rekeys:
        """The rekey records, with headers for further recipients."""
        return Rekeys([self.location, *self.others], self.manifest, self.loaded.sha256)

    def dumps(self) -> list[Artifact]:
        """The artifacts that are parts of the dump, in the order of their numbers."""
        return sorted((one for one in self.manifest.artifacts if one.role == "dump"), key=lambda one: one.part or 0)


def choose_location(locations: Sequence[Location], name: str | None) -> Sequence[Location]:
    """The one location of that name, or all of them for None."""
    if name is None:
        return locations
    chosen = [location for location in locations if location.name == name]
    if not chosen:
        names = ", ".join(location.name for location in locations) or "none"
        raise ConfigError("check the options", f"there is no location {name!r}", hint=f"there are: {names}")
    return chosen


def find_good_set(
    locations: Sequence[Location],
    label: str,
    wanted: BackupSelector = NEWEST,
    verify_keys: Sequence[VerifyKey] = (),
) -> GoodSet:
    """The set in the first of *locations* that has a good copy of it.

    The newest is that which any of them has. Where no copy of that one is good it is an error: an older one is never
    taken in its place without a word.

    :raises BackupError: what is wrong in the only location there is; with several, why none of them will do.
    """
    if not locations:
        raise ConfigError(STEP, "locations is empty", hint="give at least one location")
    failures: dict[str, BackupError] = {}
    set_id = choose_id(locations, label, wanted, failures)
    for number, location in enumerate(locations):
        if location.name in failures:
            continue
        try:
            good = _look(location, label, set_id, verify_keys)
        except BackupError as error:
            failures[location.name] = error
            continue
        warnings = [f"passed over: {error}" for error in failures.values()]
        if reason := UNPROVEN.get(good.loaded.signature):
            warnings.append(reason)
        others = tuple(one for one in locations[number + 1 :] if one.name not in failures)
        return replace(good, warnings=tuple(warnings), others=others)
    if wanted.id is not None and not any(_has(location, label, set_id) for location in locations):
        raise no_such_set(locations, label, set_id)
    raise _no_good_copy(list(failures.values()))


def _has(location: Location, label: str, set_id: SetId) -> bool:
    """Whether there is anything of the set, or that cannot be known."""
    try:
        return id_taken(location, label, set_id)
    except BackupError:
        return True


def choose_id(
    locations: Sequence[Location], label: str, wanted: BackupSelector, failures: dict[str, BackupError]
) -> SetId:
    """The set that is meant; of the newest, the one that any location has.

    :param failures: locations that cannot be asked are put there.
    :raises ConfigError: there is none that may be meant, or what was given is no id.
    """
    if wanted.id is not None:
        return wanted.id
    if wanted.mistyped is not None:
        raise no_such_set(locations, label, wanted.mistyped)
    newest: SetId | None = None
    for location in locations:
        try:
            found = _newest_in(location, label, wanted, newest)
        except BackupError as error:
            failures[location.name] = error
            continue
        newest = found or newest
    if newest is None:
        if failures:
            raise _no_good_copy(list(failures.values()))
        names = ", ".join(f"'{location.name}'" for location in locations)
        when = "" if wanted.before is None else f" from before {wanted.before:%Y-%m-%d %H:%M:%S} UTC"
        raise ConfigError(
            STEP,
            f"there is no backup of '{label}'{when} in {names}",
            hint="is the label right? A safety backup and a set from the future are taken by their ids only",
        )
    return newest


def _newest_in(location: Location, label: str, wanted: BackupSelector, than: SetId | None) -> SetId | None:
    """The newest set that may be meant in one location; None where there is none newer than *than*."""
    for set_id in set_ids(location, label, []):
        if than is not None and set_id <= than:
            return None
        if not wanted.may_select(set_id) or not set_exists(location, label, set_id):
            continue
        if wanted.before is None:
            return set_id
        # Between the id and the snapshot the locations are looked at.
        if load_set(location, label, set_id).manifest.database.snapshot.time < wanted.before:
            return set_id
    return None


def _look(location: Location, label: str, backup: SetId, verify_keys: Sequence[VerifyKey]) -> GoodSet:
    good = GoodSet(location, load_set(location, label, backup, verify_keys))
    problems = list(_incomplete(good))
    if problems:
        raise CryptoError(
            STEP,
            f"{good.manifest.id} in location '{location.name}' is damaged: {'; '.join(problems)}",
            hint="restore from another location",
        )
    return good


def _incomplete(good: GoodSet) -> Iterator[str]:
    there = {info.key: info.size for info in good.location.list(good.directory)}
    for artifact in good.manifest.artifacts:
        size = there.get(good.key(artifact))
        if size is None:
            yield f"{artifact.name} is missing"
        elif size != artifact.size:
            yield f"{artifact.name} has {size} bytes instead of {artifact.size}"


def _no_good_copy(failures: Sequence[BackupError]) -> BackupError:
    """One error with the reasons of all locations."""
    if len(failures) == 1:
        return failures[0]
    message = "; ".join(error.message for error in failures)
    kind = CryptoError if any(isinstance(error, CryptoError) for error in failures) else BackupError
    return kind(STEP, f"no location has a good copy: {message}", hint="nothing was changed")
