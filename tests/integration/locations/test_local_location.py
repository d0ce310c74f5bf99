"""What a local directory promises beyond the suite: planted links, modes, full disks, kills."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Leftover, Location
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from support.lab import new_directory
from support.location_backends.local import files_below
from support.locations import BytesSource, mounted_tmpfs
from support.threads import run_at_once

MIB = 1024 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def disk(root: Path) -> Location:
    location = open_location({"name": "disk", "type": "local", "path": str(root)})
    location.check()
    return location


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory that a planted link leads to."""
    path = tmp_path / "elsewhere"
    (path / "set").mkdir(parents=True)
    (path / "object").write_bytes(b"precious")
    (path / "set" / "object").write_bytes(b"precious")
    return path


def link_directory(place: Path, target: Path) -> None:
    place.symlink_to(target)


def link_file(place: Path, target: Path) -> None:
    place.symlink_to(target / "object")


def dangling_link(place: Path, target: Path) -> None:
    place.symlink_to(target / "made-through-the-link")


def fifo(place: Path, _target: Path) -> None:
    os.mkfifo(place)


PLANTS = [link_directory, link_file, dangling_link, fifo]


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("place", ["label", "label/set", "label/set/object"])
def test_a_planted_link_or_fifo_is_named_and_never_used(
    disk: Location, root: Path, elsewhere: Path, plant: Callable[[Path, Path], None], place: str
) -> None:
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    plant(root / place, elsewhere)
    before = sorted((path, path.read_bytes()) for path in elsewhere.rglob("*") if path.is_file())
    key = "label/set/object"
    attempts: list[Callable[[], object]] = [
        lambda: disk.put(key, b"evil"),
        lambda: disk.get(key),
        lambda: disk.stat(key),
        lambda: disk.delete(key),
        lambda: list(disk.list("")),
        lambda: list(disk.list("label")),
        lambda: list(disk.list_directories("label" if place == "label/set" else place.rpartition("/")[0])),
        lambda: list(disk.leftovers("label")),
        lambda: disk.discard(Leftover(key, now(), "label/set/.object.0123456789abcdef.partial")),
    ]
    if place.endswith("object"):
        attempts.pop()
    for attempt in attempts:
        with pytest.raises(LocationError) as error:
            attempt()
        assert place in str(error.value)
    assert sorted((path, path.read_bytes()) for path in elsewhere.rglob("*") if path.is_file()) == before
    assert (root / place).is_symlink() or (root / place).is_fifo()


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_a_link_that_replaces_the_directory_during_a_write_gets_nothing(
    disk: Location, root: Path, elsewhere: Path
) -> None:
    writer = disk.writer("label/set/object-of-ours")
    writer.write(b"data")
    (root / "label").rename(root / "moved-away")
    (root / "label").symlink_to(elsewhere)
    writer.commit()
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["object", "object", "set"]
    assert (root / "moved-away/set/object-of-ours").read_bytes() == b"data"


def test_the_root_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "backups").symlink_to(tmp_path / "disk")
    location = open_location({"name": "disk", "type": "local", "path": str(tmp_path / "backups")})
    location.check()
    location.put("label/object", b"data")
    assert (tmp_path / "disk/label/object").read_bytes() == b"data"


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=lambda mask: f"{mask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == 0o777 and os.getuid() != 0:
        pytest.skip("nobody but root can enter what this umask makes")
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


def test_files_are_0600_and_directories_0700_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    root = tmp_path / "backups"
    location = open_location({"name": "disk", "type": "local", "path": str(root)})
    location.check()
    writer = location.writer("label/2026/set/object")
    writer.write(b"data")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert {modes.pop(name) for name in ("backups", "label", "2026", "set")} == {0o700}
    assert list(modes.values()) == [0o600]
    writer.commit()
    assert stat.S_IMODE((root / "label/2026/set/object").stat().st_mode) == 0o600


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with mounted_tmpfs(tmp_path / "small", "size=4m,mode=0700") as path:
        yield path


def test_a_full_disk_fails_that_location_alone(small_disk: Path, tmp_path: Path) -> None:
    paths = {"first": tmp_path / "first", "small": small_disk, "last": tmp_path / "last"}
    locations = [open_location({"name": name, "type": "local", "path": str(path)}) for name, path in paths.items()]
    for location in locations:
        location.check()
    data = os.urandom(8 * MIB)
    outcomes = Pipeline(BytesSource(data), [], [location.writer("set/object") for location in locations]).run()
    failed = {outcome.name: outcome.error for outcome in outcomes if outcome.error is not None}
    assert list(failed) == ["small"]
    assert isinstance(failed["small"], LocationError)
    assert "No space left" in str(failed["small"])
    assert "location 'small'" in str(failed["small"])
    assert failed["small"].hint
    assert list(small_disk.iterdir()) == []
    for name in ("first", "last"):
        assert (paths[name] / "set/object").read_bytes() == data


def test_a_disk_without_room_for_a_name_fails(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "few", "size=4m,nr_inodes=4") as path:
        location = open_location({"name": "disk", "type": "local", "path": str(path)})
        location.check()
        with pytest.raises(LocationError, match="No space left"):
            location.put("a/b/c/d/e", b"data")
        assert files_below(path) == set()


FAULTS = [
    ("write", errno.EIO, "Input/output error"),
    ("write", errno.EDQUOT, "quota"),
    ("fsync", errno.EIO, "Input/output error"),
    ("fsync", errno.ENOSPC, "No space left"),
    ("link", errno.ENOSPC, "No space left"),
    ("link", errno.EROFS, "Read-only"),
]


@pytest.mark.parametrize(("call", "code", "told"), FAULTS)
def test_an_error_of_the_disk_leaves_nothing_and_names_the_location(
    disk: Location, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, told: str
) -> None:
    disk.put("label/other", b"good")

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    writer = disk.writer("label/set/object")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(LocationError, match=told) as error:
            writer.write(b"data")
            writer.commit()
        writer.abort()
    assert "location 'disk'" in str(error.value)
    assert writer.receipt is None
    assert files_below(root) == {"label/other"}
    assert list(disk.list_directories("label")) == []


def test_a_name_that_does_not_become_durable_is_taken_back(
    disk: Location, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = disk.writer("label/object")
    writer.write(b"data")
    fsync = os.fsync

    def fail_on_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_on_directories)
        with pytest.raises(LocationError, match="Input/output error"):
            writer.commit()
        writer.abort()
    assert files_below(root) == set()


def test_a_file_system_without_hard_links_serves_too(
    disk: Location, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", fail)
    disk.check()
    disk.put("label/object", b"first")
    with pytest.raises(LocationError, match="exists"):
        disk.put("label/object", b"second")
    late = disk.writer("label/late")
    late.write(b"late")
    (root / "label/late").write_bytes(b"early")
    with pytest.raises(LocationError, match="exists"):
        late.commit()
    late.abort()
    assert (root / "label/object").read_bytes() == b"first"
    assert (root / "label/late").read_bytes() == b"early"
    assert files_below(root) == {"label/object", "label/late"}


WRITE_AND_WAIT = """
import sys
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
location = open_location({"name": "disk", "type": "local", "path": sys.argv[1]})
writer = location.writer("label/set/object")
writer.write(b"x" * int(sys.argv[2]))
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("size", [1, 20 * MIB])
def test_a_killed_writer_leaves_what_the_next_run_finds_and_removes(disk: Location, root: Path, size: int) -> None:
    argv = [sys.executable, "-c", WRITE_AND_WAIT, str(root), str(size)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    assert list(disk.list("")) == []
    assert disk.stat("label/set/object") is None
    [leftover] = disk.leftovers("")
    assert leftover.key == "label/set/object"
    assert abs((now() - leftover.started).total_seconds()) < 60
    disk.put("label/set/object", b"the next run")
    disk.discard(leftover)
    disk.discard(leftover)
    assert files_below(root) == {"label/set/object"}


def test_only_what_is_unfinished_can_be_discarded(disk: Location) -> None:
    disk.put("label/object", b"data")
    for token in ("label/object", "../outside", "/etc/passwd"):
        with pytest.raises((LocationError, ConfigError)):
            disk.discard(Leftover("label/object", now(), token))
    assert disk.get("label/object") == b"data"


@pytest.mark.parametrize("key", [".object.0123456789abcdef.partial", "label/.a.0123456789abcdef.partial/object"])
def test_a_name_that_looks_unfinished_is_refused(disk: Location, key: str) -> None:
    with pytest.raises(ConfigError, match="unfinished"):
        disk.put(key, b"data")


def test_writing_and_deleting_next_to_each_other_never_fails(disk: Location) -> None:
    def work(number: int) -> None:
        for _ in range(60):
            disk.put(f"label/2026/11/{number}", b"data")
            disk.delete(f"label/2026/11/{number}")

    run_at_once(work, 4)
    assert list(disk.list_directories("")) == []


def test_two_processes_cannot_both_take_a_name(root: Path, disk: Location) -> None:
    locations = [open_location({"name": f"disk{n}", "type": "local", "path": str(root)}) for n in range(8)]
    writers = [location.writer("label/object") for location in locations]
    barrier = threading.Barrier(len(writers))
    won: list[int] = []

    def finish(number: int) -> None:
        writers[number].write(str(number).encode())
        barrier.wait()
        try:
            writers[number].commit()
            won.append(number)
        except LocationError:
            writers[number].abort()

    run_at_once(finish, len(writers))
    assert len(won) == 1
    assert disk.get("label/object") == str(won[0]).encode()
    assert files_below(root) == {"label/object"}


def test_an_object_in_the_place_of_a_directory_is_not_written_through(disk: Location, root: Path) -> None:
    disk.put("label", b"an object")
    with pytest.raises(LocationError, match="Not a directory"):
        disk.put("label/object", b"data")
    assert files_below(root) == {"label"}


def test_a_name_of_255_bytes_is_written(disk: Location) -> None:
    name = "ü" * 127 + "x"
    disk.put(f"label/{name}", b"data")
    assert disk.get(f"label/{name}") == b"data"
    with pytest.raises(LocationError, match="name too long"):
        disk.put("label/" + "x" * 256, b"data")


def test_what_a_file_system_keeps_in_its_root_is_no_directory_of_ours(disk: Location, root: Path) -> None:
    (root / "lost+found").mkdir()
    disk.put("label/object", b"data")
    assert list(disk.list_directories("")) == ["label"]


def test_a_missing_parent_is_told_and_not_made(tmp_path: Path) -> None:
    location = open_location({"name": "disk", "type": "local", "path": str(tmp_path / "not-mounted/backups")})
    with pytest.raises(LocationError, match="nor its parent exists") as error:
        location.check()
    assert str(tmp_path / "not-mounted") in str(error.value)
    assert not (tmp_path / "not-mounted").exists()


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "backups").write_bytes(b"")
    with pytest.raises(LocationError, match="Not a directory"):
        open_location({"name": "disk", "type": "local", "path": str(tmp_path / "backups")}).check()


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o1777, False), (0o775, False), (0o700, False)])
def test_a_root_that_everybody_may_change_is_refused(tmp_path: Path, mode: int, refused: bool) -> None:
    root = tmp_path / "backups"
    root.mkdir()
    root.chmod(mode)
    location = open_location({"name": "disk", "type": "local", "path": str(root)})
    if not refused:
        location.check()
        return
    with pytest.raises(LocationError, match="writable for everybody") as error:
        location.check()
    assert "chmod" in str(error.value)


def test_a_file_system_that_is_read_only_is_told_by_the_check(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path / "fixed", "ro") as path:
        location = open_location({"name": "disk", "type": "local", "path": str(path)})
        with pytest.raises(LocationError, match="Read-only file system"):
            location.check()


def test_the_check_proves_that_names_can_be_given(disk: Location, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", fail)
        with pytest.raises(LocationError, match="No space left"):
            disk.check()
    assert files_below(root) == set()


CHECK_AS_NOBODY = """
import os, sys
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
disk = open_location({"name": "disk", "type": "local", "path": sys.argv[1]})
os.setuid(65534)
disk.check()
"""


def test_a_directory_without_the_right_to_write_is_told_by_the_check() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    root = new_directory("readable")
    root.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", CHECK_AS_NOBODY, str(root)], capture_output=True, text=True)
    assert "Permission denied" in done.stderr
    assert "let the user of this run write there" in done.stderr


@pytest.mark.parametrize("path", ["relative/path", "~/backups", "", "/", "//", "/a/../b", None, 5, "/a\nb"])
def test_a_path_that_cannot_be_right_is_refused_before_anything_is_touched(path: object) -> None:
    with pytest.raises(ConfigError, match="disk"):
        open_location({"name": "disk", "type": "local", "path": path})


def test_opening_a_location_touches_nothing(tmp_path: Path) -> None:
    open_location({"name": "disk", "type": "local", "path": str(tmp_path / "backups")})
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_that_of_the_file_system(small_disk: Path) -> None:
    location = open_location({"name": "disk", "type": "local", "path": str(small_disk)})
    location.check()
    assert location.free_bytes() == 4 * MIB


def test_no_descriptor_is_lost(disk: Location) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    disk.put("label/other", b"data")
    before = descriptors()
    for number in range(5):
        disk.put(f"label/{number}", b"data")
        disk.get(f"label/{number}")
        next(iter(disk.list("")))
        disk.stat("label/missing")
        disk.writer("label/given-up").abort()
        with pytest.raises(LocationError):
            disk.put("label/other", b"data")
        disk.delete(f"label/{number}")
    assert descriptors() == before
