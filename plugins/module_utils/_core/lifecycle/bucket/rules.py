"""Lifecycle rules as a store tells them: what they reach, whose they are, and whether two are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ...documents.strict_json import MAX_BYTES
from ...locations.s3.thaw import ARCHIVES
from .lifecycle import OWN, KeptDays


@dataclass(frozen=True)
class Scope:
    """Which objects a rule reaches.

    :param tags: those that an object must have all.
    """

    prefix: str
    larger_than: int | None
    smaller_than: int | None
    tags: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> Scope:
        """Read the filter of *rule* in any of its forms; also the one that old rules have."""
        given = rule.get("Filter") or {}
        parts = [given, given.get("And") or {}]
        tags = [tag for part in parts for tag in (*part.get("Tags", ()), *filter(None, [part.get("Tag")]))]
        prefixes = [part["Prefix"] for part in [*parts, rule] if part.get("Prefix")]
        return cls(
            prefix=prefixes[0] if prefixes else "",
            larger_than=_first(parts, "ObjectSizeGreaterThan"),
            smaller_than=_first(parts, "ObjectSizeLessThan"),
            tags=tuple(sorted((tag["Key"], tag.get("Value", "")) for tag in tags)),
        )

    def meets(self, prefix: str) -> bool:
        """Whether a key below *prefix* may be within; tags and sizes do not count."""
        return self.prefix.startswith(prefix) or prefix.startswith(self.prefix)


def is_own(rule: Mapping[str, Any]) -> bool:
    """Whether this collection has made the rule, judged by its id."""
    return str(rule.get("ID", "")).startswith(OWN)


def canonical(rule: Mapping[str, Any]) -> Any:
    """A form in which two rules that do the same are equal, however they are written."""
    actions = {name: value for name, value in rule.items() if name not in ("Filter", "Prefix")}
    scope = Scope.of(rule)
    return _plain({**actions, "Scope": {name: getattr(scope, name) for name in Scope.__dataclass_fields__}})


def endings(rules: Iterable[Mapping[str, Any]], prefixes: Iterable[str], kept: KeptDays) -> list[str]:
    """What is wrong with those *rules* of others that may end an object which the policy keeps."""
    found = []
    for rule in _reaching(rules, prefixes):
        expiration = rule.get("Expiration") or {}
        days, date = expiration.get("Days"), expiration.get("Date")
        if date is not None:
            # It goes on ending whatever is there, whenever that came.
            when = f"on {date:%Y-%m-%d} and from then on" if isinstance(date, datetime) else f"from {date} on"
        elif days is not None and (kept.longest is None or days < kept.longest):
            when = f"after {days} days"
        else:
            continue
        found.append(f"{_named(rule)} ends objects {when}, and the policy keeps sets {kept}")
    return found


def hidings(rules: Iterable[Mapping[str, Any]], prefixes: Iterable[str]) -> list[str]:
    """Which *rules* of others may archive a manifest, so that the catalogue could not be read at once."""
    found = []
    for rule in _reaching(rules, prefixes):
        larger = Scope.of(rule).larger_than
        classes = [one.get("StorageClass") for one in rule.get("Transitions") or ()]
        archives = [name for name in classes if name in ARCHIVES]
        if archives and (larger is None or larger < MAX_BYTES):
            found.append(f"{_named(rule)} may move manifests to {archives[0]}, where backups cannot be listed from")
    return found


def late_endings(rules: Iterable[Mapping[str, Any]], prefixes: Iterable[str], kept: KeptDays) -> list[str]:
    """Which *rules* of others end objects after the policy's last day, but know nothing of holds."""
    found = []
    for rule in _reaching(rules, prefixes):
        days = (rule.get("Expiration") or {}).get("Days")
        if days is not None and kept.longest is not None and days >= kept.longest:
            found.append(f"{_named(rule)} ends objects after {days} days, held or not, and the newest ones, too")
    return found


def _reaching(rules: Iterable[Mapping[str, Any]], prefixes: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    starts = list(prefixes)
    for rule in rules:
        scope = Scope.of(rule)
        if rule.get("Status") == "Enabled" and any(scope.meets(prefix) for prefix in starts):
            yield rule


def _named(rule: Mapping[str, Any]) -> str:
    prefix = Scope.of(rule).prefix
    return f"the lifecycle rule {rule.get('ID', '')!r} on {repr(prefix) if prefix else 'the whole bucket'}"


def _first(parts: Iterable[Mapping[str, Any]], name: str) -> int | None:
    return next((part[name] for part in parts if part.get(name) is not None), None)


def _plain(value: Any) -> Any:
    """Without what says nothing, and lists in an order that does not depend on the store."""
    if isinstance(value, Mapping):
        plain = {key: _plain(item) for key, item in sorted(value.items())}
        return {key: item for key, item in plain.items() if item not in (None, False, "", [], {})}
    if isinstance(value, list | tuple):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    return value
