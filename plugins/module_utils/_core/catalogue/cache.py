"""What was read of small objects that have not changed since: a file that can be thrown away at any time.

It holds no secret and is trusted no more than the location itself: whoever can write it can run this software.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from ..locations.base import ObjectInfo

_VERSION = 1


def default_directory() -> str | None:
    """Where caches are kept (XDG Base Directory Specification); None for a user without a home, for example in a
    container."""
    place = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(place, "mobul.backup") if os.path.isabs(place) else None


class RecordCache:
    """Summaries by key, each good for one version of its object; not safe for threads.

    :param directory: where its file lies; None for a cache that forgets everything.
    :param identity: what it is about, the location's place and the label, say.
    """

    def __init__(self, directory: str | None, *identity: str) -> None:
        name = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._path = None if directory is None else os.path.join(directory, f"catalogue_{name}.json")
        self._known: dict[str, list[Any]] = self._load()
        self._seen: dict[str, list[Any]] = {}

    def get(self, info: ObjectInfo, version: str = "") -> Any | None:
        """The value stored for this version of the object; None if there is none.

        :param version: whatever else the summary depends on.
        """
        entry = self._known.get(info.key)
        if entry is None or entry[:-1] != _version(info, version):
            return None
        self._seen[info.key] = entry
        return entry[-1]

    def put(self, info: ObjectInfo, summary: Any, version: str = "") -> None:
        """Store a value, which JSON can represent, for this version of the object."""
        self._seen[info.key] = [*_version(info, version), summary]

    def save(self) -> None:
        """Write what was got or put, and forget the rest; where that cannot be, the next run reads everything again."""
        if self._path is None or self._seen == self._known:
            return
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(self._path))
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    # In one piece: piece by piece, Python's own encoder would do it, which is slow.
                    file.write(json.dumps({"version": _VERSION, "objects": self._seen}, separators=(",", ":")))
                os.replace(temporary, self._path)
            except BaseException:
                os.unlink(temporary)
                raise

    def _load(self) -> dict[str, list[Any]]:
        if self._path is None:
            return {}
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, Mapping) or found.get("version") != _VERSION:
            return {}
        objects = found.get("objects")
        return {k: v for k, v in objects.items() if isinstance(v, list)} if isinstance(objects, dict) else {}


def _version(info: ObjectInfo, version: str) -> list[Any]:
    return [info.size, info.modified.isoformat(), info.tag, version]
