"""Where a location is, whatever it is called, and which databases of an inventory have one label in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

WHERE = ("type", "path", "endpoint_url", "bucket", "prefix", "config", "remote")
"""The options of a location that tell where it is."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def place_of(options: Mapping[str, object]) -> str:
    """Where a location is, as seen from the host that uses it."""
    told = ((key, str(options[key]).rstrip("/")) for key in WHERE if options.get(key) not in (None, ""))
    return "\n".join(f"{key}: {os.path.normpath(value) if key == 'path' else value}" for key, value in told)


def place_everywhere(options: Mapping[str, object], runs_on: str) -> str:
    """The same as seen from anywhere: what is on a host's disk, or behind its loopback address, is on that host.

    :param runs_on: the host that uses it; empty for this one.
    """
    endpoint = str(options.get("endpoint_url") or "")
    if options.get("type") == "local" and not runs_on:
        path = os.path.expanduser(os.path.expandvars(str(options.get("path") or "")))
        options = {**options, "path": os.path.realpath(path)}
    elif options.get("type") != "local" and not (endpoint and urlsplit(endpoint).hostname in _LOOPBACK):
        return place_of(options)
    return f"host: {runs_on}\n{place_of(options)}"


@dataclass(frozen=True)
class ListedDatabase:
    """A database as an inventory lists it.

    :param host: its name there.
    :param runs_on: see :func:`place_everywhere`.
    :param locations: their options, as far as these tell where they are, and their names.
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
            names = found.setdefault((one.label, place_everywhere(options, one.runs_on)), {})
            names.setdefault(one.host, str(options.get("name")))
    told: dict[str, str] = {}
    for (label, _place), names in found.items():
        if len(names) > 1 and not names.keys().isdisjoint(about):
            hosts = sorted(names)
            where = " and ".join(f"'{name}'" for name in dict.fromkeys(names[host] for host in hosts))
            told.setdefault(label, f"{', '.join(hosts)} have the label '{label}' in one location, {where}")
    return list(told.values())
