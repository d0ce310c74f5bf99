"""Promises of writing a set into several locations at once, with locations that break at every point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.set_writer import SetWriter
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import (
    BackupError,
    LocationError,
    SourceError,
    name_taken,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import (
    Leftover,
    Location,
    ObjectInfo,
    Receipt,
    Writer,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Emit

SET = "mobul/2026/11/23/weekly_20261123_000000"


class Shelf(Location):
    """A location in memory that fails where it is told to with the object *on*.

    :param fail: ``open``, ``write``, ``commit``; ``reply`` after the object became visible; ``taken`` by another.
    :param keeps: how the names of the objects end that it does not let go.
    """

    type = "memory"
    options = where = ()

    def __init__(self, name: str, *, fail: str = "", on: str = "", keeps: str = "nothing") -> None:
        self.name = name
        self.keeps = keeps
        self.fail = fail
        self.on = on
        self.objects: dict[str, bytes] = {}

    @classmethod
    def create(cls, options: Mapping[str, object]) -> Shelf:
        return cls(str(options["name"]))

    def breaks(self, point: str, key: str) -> None:
        if point == self.fail and key.endswith(self.on):
            error = LocationError(self.name, "write", f"broken at {point}")
            raise name_taken(error) if point == "taken" else error

    def writer(self, key: str, *, size_hint: int | None = None) -> Writer:
        self.breaks("open", key)
        return ShelfWriter(self, key)

    def check(self) -> None:
        raise NotImplementedError

    def free_bytes(self) -> int | None:
        return None

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        yield self.objects[key]

    def stat(self, key: str) -> ObjectInfo | None:
        raise NotImplementedError

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        raise NotImplementedError

    def list_directories(self, prefix: str) -> Iterator[str]:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        if key.endswith(self.keeps):
            raise LocationError(self.name, f"delete {key}", "locked")
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
        if self.shelf.fail == "taken" and self.key.endswith(self.shelf.on):
            self.shelf.objects[self.key] = b"somebody else's"
        self.shelf.breaks("taken", self.key)
        self.shelf.objects[self.key] = self.data
        self.shelf.breaks("reply", self.key)
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
    writer = SetWriter(shelves, SET)
    write_set(writer)
    expected = {f"{SET}/dump": b"one two", f"{SET}/globals": b"one two", f"{SET}/manifest.json": b"{}"}
    assert [shelf.objects for shelf in shelves] == [expected, expected]
    assert writer.failures == {}


@pytest.mark.parametrize("point", ["open", "write", "commit", "reply"])
@pytest.mark.parametrize("artifact", ["dump", "globals", "manifest.json"])
def test_a_location_that_breaks_keeps_nothing_and_spoils_no_other(point: str, artifact: str) -> None:
    good, bad = Shelf("good"), Shelf("bad", fail=point, on=artifact)
    writer = SetWriter([bad, good], SET)
    write_set(writer)
    writer.clean_failed()
    assert len(good.objects) == 3
    assert bad.objects == {}
    assert list(writer.failures) == ["bad"]
    assert writer.live == [good]


def test_where_the_manifest_cannot_be_removed_its_artifacts_stay_and_the_failure_says_so() -> None:
    good, bad = Shelf("good"), Shelf("bad", fail="reply", on="manifest.json", keeps="manifest.json")
    writer = SetWriter([bad, good], SET)
    write_set(writer)
    writer.clean_failed()
    assert bad.objects == good.objects
    told = str(writer.failures["bad"])
    assert "broken at reply" in told and "locked" in told
    assert f"nothing was removed from {SET} in location 'bad'" in told


def test_an_abandoned_set_says_where_its_manifest_stayed() -> None:
    shelf = Shelf("a", keeps="manifest.json")
    writer = SetWriter([shelf], SET)
    write_set(writer)
    before = dict(shelf.objects)
    writer.abandon()
    assert shelf.objects == before
    assert [f"nothing was removed from {SET} in location 'a'" in told for told in writer.kept] == [True]


def test_an_artifact_that_cannot_be_removed_keeps_no_other() -> None:
    shelf = Shelf("a", keeps="globals")
    writer = SetWriter([shelf], SET)
    write_set(writer)
    writer.abandon()
    assert set(shelf.objects) == {f"{SET}/globals"}
    assert writer.kept == []


@pytest.mark.parametrize("artifact", ["dump", "globals", "manifest.json"])
def test_an_object_of_somebody_else_is_not_removed(artifact: str) -> None:
    good, bad = Shelf("good"), Shelf("bad", fail="taken", on=artifact)
    writer = SetWriter([bad, good], SET)
    write_set(writer)
    writer.clean_failed()
    assert bad.objects[f"{SET}/{artifact}"] == b"somebody else's"
    # Their manifest may stand for what lies beside it.
    assert set(bad.objects) == (set(good.objects) if artifact == "manifest.json" else {f"{SET}/{artifact}"})


@pytest.mark.parametrize("artifact", ["dump", "globals", "manifest.json"])
@pytest.mark.parametrize("names", [("a",), ("a", "b")], ids=["one", "two"])
def test_an_object_of_somebody_else_is_not_removed_where_every_location_has_one(
    artifact: str, names: tuple[str, ...]
) -> None:
    shelves = [Shelf(name, fail="taken", on=artifact) for name in names]
    writer = SetWriter(shelves, SET)
    with pytest.raises(BackupError):
        write_set(writer)
    writer.abandon()
    assert [shelf.objects[f"{SET}/{artifact}"] for shelf in shelves] == [b"somebody else's"] * len(names)


def test_what_was_never_finished_is_not_taken_for_ours() -> None:
    shelf = Shelf("a")
    writer = SetWriter([shelf], SET)
    with pytest.raises(SourceError):
        writer.write("dump", Words(SourceError("dump", "broke")), [])
    shelf.objects[f"{SET}/dump"] = b"of another run with the same id"
    writer.abandon()
    assert set(shelf.objects) == {f"{SET}/dump"}


def test_the_set_fails_when_the_last_location_breaks() -> None:
    writer = SetWriter([Shelf("a", fail="write"), Shelf("b", fail="commit")], SET)
    with pytest.raises(BackupError):
        write_set(writer)


def test_a_stream_that_fails_raises_and_abandoning_removes_what_was_written_before() -> None:
    shelves = [Shelf("a"), Shelf("b")]
    writer = SetWriter(shelves, SET)
    writer.write("dump", Words(), [])
    with pytest.raises(SourceError, match="pg_dump"):
        writer.write("globals", Words(SourceError("dump", "pg_dump ended with status 1")), [])
    writer.abandon()
    assert [shelf.objects for shelf in shelves] == [{}, {}]


def test_nothing_is_written_after_a_cancellation() -> None:
    shelf = Shelf("a")
    writer = SetWriter([shelf], SET)
    writer.cancel(BackupError("lock", "the lock session is lost"))
    with pytest.raises(BackupError, match="lock session"):
        writer.write("dump", Words(), [])
    assert shelf.objects == {}
