"""A location in memory that counts its requests and fails on demand, for tests of what stands on locations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import check_key
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import (
    Leftover,
    Location,
    ObjectInfo,
    Receipt,
    Writer,
    check_prefix,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)


class MemoryWriter(Writer):  # type: ignore[misc]
    """Keeps what is written in memory until it commits."""

    def __init__(self, location: MemoryLocation, key: str) -> None:
        self.name = location.name
        self._location = location
        self._key = check_key(key)
        self._data = bytearray()

    def write(self, chunk: bytes) -> None:
        self._data += chunk

    def commit(self) -> None:
        self._location.count("put")
        if self._key in self._location.objects:
            raise LocationError(self.name, "write", f"{self._key} exists already")
        self._location.add(self._key, bytes(self._data), self._location.clock)
        self.receipt = Receipt(self._key, len(self._data), "sha256")

    def abort(self) -> None:
        self._data.clear()


class MemoryLocation(Location):  # type: ignore[misc]
    """:attr:`requests` counts calls by kind; a kind in :attr:`failing` (or ``all``) raises."""

    type = "memory"
    options = where = ()

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.unfinished: list[Leftover] = []
        self.requests: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.clock = LONG_AGO

    @classmethod
    def create(cls, options: Mapping[str, object]) -> MemoryLocation:
        return cls(str(options["name"]))

    def add(self, key: str, data: bytes = b"", modified: datetime = LONG_AGO) -> None:
        """Put an object there, as it is, past all checks."""
        self.objects[key] = (data, modified)

    def count(self, kind: str) -> None:
        self.requests[kind] += 1
        if kind in self.failing or "all" in self.failing:
            raise LocationError(self.name, kind, "out of order")

    def check(self) -> None:
        self.count("check")

    def free_bytes(self) -> int | None:
        return None

    def writer(self, key: str, *, size_hint: int | None = None) -> MemoryWriter:
        return MemoryWriter(self, key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        self.count("read")
        if check_key(key) not in self.objects:
            raise LocationError(self.name, "read", f"{key} is not there")
        data = self.objects[key][0][offset:]
        yield data if length is None else data[:length]

    def stat(self, key: str) -> ObjectInfo | None:
        self.count("stat")
        if check_key(key) not in self.objects:
            return None
        data, modified = self.objects[key]
        return ObjectInfo(key, len(data), modified)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.count("list")
        below = f"{check_prefix(prefix)}/" if prefix else ""
        for key in sorted(self.objects):
            if key.startswith(below):
                data, modified = self.objects[key]
                yield ObjectInfo(key, len(data), modified)

    def list_directories(self, prefix: str) -> Iterator[str]:
        self.count("list_directories")
        below = f"{check_prefix(prefix)}/" if prefix else ""
        rest = [key.removeprefix(below) for key in self.objects if key.startswith(below)]
        yield from sorted({name.partition("/")[0] for name in rest if "/" in name})

    def delete(self, key: str) -> None:
        self.count("delete")
        self.objects.pop(check_key(key), None)

    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        self.count("leftovers")
        yield from [leftover for leftover in self.unfinished if leftover.key.startswith(f"{prefix}/")]

    def discard(self, leftover: Leftover) -> None:
        self.count("discard")
        self.unfinished.remove(leftover)
