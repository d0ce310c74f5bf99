"""From the inventory's description of a location to the location."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from ..errors import ConfigError
from .base import Location
from .places import place_of

STEP = "check the locations"

TYPES = ("local", "s3", "rclone")


def open_location(options: Mapping[str, object]) -> Location:
    """Make one location of its dict; nothing is contacted or created yet.

    :param options: ``name``, ``type`` and what the type takes; a value of None counts as not given.
    :raises ConfigError: an option is unknown, missing or cannot be right.
    """
    if not isinstance(options, Mapping):
        raise ConfigError(STEP, "a location is a dict of options", hint="name, type, and what the type takes")
    kind = options.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        told = "has no type" if kind is None else f"has the unknown type {kind!r}"
        raise ConfigError(STEP, f"location {options.get('name')!r} {told}", hint=f"one of {', '.join(TYPES)}")
    location = _backend(kind)(options)
    location.place = place_of(options)
    return location


def _backend(kind: str) -> Callable[[Mapping[str, object]], Location]:
    """What makes a location of *kind*. Imported only where it is used: a store's library can be slow or missing.

    The imports are written out because Ansible sends to a host what it finds by reading them.
    """
    if kind == "s3":
        from .s3 import location as s3

        return s3.create
    if kind == "rclone":
        from .rclone import location as rclone

        return rclone.create
    from .local import location as local

    return local.create


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
    """The same, closed with *stack*; at least one.

    :raises ConfigError: as :func:`open_locations`, or there is none.
    """
    locations = open_locations(descriptions)
    for location in locations:
        stack.callback(location.close)
    if not locations:
        raise ConfigError("check the options", "locations is empty", hint="give at least one location")
    return locations
