"""Promises of replication, on real directories that break and are killed at every point."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Hold
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate import run as replication
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.reporting import StillMissing
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import ObjectInfo
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.writer import LocalWriter
from support.small_sets import contents, directory_of, lay, small_set
from support.spoiled_sets import flip

SET = "weekly_20250105_000000"
OTHER = "daily_20250106_000000"
THIRD = "daily_20250107_000000"
FOURTH = "daily_20250108_000000"
DUMP = "backup_20250105_0000.dump.age"
GLOBALS = "globals_20250105_0000.sql.age"
BEGUN = datetime(2025, 1, 5, tzinfo=timezone.utc)

POLICY = {"daily": "50y", "weekly": "50y", "monthly": None, "yearly": None}
"""Lets none of the sets go that are copied here."""


class Faulty(LocalLocation):  # type: ignore[misc]
    """A directory that calls *meet* with the name of each call and the key's last part, before and after it."""

    def __init__(self, name: str, path: str, meet: Callable[[str, str], None]) -> None:
        super().__init__(name, path)
        self.place = path
        self._meet = meet

    def meet(self, call: str, key: str) -> None:
        self._meet(call, key.rpartition("/")[2])

    def writer(self, key: str, *, size_hint: int | None = None) -> FaultyWriter:
        self.meet("writer", key)
        return FaultyWriter(self, super().writer(key, size_hint=size_hint), key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        self.meet("read", key)
        yield from super().read(key, offset=offset, length=length)
        self.meet("read to its end", key)

    def stat(self, key: str) -> ObjectInfo | None:
        self.meet("stat", key)
        return super().stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.meet("list", prefix)
        return super().list(prefix)

    def delete(self, key: str) -> None:
        self.meet("delete", key)
        super().delete(key)
        self.meet("deleted", key)


class FaultyWriter:
    def __init__(self, location: Faulty, writer: LocalWriter, key: str) -> None:
        self.name = location.name
        self.location = location
        self.writer = writer
        self.key = key

    @property
    def receipt(self) -> Any:
        return self.writer.receipt

    def write(self, chunk: bytes) -> None:
        self.location.meet("write", self.key)
        self.writer.write(chunk)

    def commit(self) -> None:
        self.location.meet("commit", self.key)
        self.writer.commit()
        self.location.meet("committed", self.key)

    def abort(self) -> None:
        self.writer.abort()


class Bench:
    """Three directories, *a*, *b* and *c*, and whatever is to happen to calls of theirs."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.meeting: dict[str, Callable[[str, str], None]] = {}
        self.calls: list[tuple[str, str, str]] = []
        for name in "abc":
            (root / name).mkdir()
        monkeypatch.setattr(replication, "enter_locations", self._open)

    def _open(self, _stack: object, descriptions: list[dict[str, Any]]) -> list[Faulty]:
        def meet_as(name: str) -> Callable[[str, str], None]:
            def meet(call: str, key: str) -> None:
                self.calls.append((name, call, key))
                if name in self.meeting:
                    self.meeting[name](call, key)

            return meet

        return [Faulty(one["name"], one["path"], meet_as(one["name"])) for one in descriptions]

    def run(self, names: str = "ab", *, check_mode: bool = False, now: datetime | None = None, **params: Any) -> Any:
        locations = [{"name": name, "type": "local", "path": str(self.root / name)} for name in names]
        given = {"backup": "all", "since": None, "repair": False, "verify_key": [], "policy": POLICY, **params}
        given |= {"locations": locations, "label": "shop", "cache_dir": str(self.root / "cache")}
        self.calls.clear()
        return replication.run_backup_replicate(given, check_mode, now=now)

    def failing_run(self, names: str = "ab", **params: Any) -> StillMissing:
        with pytest.raises(StillMissing) as caught:
            self.run(names, **params)
        return caught.value  # type: ignore[no-any-return]

    def lay(self, name: str, files: dict[str, bytes], set_id: str = SET) -> Path:
        return lay(self.root / name, set_id, files)

    def place(self, name: str, set_id: str = SET) -> Path:
        return directory_of(self.root / name, set_id)

    def held_by(self, name: str, set_id: str = SET) -> dict[str, bytes]:
        return contents(self.place(name, set_id))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def failing(on: str, key: str = "") -> Callable[[str, str], None]:
    def meet(call: str, name: str) -> None:
        if call == on and name.endswith(key):
            raise LocationError("x", call, f"{name} is out of order")

    return meet


def hold(reason: str) -> bytes:
    data: bytes = Hold(id=SetId.parse(SET), label="shop", held_at=BEGUN, reason=reason).to_bytes()
    return data


# What is copied


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_a_set_comes_to_every_location_that_lacks_it_and_is_read_once(bench: Bench, names: str) -> None:
    files = small_set(SET, key=SigningKey.generate())
    bench.lay("a", files)
    result = bench.run(names)
    assert [bench.held_by(name) for name in names[1:]] == [files] * len(names[1:])
    size = len(files[DUMP]) + len(files[GLOBALS])
    assert result["copied"] == [
        {"id": SET, "location": name, "from": "a", "bytes": size, "repaired": False} for name in names[1:]
    ]
    assert (result["changed"], result["missing"], result["damaged"]) == (True, [], [])
    for artifact in (DUMP, GLOBALS):
        assert bench.calls.count(("a", "read", artifact)) == 1


def test_the_manifest_comes_last_behind_everything_else(bench: Bench) -> None:
    bench.lay("a", {**small_set(SET, key=SigningKey.generate()), "hold.json": hold("incident 7")})
    bench.run()
    written = [key for name, call, key in bench.calls if (name, call) == ("b", "committed")]
    assert written == [DUMP, GLOBALS, "hold.json", "manifest.json.sig", "manifest.json"]


def test_a_second_run_changes_nothing_and_reads_no_artifact(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    bench.run()
    before = bench.held_by("b")
    result = bench.run()
    assert (result["changed"], result["copied"], bench.held_by("b")) == (False, [], before)
    assert not [call for call in bench.calls if call[2] in (DUMP, GLOBALS)]


def test_every_location_gets_what_any_other_has(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    bench.lay("b", small_set(OTHER), OTHER)
    bench.run("abc")
    for set_id in (SET, OTHER):
        assert bench.held_by("a", set_id) == bench.held_by("b", set_id) == bench.held_by("c", set_id) != {}


def test_check_mode_tells_the_plan_and_writes_nothing(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    bench.lay("b", {GLOBALS: files[GLOBALS]})
    result = bench.run("abc", check_mode=True)
    told = {(one["id"], one["location"], one["from"]): one["bytes"] for one in result["copied"]}
    assert told == {(SET, "b", "a"): len(files[DUMP]), (SET, "c", "a"): len(files[DUMP]) + len(files[GLOBALS])}
    assert result["changed"] is True
    assert bench.held_by("b") == {GLOBALS: files[GLOBALS]}
    assert list((bench.root / "c").iterdir()) == []
    assert not {call for _name, call, _key in bench.calls} & {"writer", "delete"}


def test_a_location_that_was_never_written_to_is_made(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    (bench.root / "b").rmdir()
    assert len(bench.run(check_mode=True)["copied"]) == 1
    assert not (bench.root / "b").exists()
    bench.run()
    assert bench.held_by("b") == bench.held_by("a")


def test_only_what_was_asked_for_is_copied(bench: Bench) -> None:
    for set_id in (SET, OTHER, THIRD):
        bench.lay("a", small_set(set_id), set_id)
    result = bench.run(check_mode=True, since="2025-01-06")
    assert [one["id"] for one in result["copied"]] == [THIRD, OTHER]
    assert [one["id"] for one in bench.run(check_mode=True, backup="latest")["copied"]] == [THIRD]
    assert [one["id"] for one in bench.run(check_mode=True, backup=SET)["copied"]] == [SET]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"backup": "weekly_20240101_000000"}, "no location has the backup weekly_20240101_000000"),
        ({"backup": "newest"}, "'newest' is not the id of a backup"),
        ({"since": "last week"}, "'last week' is no time"),
        ({"since": "2025-01-01", "backup": SET}, "since goes with backup: all only"),
    ],
)
def test_what_cannot_be_meant_is_refused(bench: Bench, params: dict[str, str], told: str) -> None:
    bench.lay("a", small_set(SET))
    with pytest.raises(ConfigError, match=told):
        bench.run(**params)
    assert bench.held_by("b") == {}


# Copies that are not good


@pytest.mark.parametrize("offset", [0, -1])
@pytest.mark.parametrize("artifact", [DUMP, GLOBALS])
def test_wrong_bytes_in_the_only_copy_are_never_copied(bench: Bench, artifact: str, offset: int) -> None:
    flip(bench.lay("a", small_set(SET)) / artifact, offset)
    failure = bench.failing_run("abc")
    assert f"{artifact} in location 'a' is not the file that was written there: it has another SHA-256" in str(failure)
    for name in "bc":
        assert artifact not in bench.held_by(name)
        assert "manifest.json" not in bench.held_by(name)
    assert {one["location"] for one in failure.report["missing"]} == {"b", "c"}
    assert [(one["location"], one["repaired"]) for one in failure.report["damaged"]] == [("a", False)]


def test_wrong_bytes_in_one_copy_are_reported_and_the_next_copy_is_read(bench: Bench) -> None:
    files = small_set(SET)
    flip(bench.lay("a", files) / DUMP, 100)
    bench.lay("b", files)
    result = bench.run("abc")
    assert bench.held_by("c") == files
    assert [(one["location"], one["from"]) for one in result["copied"]] == [("c", "b")]
    assert [(one["id"], one["location"]) for one in result["damaged"]] == [(SET, "a")]
    assert any("'a' is damaged" in warning for warning in result["warnings"])


@pytest.mark.parametrize("backup", [SET, "latest"])
@pytest.mark.parametrize("spoiled", [[DUMP], [GLOBALS], [DUMP, GLOBALS]])
def test_a_copy_with_wrong_bytes_is_found_and_repaired_where_the_set_is_named(
    bench: Bench, backup: str, spoiled: list[str]
) -> None:
    files = small_set(SET)
    for name in spoiled:
        flip(bench.lay("b", files) / name, 100 if name == DUMP else 3)
    bench.lay("a", files)
    before = bench.held_by("b")
    planned = bench.run(backup=backup, repair=True, check_mode=True)
    assert (planned["changed"], bench.held_by("b")) == (True, before)
    assert [(one["location"], one["repaired"]) for one in planned["copied"]] == [("b", True)]
    result = bench.run(backup=backup, repair=True)
    assert (bench.held_by("a"), bench.held_by("b")) == (files, files)
    assert [(one["location"], one["repaired"]) for one in result["damaged"]] == [("b", True)]
    assert bench.run(backup=backup, repair=True)["changed"] is False


def test_with_all_copies_wrong_nothing_is_repaired_and_nothing_removed(bench: Bench) -> None:
    for name in "ab":
        flip(bench.lay(name, small_set(SET)) / DUMP, 100)
    before = bench.held_by("a"), bench.held_by("b")
    failure = bench.failing_run(backup=SET, repair=True)
    assert "no copy can be trusted" in str(failure)
    assert (bench.held_by("a"), bench.held_by("b")) == before


def test_a_copy_found_to_be_damaged_while_it_is_read_is_repaired_when_asked(bench: Bench) -> None:
    files = small_set(SET)
    flip(bench.lay("a", files) / DUMP, 100)
    bench.lay("b", files)
    result = bench.run("abc", repair=True)
    assert bench.held_by("a") == bench.held_by("c") == files
    assert [(one["location"], one["repaired"]) for one in result["damaged"]] == [("a", True)]
    assert result["warnings"] == []


def test_a_source_that_breaks_off_is_replaced_by_the_next(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    bench.lay("b", files)
    bench.meeting["a"] = failing("read to its end", DUMP)
    result = bench.run("abc")
    assert bench.held_by("c") == files
    assert result["damaged"] == []
    assert "passed over as a source" in result["warnings"][0]


def test_different_manifests_of_one_set_are_never_spread(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    bench.lay("b", small_set(SET, environment="staging"))
    failure = bench.failing_run("abc")
    assert "different manifests" in str(failure)
    assert bench.held_by("c") == {}


def test_a_damaged_copy_with_another_manifest_is_not_repaired_as_it_may_be_the_genuine_one(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    (bench.lay("b", small_set(SET, environment="staging")) / DUMP).unlink()
    before = bench.held_by("b")
    bench.failing_run(repair=True)
    assert bench.held_by("b") == before


@pytest.mark.parametrize("signer", [None, SigningKey.generate()], ids=["unsigned", "forged"])
def test_what_is_not_signed_by_the_key_is_not_copied(bench: Bench, signer: SigningKey | None) -> None:
    key = SigningKey.generate()
    bench.lay("a", small_set(SET, key=signer))
    bench.lay("a", small_set(OTHER, key=key), OTHER)
    failure = bench.failing_run(verify_key=[key.verify_key.to_pem()])
    assert [one["id"] for one in failure.report["copied"]] == [OTHER]
    assert [(one["id"], one["location"]) for one in failure.report["missing"]] == [(SET, None)]
    assert bench.held_by("b") == {}
    assert bench.held_by("b", OTHER) == bench.held_by("a", OTHER)


def test_a_forged_copy_is_repaired_from_the_genuine_one(bench: Bench) -> None:
    key = SigningKey.generate()
    files = small_set(SET, key=key)
    bench.lay("a", small_set(SET, key=SigningKey.generate(), environment="staging"))
    bench.lay("b", files)
    bench.run(verify_key=[key.verify_key.to_pem()], repair=True)
    assert bench.held_by("a") == bench.held_by("b") == files


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


DAMAGES = [(DUMP, remove), (GLOBALS, shorten), ("manifest.json", shorten)]


@pytest.mark.parametrize(("name", "spoil"), DAMAGES)
def test_a_damaged_copy_is_reported_and_left_alone_unless_repair_is_asked_for(
    bench: Bench, name: str, spoil: Callable[[Path], None]
) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    spoil(bench.lay("b", files) / name)
    before = bench.held_by("b")
    result = bench.run()
    assert (result["changed"], bench.held_by("b")) == (False, before)
    assert [(one["location"], one["repaired"]) for one in result["damaged"]] == [("b", False)]
    planned = bench.run(repair=True, check_mode=True)
    assert ([one["repaired"] for one in planned["copied"]], bench.held_by("b")) == ([True], before)
    result = bench.run(repair=True)
    assert bench.held_by("b") == files
    assert [(one["location"], one["repaired"]) for one in result["damaged"]] == [("b", True)]
    assert bench.run(repair=True)["changed"] is False


def test_a_repair_writes_only_what_is_wrong_and_removes_the_manifest_first(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    place = bench.lay("b", files)
    flip(place / GLOBALS, 0)
    remove(place / DUMP)
    bench.run(repair=True)
    changes = [(call, key) for name, call, key in bench.calls if name == "b" and call in ("committed", "deleted")]
    assert changes[:2] == [("deleted", "manifest.json"), ("deleted", GLOBALS)]
    assert changes[2:] == [("committed", DUMP), ("committed", GLOBALS), ("committed", "manifest.json")]


def test_nothing_of_a_damaged_copy_is_removed_before_the_good_one_is_proven(bench: Bench) -> None:
    files = small_set(SET)
    flip(bench.lay("a", files) / DUMP, 5)
    remove(bench.lay("b", files) / DUMP)
    before = bench.held_by("b")
    failure = bench.failing_run(repair=True)
    assert "another SHA-256" in str(failure) or "is not the file" in str(failure)
    assert bench.held_by("b") == before


def test_a_copy_that_only_something_foreign_spoils_is_not_taken_apart(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    (bench.lay("b", files) / "folder").mkdir()
    (bench.place("b") / "folder" / "file").write_bytes(b"?")
    failure = bench.failing_run(repair=True)
    assert "does not belong" in str(failure)
    assert not [call for call in bench.calls if call[1] in ("delete", "writer")]


# What is at the target already


def test_what_an_earlier_run_left_is_kept_where_it_is_right_and_written_again_where_it_is_not(bench: Bench) -> None:
    files = small_set(SET, key=SigningKey.generate())
    bench.lay("a", files)
    flip(bench.lay("b", {DUMP: files[DUMP], GLOBALS: files[GLOBALS], "manifest.json.sig": b"x" * 64}) / GLOBALS, 3)
    result = bench.run()
    assert bench.held_by("b") == files
    assert result["copied"][0]["bytes"] == len(files[GLOBALS])
    assert ("a", "read", DUMP) not in bench.calls


def test_a_set_that_may_be_being_written_is_left_alone_for_an_hour(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    bench.lay("b", {GLOBALS: files[GLOBALS]})
    finished = BEGUN + timedelta(seconds=7)
    result = bench.run("abc", now=finished + timedelta(minutes=59))
    assert bench.held_by("b") == {GLOBALS: files[GLOBALS]}
    assert bench.held_by("c") == files
    assert "'b' was left alone" in result["warnings"][0]
    bench.run("abc", now=finished + timedelta(hours=1))
    assert bench.held_by("b") == files


def test_a_copy_whose_files_somebody_renamed_is_healed_on_the_same_day(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    renamed = {f"{name}.locked": data for name, data in files.items() if name != GLOBALS}
    bench.lay("b", renamed | {GLOBALS: files[GLOBALS]})
    bench.run(now=BEGUN + timedelta(hours=2))
    assert bench.held_by("b") == files | renamed


def test_what_is_unfinished_everywhere_is_no_set(bench: Bench) -> None:
    bench.lay("a", {DUMP: b"x"})
    result = bench.run()
    assert (result["sets"], result["changed"], bench.held_by("b")) == (0, False, {})


def test_records_travel_with_the_set_and_one_that_is_there_stays(bench: Bench) -> None:
    files = {**small_set(SET), "hold.json": hold("incident 7"), "notes.txt": b"of somebody"}
    bench.lay("a", files)
    bench.lay("b", {"hold.json": hold("incident 8")})
    bench.run("abc")
    del files["notes.txt"]
    assert bench.held_by("c") == files
    assert bench.held_by("b") == {**files, "hold.json": hold("incident 8")}


def test_a_hold_that_is_placed_while_the_set_is_copied_comes_with_it(bench: Bench) -> None:
    files = small_set(SET)
    place = bench.lay("a", files)

    def hold_it(call: str, key: str) -> None:
        if (call, key) == ("read to its end", DUMP):
            (place / "hold.json").write_bytes(hold("incident 7"))

    bench.meeting["a"] = hold_it
    bench.run()
    assert bench.held_by("b") == {**files, "hold.json": hold("incident 7")}


def test_a_set_that_is_deleted_while_it_is_copied_gets_no_manifest(bench: Bench) -> None:
    place = bench.lay("a", small_set(SET))

    def delete(call: str, key: str) -> None:
        if (call, key) == ("read to its end", GLOBALS):
            shutil.rmtree(place)

    bench.meeting["a"] = delete
    failure = bench.failing_run()
    assert "no good copy is left" in str(failure)
    assert "manifest.json" not in bench.held_by("b")


def test_a_copy_that_another_run_finishes_meanwhile_is_not_touched(bench: Bench) -> None:
    files = small_set(SET)
    bench.lay("a", files)
    bench.lay("b", {DUMP: b"wrong"})

    def finish(call: str, key: str) -> None:
        if (call, key) == ("stat", "manifest.json"):
            bench.lay("b", files)

    bench.meeting["b"] = finish
    result = bench.run()
    assert (result["changed"], result["copied"], bench.held_by("b")) == (False, [], files)


@pytest.mark.parametrize("name", [DUMP, GLOBALS, "manifest.json"])
def test_a_name_that_another_run_has_given_to_the_same_bytes_counts_as_written(bench: Bench, name: str) -> None:
    files = small_set(SET)
    bench.lay("a", files)

    def overtake(call: str, key: str) -> None:
        if (call, key) == ("commit", name):
            bench.lay("b", {name: files[name]})

    bench.meeting["b"] = overtake
    assert bench.run()["missing"] == []
    assert bench.held_by("b") == files


@pytest.mark.parametrize("name", [DUMP, GLOBALS, "manifest.json"])
def test_a_name_that_somebody_has_given_to_other_bytes_fails_the_copy_and_stays(bench: Bench, name: str) -> None:
    bench.lay("a", small_set(SET))

    def overtake(call: str, key: str) -> None:
        if (call, key) == ("commit", name):
            bench.lay("b", {name: b"somebody else's"})

    bench.meeting["b"] = overtake
    failure = bench.failing_run()
    assert [one["location"] for one in failure.report["missing"]] == ["b"]
    assert bench.held_by("b")[name] == b"somebody else's"
    assert ("manifest.json" in bench.held_by("b")) is (name == "manifest.json")


@pytest.mark.parametrize("name", [DUMP, GLOBALS])
def test_no_manifest_comes_over_a_set_of_which_somebody_took_an_artifact_away(bench: Bench, name: str) -> None:
    bench.lay("a", small_set(SET))

    def take_away(call: str, key: str) -> None:
        if (call, key) == ("committed", GLOBALS):
            (bench.place("b") / name).unlink()

    bench.meeting["b"] = take_away
    failure = bench.failing_run()
    assert f"{name} was removed or changed meanwhile" in str(failure)
    assert "manifest.json" not in bench.held_by("b")


# Failures


@pytest.mark.parametrize("call", ["writer", "write", "commit", "committed"])
@pytest.mark.parametrize("name", [DUMP, "manifest.json.sig", "manifest.json"])
def test_a_location_that_fails_spoils_no_other_and_the_next_run_finishes(bench: Bench, call: str, name: str) -> None:
    files = small_set(SET, key=SigningKey.generate())
    bench.lay("a", files)
    bench.lay("a", small_set(OTHER), OTHER)
    bench.meeting["b"] = failing(call, name)
    failure = bench.failing_run("abc")
    assert bench.held_by("c") == files
    assert bench.held_by("c", OTHER) == bench.held_by("a", OTHER)
    assert {one["location"] for one in failure.report["missing"]} == {"b"}
    assert SET in str(failure) and "'b'" in str(failure) and "running it again" in str(failure)
    bench.meeting.clear()
    bench.run("abc")
    assert bench.held_by("b") == files


def test_a_location_that_cannot_be_listed_is_named_and_the_others_are_served(bench: Bench) -> None:
    bench.lay("a", small_set(SET))
    bench.meeting["b"] = failing("list")
    failure = bench.failing_run("abc")
    assert bench.held_by("c") == bench.held_by("a")
    assert [(one["id"], one["location"]) for one in failure.report["missing"]] == [(None, "b")]
    assert failure.report["changed"] is True


def test_without_any_location_that_can_be_read_it_fails(bench: Bench) -> None:
    bench.meeting["a"] = bench.meeting["b"] = failing("list")
    with pytest.raises(BackupError, match="no location can be read"):
        bench.run()


def test_a_location_that_fails_again_and_again_is_given_up_and_all_is_named(bench: Bench) -> None:
    sets = (SET, OTHER, THIRD, FOURTH)
    for set_id in sets:
        bench.lay("a", small_set(set_id), set_id)

    def broken(call: str, key: str) -> None:
        if call == "writer":
            raise LocationError("b", "write", "the disk is full")

    bench.meeting["b"] = broken
    failure = bench.failing_run("abc")
    assert {(one["id"], one["location"]) for one in failure.report["missing"]} == {(one, "b") for one in sets}
    assert "not tried" in failure.report["missing"][-1]["reason"]
    assert all(bench.held_by("c", set_id) == bench.held_by("a", set_id) for set_id in sets)


def killed_run(bench: Bench, number: int, **params: Any) -> bool:
    """Run in a process that kills itself at the call *number* of location *b*; whether it came to that."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(call: str, key: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        bench.meeting["b"] = count
        try:
            bench.run("abc", **params)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.sampled(1)
@pytest.mark.parametrize("start", ["nothing", "half", "damaged"])
def test_a_run_killed_at_any_call_leaves_no_broken_set_and_the_next_one_finishes(bench: Bench, start: str) -> None:
    files = small_set(SET, key=SigningKey.generate())
    bench.lay("a", files)
    number = 0
    while True:
        for name in "bc":
            shutil.rmtree(bench.root / name)
            (bench.root / name).mkdir()
        if start == "half":
            bench.lay("b", {DUMP: b"wrong", GLOBALS: files[GLOBALS]})
        elif start == "damaged":
            flip(bench.lay("b", {name: data for name, data in files.items() if name != DUMP}) / GLOBALS, 1)
        spoiled = bench.held_by("b")
        if not killed_run(bench, number, repair=True):
            break
        for name in "bc":
            found = bench.held_by(name)
            if "manifest.json" in found and not (name == "b" and found == spoiled):
                assert found == files, f"after call {number}"
        bench.run("abc", repair=True)
        assert bench.held_by("b") == bench.held_by("c") == files, f"after call {number}"
        number += 1
    assert number > 15
    assert bench.held_by("b") == files


def test_memory_does_not_grow_with_the_set(bench: Bench) -> None:
    size = 192 * 1024 * 1024
    piece = b"\0" * (1024 * 1024)
    digest = hashlib.sha256()
    for _piece in range(size // len(piece)):
        digest.update(piece)
    files = small_set(SET)
    before = hashlib.sha256(files[DUMP]).hexdigest().encode()
    manifest = files["manifest.json"].replace(before, digest.hexdigest().encode())
    manifest = manifest.replace(str(len(files[DUMP])).encode(), str(size).encode())
    place = bench.lay("a", {GLOBALS: files[GLOBALS], "manifest.json": manifest})
    with (place / DUMP).open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        bench.run("abc")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (bench.place("c") / DUMP).stat().st_size == size
    assert peak < 32 * 1024 * 1024
