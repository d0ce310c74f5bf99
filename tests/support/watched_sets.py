"""Two locations with weekly sets as monitoring likes them; tests spoil something and look again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Drill
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey, VerifyKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.request import CheckRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import find_all

from .memory_location import MemoryLocation
from .small_sets import small_set

NOW = datetime(2026, 11, 25, 7, tzinfo=timezone.utc)
DEFAULTS: dict[str, Any] = {
    "label": "shop",
    "locations": [{}, {}],
    "schedule": {"weekly": "8d"},
    "min_copies": 0,
    "read": "newest",
    "drill_within": "8d",
    "holds_within": "7d",
    "review_by": None,
    "findings": [],
    "buckets": [],
}


def id_before(days: float, kind: str = "weekly") -> str:
    return str(SetId(NOW - timedelta(days=days), kind))


WEEKS = [id_before(3 + 7 * week) for week in range(8, -1, -1)]
NEWEST = WEEKS[-1]


def key_of(set_id: str, name: str) -> str:
    return f"{SetId.parse(set_id).directory('shop')}/{name}"


class Bench:
    """Two locations with nine weekly sets each, and a drill of the newest."""

    def __init__(self) -> None:
        self.first, self.second = MemoryLocation("first"), MemoryLocation("second")
        for set_id in WEEKS:
            self.add(set_id)
        self.drill(NEWEST, 1)

    @property
    def locations(self) -> list[MemoryLocation]:
        return [self.first, self.second]

    def add(self, set_id: str, *, dump: bytes = b"x" * 100_000, **changes: Any) -> None:
        for location in self.locations:
            for name, data in small_set(set_id, dump=dump, **changes).items():
                location.add(key_of(set_id, name), data)

    def remove(self, set_id: str, location: MemoryLocation) -> None:
        for key in [key for key in location.objects if set_id in key]:
            del location.objects[key]

    def drill(
        self,
        set_id: str,
        days: float,
        verdict: str = "passed",
        location: str = "first",
        *,
        lies_in: str | None = None,
        key: SigningKey | None = None,
    ) -> None:
        """Write a record where it belongs, or in another location; *key* signs it."""
        finished = NOW - timedelta(days=days)
        record = Drill(
            id=SetId.parse(set_id),
            label="shop",
            manifest=digest(self.read(set_id)),
            started=finished,
            finished=finished,
            verdict=verdict,
            location=location,
            server_version="17.10",
            restore_seconds=3,
            findings=(Finding(check="rows", subject=location, status=verdict, message="table public.t is missing"),),
        )
        place = self.second if (lies_in or location) == "second" else self.first
        name = key_of(set_id, f"verified_{finished:%Y%m%d_%H%M%S}.json")
        place.add(name, record.to_bytes())
        if key is not None:
            place.add(f"{name}.sig", key.sign(record.to_bytes()))

    def read(self, set_id: str) -> bytes:
        return b"".join(self.first.read(key_of(set_id, "manifest.json")))

    def check(self, *record_keys: VerifyKey, **changes: Any) -> dict[tuple[str, str], Finding]:
        """Run the checks and return a mapping from check and subject to finding."""
        catalogue = read_catalogue(self.locations, "shop", cache_dir=None, record_keys=record_keys)
        request = CheckRequest.parse({**DEFAULTS, **changes})
        findings = find_all(catalogue, request, self.locations, NOW)
        names = [(one.check, one.subject) for one in findings]
        assert len(set(names)) == len(names)
        return {(one.check, one.subject): one for one in findings}
