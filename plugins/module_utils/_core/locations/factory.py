"""From the inventory's description of a location to the location."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from ..errors import ConfigError
from .base import Location

STEP = "check the locations"


def _local() -> type[Location]:
    from .local.location import LocalLocation

    return LocalLocation


def _rclone() -> type[Location]:
    from .rclone.location import RcloneLocation

    return RcloneLocation


def _s3() -> type[Location]:
    from .s3.location import S3Location

    return S3Location


# Imported only where it is used: a store's library can be slow or missing. The imports are written out because Ansible
# sends to a host what it finds by reading them.
_TYPES: Mapping[str, Callable[[], type[Location]]] = {
    "local": _local,
    "s3": _s3,
    "rclone": _rclone,
}
TYPES = tuple(_TYPES)


def location_type(options: Mapping[str, object]) -> type[Location] | None:
    """The kind of location that the options name; None where they name none that there is."""
    kind = options.get("type")
    return _TYPES[kind]() if isinstance(kind, str) and kind in _TYPES else None


def open_location(options: Mapping[str, object]) -> Location:
    """Make one location of its dict; nothing is contacted or created yet.

    :param options: ``name``, ``type`` and what the type takes; a value of None counts as not given.
    :raises ConfigError: an option is unknown, missing or cannot be right.
    """
    if not isinstance(options, Mapping):
        raise ConfigError(STEP, "a location is a dict of options", hint="name, type, and what the type takes")
    kind = location_type(options)
    if kind is None:
        found = options.get("type")
        message = "has no type" if found is None else f"has the unknown type {found!r}"
        raise ConfigError(STEP, f"location {options.get('name')!r} {message}", hint=f"one of {', '.join(TYPES)}")
    location = kind.create(options)
    location.place = kind.place_of(options)
    return location


def open_locations(descriptions: Sequence[Mapping[str, object]]) -> list[Location]:
    """Make all locations of a run, in the order given.

    :raises ConfigError: as :func:`open_location`, or two have one name, or two are the same place under two names:
        a copy that counts twice is no second copy.
    """
    locations = [open_location(options) for options in descriptions]
    names: set[str] = set()
    places: dict[str, str] = {}
    for location in locations:
        if location.name in names:
            raise ConfigError(STEP, f"two locations are named {location.name!r}", hint="give each a name of its own")
        names.add(location.name)
        other = places.setdefault(location.place, location.name)
        if other != location.name:
            raise ConfigError(
                STEP, f"locations {other!r} and {location.name!r} are the same place", hint="leave one of them out"
            )
    return locations


def enter_locations(stack: ExitStack, descriptions: Sequence[Mapping[str, object]]) -> list[Location]:
    """Open the locations of these descriptions, of which there must be one; *stack* closes them.

    :raises ConfigError: as :func:`open_locations`, or there is none.
    """
    locations = open_locations(descriptions)
    for location in locations:
        stack.callback(location.close)
    if not locations:
        raise ConfigError("check the options", "locations is empty", hint="give at least one location")
    return locations
