"""What every kind of location promises alike."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from random import Random

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location
from support.location_backends.backend import Backend
from support.threads import run_at_once

# Each promise on some of the kinds of location in a run, on others in the next.
pytestmark = pytest.mark.sampled(4)

MIB = 1024 * 1024
SIZES = (0, 1, 65535, 100 * 1024, MIB, 5 * MIB, 17 * MIB + 12345)

ODD_NAMES = (
    "with space",
    "per%20cent",
    "quote'and\"double",
    "question?mark#hash&ampersand",
    "plus+equals=at@",
    "star*[bracket]{brace}",
    "colon:semi;comma,",
    "-leading-dash",
    "~tilde",
    "dot.at.end.",
    ".hidden",
    "ümläut-漢字-🐘",
    "x" * 200,
)

REFUSED_KEYS = (
    "",
    "/absolute",
    "a/../b",
    "..",
    ".",
    "a//b",
    "a/",
    "./a",
    "nul\0",
    "new\nline",
    "back\\slash",
    "a" * 1025,
)


@functools.cache
def payload(size: int, seed: int = 0) -> bytes:
    """Bytes that no part of which equals another part."""
    return Random(seed).randbytes(size)


def keys(location: Location, prefix: str) -> list[str]:
    return [info.key for info in location.list(prefix)]


def test_checking_leaves_no_trace(location: Location, backend: Backend) -> None:
    before = backend.stored()
    assert location.check()
    assert location.check(trial=True)
    assert backend.stored() == before
    assert not any("check" in leftover.key for leftover in location.leftovers(""))


def test_a_missing_root_is_told_by_the_check(backend: Backend) -> None:
    location = open_location(backend.missing)
    try:
        with pytest.raises(LocationError) as error:
            location.check()
    finally:
        location.close()
    assert error.value.location == location.name
    assert error.value.hint


def test_a_missing_root_is_never_an_empty_location(backend: Backend) -> None:
    location = open_location(backend.missing)
    try:
        for ask in (location.list, location.list_directories, location.leftovers):
            with pytest.raises(LocationError):
                list(ask(""))
            with pytest.raises(LocationError):
                list(ask("label"))
        with pytest.raises(LocationError):
            location.put("label/object", b"data")
    finally:
        location.close()


@pytest.mark.sampled(17)
@pytest.mark.parametrize("size", SIZES)
def test_an_object_comes_back_as_it_was_written(location: Location, folder: str, size: int) -> None:
    data = payload(size)
    receipt = location.put(f"{folder}/object", data)
    assert (receipt.key, receipt.size) == (f"{folder}/object", size)
    assert receipt.proof
    assert location.get(f"{folder}/object") == data


def test_a_stream_of_small_and_large_chunks_comes_back_whole(location: Location, folder: str) -> None:
    random = Random(1)
    chunks = [random.randbytes(random.choice((0, 1, 7, 4096, 65536, 300_000))) for _ in range(100)]
    writer = location.writer(f"{folder}/stream")
    for chunk in chunks:
        writer.write(chunk)
    writer.commit()
    assert writer.receipt is not None
    assert writer.receipt.size == sum(map(len, chunks))
    assert location.get(f"{folder}/stream") == b"".join(chunks)


@pytest.mark.sampled(21)
@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 0),
        (0, 1),
        (0, None),
        (1, 10),
        (MIB - 3, 6),
        (MIB, 2 * MIB),
        (3 * MIB - 5, 5),
        (3 * MIB - 5, 500),
        (17, None),
    ],
)
def test_a_part_of_an_object_is_read_by_itself(
    location: Location, ranged: str, offset: int, length: int | None
) -> None:
    whole = payload(3 * MIB, seed=2)
    expected = whole[offset:] if length is None else whole[offset : offset + length]
    assert b"".join(location.read(ranged, offset=offset, length=length)) == expected


@pytest.mark.sampled(8)
@pytest.mark.parametrize("offset", [3 * MIB, 3 * MIB + 1, 10**12])
def test_nothing_is_read_behind_the_end(location: Location, ranged: str, offset: int) -> None:
    assert b"".join(location.read(ranged, offset=offset)) == b""
    assert b"".join(location.read(ranged, offset=offset, length=5)) == b""


@pytest.fixture(scope="session")
def ranged(location: Location) -> str:
    """The key of an object of 3 MiB."""
    location.put("ranged/object", payload(3 * MIB, seed=2))
    return "ranged/object"


def test_a_reader_may_stop_early(location: Location, ranged: str) -> None:
    for _ in range(5):
        reader = location.read(ranged)
        assert payload(3 * MIB, seed=2).startswith(next(reader))
        reader.close()
    assert location.get(ranged) == payload(3 * MIB, seed=2)


def test_an_object_that_is_not_there_is_an_error_to_read_and_none_to_look_at(location: Location, folder: str) -> None:
    location.put(f"{folder}/there", b"data")
    for key in (f"{folder}/missing", f"{folder}/no/such/folder", f"{folder}/there/below", folder):
        assert location.stat(key) is None
        with pytest.raises(LocationError, match="no object") as error:
            location.get(key)
        assert key in str(error.value)
        assert location.name in str(error.value)


def test_what_is_known_of_an_object(location: Location, folder: str) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    location.put(f"{folder}/object", b"12345")
    info = location.stat(f"{folder}/object")
    assert info is not None
    assert (info.key, info.size) == (f"{folder}/object", 5)
    assert info.modified.tzinfo is not None
    assert before <= info.modified <= datetime.now(timezone.utc) + timedelta(seconds=5)
    assert list(location.list(folder)) == [info]


def test_an_object_is_never_replaced(location: Location, folder: str) -> None:
    location.put(f"{folder}/object", b"first")
    with pytest.raises(LocationError, match="exists") as error:
        location.put(f"{folder}/object", b"second, and longer")
    assert f"{folder}/object" in str(error.value)
    assert error.value.taken
    with pytest.raises(LocationError, match="exists"):
        location.put(f"{folder}/object", b"first")
    assert location.get(f"{folder}/object") == b"first"
    assert keys(location, folder) == [f"{folder}/object"]
    assert list(location.leftovers(folder)) == []


def test_an_object_that_appears_meanwhile_is_not_replaced(location: Location, folder: str) -> None:
    late = location.writer(f"{folder}/object")
    late.write(b"late")
    location.put(f"{folder}/object", b"early")
    with pytest.raises(LocationError, match="exists") as error:
        late.commit()
    assert error.value.taken
    late.abort()
    assert location.get(f"{folder}/object") == b"early"
    assert list(location.leftovers(folder)) == []


@pytest.mark.sampled(7)
@pytest.mark.parametrize("size", [10, 12 * MIB])
def test_nothing_is_visible_before_the_commit(location: Location, folder: str, size: int) -> None:
    writer = location.writer(f"{folder}/object")
    writer.write(payload(size))
    assert location.stat(f"{folder}/object") is None
    assert keys(location, folder) == []
    writer.commit()
    assert keys(location, folder) == [f"{folder}/object"]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("size", [0, 10, 12 * MIB])
def test_an_abort_leaves_nothing_behind(location: Location, backend: Backend, folder: str, size: int) -> None:
    writer = location.writer(f"{folder}/object")
    writer.write(payload(size))
    writer.abort()
    assert writer.receipt is None
    assert location.stat(f"{folder}/object") is None
    assert not any(path.startswith(folder) for path in backend.stored())
    assert list(location.leftovers("")) == []


def test_a_writer_may_be_given_up_before_it_got_anything(location: Location, backend: Backend, folder: str) -> None:
    location.writer(f"{folder}/object").abort()
    assert not any(path.startswith(folder) for path in backend.stored())


def test_an_aborted_object_can_be_written_again(location: Location, folder: str) -> None:
    writer = location.writer(f"{folder}/object")
    writer.write(payload(MIB))
    writer.abort()
    location.put(f"{folder}/object", b"again")
    assert location.get(f"{folder}/object") == b"again"


def test_a_listing_is_whole_recursive_and_in_order(location: Location, folder: str) -> None:
    wanted = [f"{folder}/{rest}" for rest in ("a", "a.b", "a-b/c", "a0", "b/c/d/e", "b/c/d.e", "b/z", "c/1", "Z", "é")]
    for key in wanted:
        location.put(key, key.encode())
    location.put(f"{folder}-neighbour/object", b"")
    listed = list(location.list(folder))
    assert [info.key for info in listed] == sorted(wanted)
    assert [info.size for info in listed] == [len(key.encode()) for key in sorted(wanted)]
    assert keys(location, f"{folder}/b") == [f"{folder}/b/c/d.e", f"{folder}/b/c/d/e", f"{folder}/b/z"]
    everything = keys(location, "")
    assert set(wanted) <= set(everything)
    assert everything == sorted(everything)


def test_a_listing_of_many_objects_is_whole(location: Location, folder: str) -> None:
    wanted = [f"{folder}/{number % 7}/{number:04}" for number in range(15)]
    for key in wanted:
        location.put(key, b"")
    assert keys(location, folder) == sorted(wanted)


def test_a_directory_that_is_not_there_has_no_objects(location: Location, folder: str) -> None:
    location.put(f"{folder}/object", b"")
    for prefix in (f"{folder}/missing", f"{folder}/object", f"{folder[:-1]}", f"{folder}/a/b/c"):
        assert keys(location, prefix) == []
        assert list(location.list_directories(prefix)) == []
        assert list(location.leftovers(prefix)) == []


def test_directories_are_listed_by_name(location: Location, folder: str) -> None:
    for rest in ("2026/11/x", "2026/02/x", "2025/12/x", "object", "deep/a/b/c/d"):
        location.put(f"{folder}/{rest}", b"")
    assert list(location.list_directories(folder)) == ["2025", "2026", "deep"]
    assert list(location.list_directories(f"{folder}/2026")) == ["02", "11"]
    assert list(location.list_directories(f"{folder}/2026/11")) == []
    assert folder in list(location.list_directories(""))


def test_a_directory_goes_with_its_last_object(location: Location, folder: str) -> None:
    for name in ("one", "two"):
        location.put(f"{folder}/set/{name}", b"")
    location.put(f"{folder}/other/object", b"")
    location.delete(f"{folder}/set/one")
    assert list(location.list_directories(folder)) == ["other", "set"]
    location.delete(f"{folder}/set/two")
    assert list(location.list_directories(folder)) == ["other"]


def test_an_odd_but_legal_name_is_exactly_that_object(location: Location, folder: str) -> None:
    left = [f"{folder}/{name}" for name in ODD_NAMES]
    for key in left:
        location.put(key, key.encode())
    assert keys(location, folder) == sorted(left)
    for key in left:
        info = location.stat(key)
        assert info is not None
        assert info.key == key
        assert location.get(key) == key.encode()
        assert b"".join(location.read(key, offset=1, length=3)) == key.encode()[1:4]
    while left:
        location.delete(left.pop())
        if len(left) % 4 == 0:
            assert keys(location, folder) == sorted(left)


def test_an_odd_but_legal_directory_is_exactly_that_directory(location: Location, folder: str) -> None:
    for name in ODD_NAMES:
        location.put(f"{folder}/{name}/object", name.encode())
    assert list(location.list_directories(folder)) == sorted(ODD_NAMES)
    for name in ODD_NAMES:
        assert keys(location, f"{folder}/{name}") == [f"{folder}/{name}/object"]
        assert location.get(f"{folder}/{name}/object") == name.encode()


def test_names_that_differ_in_case_are_two_objects(location: Location, folder: str) -> None:
    location.put(f"{folder}/object", b"small")
    location.put(f"{folder}/Object", b"large")
    assert location.get(f"{folder}/object") == b"small"
    assert location.get(f"{folder}/Object") == b"large"


def test_deleting_is_idempotent(location: Location, backend: Backend, folder: str) -> None:
    location.put(f"{folder}/object", b"data")
    location.put(f"{folder}/other", b"data")
    for _ in range(2):
        location.delete(f"{folder}/object")
        assert location.stat(f"{folder}/object") is None
    location.delete(f"{folder}/never/was")
    assert keys(location, folder) == [f"{folder}/other"]
    assert f"{folder}/object" not in backend.stored()


def test_deleting_a_directory_deletes_no_object(location: Location, folder: str) -> None:
    location.put(f"{folder}/set/object", b"data")
    location.delete(f"{folder}/set")
    assert keys(location, folder) == [f"{folder}/set/object"]


def test_a_refused_key_reaches_no_store(location: Location, backend: Backend) -> None:
    before = backend.stored()
    attempts: list[Callable[[str], object]] = [
        lambda key: location.put(key, b"data"),
        location.get,
        location.stat,
        location.delete,
        lambda key: list(location.list(key)),
        lambda key: list(location.list_directories(key)),
        lambda key: list(location.leftovers(key)),
    ]
    for key in REFUSED_KEYS:
        # The empty one is the root, which can be listed.
        for attempt in attempts if key else attempts[:4]:
            with pytest.raises(ConfigError):
                attempt(key)
    assert backend.stored() == before


def test_several_writers_and_readers_work_at_once(location: Location, folder: str) -> None:
    def work(number: int) -> None:
        data = payload(MIB + number, seed=number)
        location.put(f"{folder}/{number}", data)
        assert location.get(f"{folder}/{number}") == data
        assert location.stat(f"{folder}/{number}") is not None

    run_at_once(work, 4)
    assert keys(location, folder) == [f"{folder}/{number}" for number in range(4)]


def test_of_two_writers_of_one_key_one_wins(location: Location, folder: str) -> None:
    key = f"{folder}/object"
    data = [payload(MIB, seed=number) for number in range(4)]
    writers = [location.writer(key) for _ in data]
    for writer, content in zip(writers, data, strict=True):
        writer.write(content)
    won: list[int] = []
    lost: list[BackupError] = []
    barrier = threading.Barrier(len(writers))

    def finish(number: int) -> None:
        barrier.wait()
        try:
            writers[number].commit()
            won.append(number)
        except BackupError as error:
            lost.append(error)
            writers[number].abort()

    run_at_once(finish, len(writers))
    assert len(won) == 1
    assert all(isinstance(error, LocationError) and "exists" in str(error) for error in lost)
    assert location.get(key) == data[won[0]]
    assert keys(location, folder) == [key]
    assert list(location.leftovers(folder)) == []


def test_free_space_is_a_number_or_unknown(location: Location) -> None:
    free = location.free_bytes()
    assert free is None or free > 0


def test_a_location_can_be_closed_twice(backend: Backend) -> None:
    location = open_location(backend.options)
    location.check()
    location.close()
    location.close()


def test_another_process_sees_what_was_written(location: Location, backend: Backend, folder: str) -> None:
    location.put(f"{folder}/object", b"data")
    other = open_location(backend.options)
    try:
        assert other.get(f"{folder}/object") == b"data"
        assert keys(other, folder) == [f"{folder}/object"]
        with pytest.raises(LocationError, match="exists"):
            other.put(f"{folder}/object", b"other")
    finally:
        other.close()
    assert location.get(f"{folder}/object") == b"data"


def test_an_option_that_the_type_does_not_have_is_named(backend: Backend) -> None:
    with pytest.raises(ConfigError, match="'colour'"):
        open_location({**backend.options, "colour": "secret-value"})
    with pytest.raises(ConfigError) as error:
        open_location({**backend.options, "colour": "secret-value"})
    assert "secret-value" not in str(error.value)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("name", ["", "a/b", "..", None, 5, "x" * 64, "-x"])
def test_a_name_that_cannot_be_one_is_refused(backend: Backend, name: object) -> None:
    with pytest.raises(ConfigError):
        open_location({**backend.options, "name": name})


def test_options_that_were_left_out_may_be_none(backend: Backend) -> None:
    every = ("path", "bucket", "prefix", "endpoint_url", "sse", "object_lock", "remote", "config")
    options: dict[str, object] = {**dict.fromkeys(every), **backend.options}
    assert open_location(options).name == backend.options["name"]


def test_an_object_is_read_under_its_tag_and_refused_when_another_takes_its_place(
    location: Location, folder: str
) -> None:
    key = f"{folder}/object"
    location.put(key, payload(1000))
    info = location.stat(key)
    assert info is not None
    assert b"".join(location.read(key, offset=10, length=20, tag=info.tag)) == payload(1000)[10:30]
    location.delete(key)
    location.put(key, payload(1000, seed=1))
    if not info.tag:
        pytest.skip("this kind of store tells no tags")
    with pytest.raises(LocationError, match="was replaced while it was read"):
        list(location.read(key, offset=10, length=20, tag=info.tag))
