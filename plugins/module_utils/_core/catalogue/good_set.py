"""The first location that has a good copy of a set: authentic, complete, and of the sizes that were recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..backupset.artifact import Artifact
from ..backupset.manifest import Manifest
from ..backupset.naming import SetId
from ..backupset.signing import VerifyKey
from ..errors import BackupError, ConfigError, CryptoError
from ..locations.base import Location
from . import LATEST, LoadedSet, load_set, set_exists, set_ids

STEP = "find the backup"
_UNPROVEN = {
    "unsigned": "the set is not signed: nothing proves who made it",
    "unverified": "the set is signed, but no verify_key was given: nothing proves who made it",
}


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
        """What the set says of itself."""
        return self.loaded.manifest

    @property
    def directory(self) -> str:
        """The set's key in its location."""
        return self.manifest.id.directory(self.manifest.label)

    def key(self, artifact: Artifact) -> str:
        """Where one of its files lies."""
        return f"{self.directory}/{artifact.name}"

    def dumps(self) -> list[Artifact]:
        """The dump's parts, in order."""
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
    locations: Sequence[Location], label: str, backup: str = LATEST, verify_keys: Sequence[VerifyKey] = ()
) -> GoodSet:
    """The set in the first of *locations* that has a good copy of it.

    ``latest`` is the newest set that any of them has. Where no copy of that one is good it is an error: an older one
    is never taken in its place without a word.

    :raises BackupError: what is wrong in the only location there is; with several, why none of them will do.
    """
    if not locations:
        raise ConfigError(STEP, "locations is empty", hint="give at least one location")
    failures: dict[str, BackupError] = {}
    wanted = newest_id(locations, label, failures) if backup == LATEST else backup
    for number, location in enumerate(locations):
        if location.name in failures:
            continue
        try:
            good = _look(location, label, wanted, verify_keys)
        except BackupError as error:
            failures[location.name] = error
            continue
        warnings = [f"passed over: {error}" for error in failures.values()]
        if reason := _UNPROVEN.get(good.loaded.signature):
            warnings.append(reason)
        others = tuple(one for one in locations[number + 1 :] if one.name not in failures)
        return replace(good, warnings=tuple(warnings), others=others)
    raise _no_good_copy(list(failures.values()))


def newest_id(locations: Sequence[Location], label: str, failures: dict[str, BackupError]) -> str:
    """The id of the newest set in any location; one that cannot be asked is put into *failures*."""
    newest: SetId | None = None
    for location in locations:
        try:
            found = next((one for one in set_ids(location, label, []) if set_exists(location, label, one)), None)
        except BackupError as error:
            failures[location.name] = error
            continue
        if found is not None and (newest is None or found > newest):
            newest = found
    if newest is None:
        if failures:
            raise _no_good_copy(list(failures.values()))
        names = ", ".join(f"'{location.name}'" for location in locations)
        raise ConfigError(STEP, f"there is no backup of '{label}' in {names}", hint="is the label right?")
    return str(newest)


def _look(location: Location, label: str, backup: str, verify_keys: Sequence[VerifyKey]) -> GoodSet:
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
    """One error that tells of all."""
    if len(failures) == 1:
        return failures[0]
    told = "; ".join(error.message for error in failures)
    kind = CryptoError if any(isinstance(error, CryptoError) for error in failures) else BackupError
    return kind(STEP, f"no location has a good copy: {told}", hint="nothing was changed")
