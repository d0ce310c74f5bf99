"""Promises of writing a set into several locations at once, with locations that break at every point."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.set_writer import SetWriter
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, LocationError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import (
    Leftover,
    Location,
    ObjectInfo,
    Receipt,
    Writer,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.pipeline import Emit, Progress

SET = "mobul/2026/11/23/weekly_20261123_000000"


class Shelf(Location):
    """A location in memory that fails where it is told to: ``open``, ``write`` or ``commit`` of the object *on*."""

    type = "memory"

    def __init__(self, name: str, *, fail: str = "", on: str = "") -> None:
        self.name = name
        self.fail = fail
        self.on = on
        self.objects: dict[str, bytes] = {}

    def breaks(self, point: str, key: str) -> None:
        if point == self.fail and key.endswith(self.on):
            raise LocationError(self.name, "write", f"broken at {point}")

    def writer(self, key: str, *, size_hint: int | None = None) -> Writer:
        self.breaks("open", key)
        return ShelfWriter(self, key)

    def check(self) -> None:
        raise NotImplementedError

    def free_bytes(self) -> int | None:
        return None

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        yield self.objects[key]

    def stat(self, key: str) -> ObjectInfo | None:
        raise NotImplementedError

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        raise NotImplementedError

    def list_directories(self, prefix: str) -> Iterator[str]:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        raise NotImplementedError

    def discard(self, leftover: Leftover) -> None:
        raise NotImplementedError


class ShelfWriter(Writer):
    def __init__(self, shelf: Shelf, key: str) -> None:
        self.name = shelf.name
        self.shelf = shelf
        self.key = key
        self.data = b""

    def write(self, chunk: bytes) -> None:
        self.shelf.breaks("write", self.key)
        self.data += chunk

    def commit(self) -> None:
        self.shelf.breaks("commit", self.key)
        self.shelf.objects[self.key] = self.data
        self.receipt = Receipt(self.key, len(self.data), "size")

    def abort(self) -> None:
        pass


class Words:
    name = "words"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def run(self, emit: Emit) -> None:
        emit(b"one ")
        emit(b"two")
        if self.error:
            raise self.error

    def cancel(self) -> None:
        pass


def write_set(writer: SetWriter) -> None:
    writer.write("dump", Words(), [])
    writer.write("globals", Words(), [])
    writer.put("manifest.json", b"{}")


def test_every_location_gets_every_artifact() -> None:
    shelves = [Shelf("a"), Shelf("b")]
    writer = SetWriter(shelves, SET, Progress())
    write_set(writer)
    expected = {f"{SET}/dump": b"one two", f"{SET}/globals": b"one two", f"{SET}/manifest.json": b"{}"}
    assert [shelf.objects for shelf in shelves] == [expected, expected]
    assert writer.failures == {}


@pytest.mark.parametrize("point", ["open", "write", "commit"])
@pytest.mark.parametrize("artifact", ["dump", "globals", "manifest.json"])
def test_a_location_that_breaks_keeps_nothing_and_spoils_no_other(point: str, artifact: str) -> None:
    good, bad = Shelf("good"), Shelf("bad", fail=point, on=artifact)
    writer = SetWriter([bad, good], SET, Progress())
    write_set(writer)
    writer.clean_failed()
    assert len(good.objects) == 3
    assert bad.objects == {}
    assert list(writer.failures) == ["bad"]
    assert writer.live == [good]


def test_the_set_fails_when_the_last_location_breaks() -> None:
    writer = SetWriter([Shelf("a", fail="write"), Shelf("b", fail="commit")], SET, Progress())
    with pytest.raises(BackupError):
        write_set(writer)


def test_a_stream_that_fails_raises_and_abandoning_removes_what_was_written_before() -> None:
    shelves = [Shelf("a"), Shelf("b")]
    writer = SetWriter(shelves, SET, Progress())
    writer.write("dump", Words(), [])
    with pytest.raises(SourceError, match="pg_dump"):
        writer.write("globals", Words(SourceError("dump", "pg_dump ended with status 1")), [])
    writer.abandon()
    assert [shelf.objects for shelf in shelves] == [{}, {}]


def test_nothing_is_written_after_a_cancellation() -> None:
    shelf = Shelf("a")
    writer = SetWriter([shelf], SET, Progress())
    writer.cancel(BackupError("lock", "the lock session is lost"))
    with pytest.raises(BackupError, match="lock session"):
        writer.write("dump", Words(), [])
    assert shelf.objects == {}
