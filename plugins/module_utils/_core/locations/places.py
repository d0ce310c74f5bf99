"""Which databases of an inventory have one label in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .factory import location_type


@dataclass(frozen=True)
class ListedDatabase:
    """One host of an inventory: its label and its locations.

    :param host: its name there.
    :param runs_on: see :meth:`Location.place_everywhere`.
    :param locations: their names, types and the options that tell where they are; one of an unknown type is nowhere.
    """

    host: str
    label: str
    runs_on: str
    locations: Sequence[Mapping[str, object]]


def shared_labels(databases: Sequence[ListedDatabase], about: Sequence[str]) -> list[str]:
    """Which databases have one label in one place: a line for each label, as a person is to read it.

    :param about: hosts of which at least one must be concerned.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in databases:
        for options in one.locations:
            kind = location_type(options)
            if kind is None:
                continue
            names = found.setdefault((one.label, kind.place_everywhere(options, one.runs_on)), {})
            names.setdefault(one.host, str(options.get("name")))
    warnings: dict[str, str] = {}
    for (label, _place), names in found.items():
        if len(names) > 1 and not names.keys().isdisjoint(about):
            hosts = sorted(names)
            where = " and ".join(f"'{name}'" for name in dict.fromkeys(names[host] for host in hosts))
            warnings.setdefault(label, f"{', '.join(hosts)} have the label '{label}' in one location, {where}")
    return list(warnings.values())
