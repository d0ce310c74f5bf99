"""A store that gives every byte truly once, and from the second time on as somebody else has laid it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation


class Turncoat:
    """What has been given of which file; from then on all local locations answer from *others*.

    :param others: key of a file -> what somebody has put in its place.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, others: Mapping[str, bytes]) -> None:
        self.others = others
        self.given: dict[str, set[int]] = {}
        self.betrayed = 0
        true_read = LocalLocation.read

        def read(
            location: LocalLocation, key: str, *, offset: int = 0, length: int | None = None, **_options: Any
        ) -> Iterator[bytes]:
            true = b"".join(true_read(location, key, offset=offset, length=length))
            # Pages are enough: nobody reads half of one and then the other half.
            pages = set(range(offset // 512, (offset + len(true) + 511) // 512))
            given = self.given.setdefault(f"{location.name}/{key}", set())
            if key in others and pages & given:
                self.betrayed += 1
                yield others[key][offset:] if length is None else others[key][offset : offset + length]
                return
            given |= pages
            yield true

        monkeypatch.setattr(LocalLocation, "read", read)


def exchanged(directory: Path, other: Path, root: Path) -> dict[str, bytes]:
    """The files of the set in *other*, under the keys of those in *directory* that have their role, padded or cut to
    their sizes, so that no listing tells them apart."""
    found = {}
    for path in directory.iterdir():
        if path.name.startswith(("manifest", "verified")):
            continue
        (twin,) = (one for one in other.iterdir() if one.name.split("_")[0] == path.name.split("_")[0])
        data, size = twin.read_bytes(), path.stat().st_size
        found[path.relative_to(root).as_posix()] = (data + bytes(size))[:size]
    return found
