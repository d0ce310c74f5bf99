"""Local files as ends of a pipeline."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.files import (
    FileSource,
    RegularFile,
    ReplacingFileSink,
    check_space,
    file_digest,
)

STEP = "test"


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writing beyond *size* bytes of any file fails, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With and without a file system that knows unnamed files."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system knows no unnamed files")
    return str(request.param)


def test_a_file_appears_only_when_it_is_complete(way: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    old = os.umask(0)
    try:
        sink = ReplacingFileSink(str(dest), step=STEP)
        sink.write(b"all ")
        sink.write(b"of it")
        shown = [path.name for path in tmp_path.iterdir()]
        if way == "unnamed":
            assert shown == []
        else:
            assert len(shown) == 1 and shown[0].startswith(".dest.") and shown[0].endswith(".partial")
            assert stat.S_IMODE((tmp_path / shown[0]).stat().st_mode) == 0o600
        sink.commit()
    finally:
        os.umask(old)
    assert dest.read_bytes() == b"all of it"
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [dest]


def test_what_was_there_is_replaced_or_kept_whole(way: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    dest.write_bytes(b"old")
    sink = ReplacingFileSink(str(dest), step=STEP)
    sink.write(b"half of the n")
    sink.abort()
    assert dest.read_bytes() == b"old" and list(tmp_path.iterdir()) == [dest]
    sink = ReplacingFileSink(str(dest), mode=0o640, step=STEP)
    sink.write(b"new")
    sink.commit()
    assert dest.read_bytes() == b"new" and stat.S_IMODE(dest.stat().st_mode) == 0o640


def test_a_full_disk_is_told_and_leaves_nothing(way: str, tmp_path: Path) -> None:
    sink = ReplacingFileSink(str(tmp_path / "dest"), step=STEP)
    with file_size_limit(100_000):
        sink.write(b"x" * 60_000)
        with pytest.raises(BackupError, match=f"cannot write {tmp_path}/dest"):
            sink.write(b"x" * 60_000)
        sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_planted_link_is_replaced_and_never_followed(way: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    dest = tmp_path / "dest"
    dest.symlink_to(victim)
    sink = ReplacingFileSink(str(dest), step=STEP)
    sink.write(b"new")
    sink.commit()
    assert victim.read_bytes() == b"precious" and not dest.is_symlink()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="cannot write"):
        ReplacingFileSink(str(tmp_path / "none" / "dest"), step=STEP)


def test_a_long_name_gets_a_temporary_name_that_fits(way: str, tmp_path: Path) -> None:
    dest = tmp_path / ("ü" * 127)
    sink = ReplacingFileSink(str(dest), step=STEP)
    sink.commit()
    assert dest.read_bytes() == b""


def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="not a regular file"):
            RegularFile(str(path), step=STEP)
    with pytest.raises(ConfigError, match="No such file"):
        RegularFile(str(tmp_path / "none"), step=STEP)


def test_a_link_of_the_user_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x" * 1_000_000)
    (tmp_path / "link").symlink_to("real")
    with RegularFile(str(tmp_path / "link"), step=STEP) as file:
        chunks: list[bytes] = []
        FileSource(file).run(chunks.append)
        assert b"".join(chunks) == b"x" * 1_000_000
        assert file.size == 1_000_000
        assert file.read_at(999_990, 100) == b"x" * 10
        assert len(file_digest(file)) == 64


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 600_000)
    with RegularFile(str(path), step=STEP) as file, path.open("ab") as writer:

        def append(chunk: bytes) -> None:
            if writer.tell() < 700_000:
                writer.write(b"more" * 50_000)
                writer.flush()

        with pytest.raises(BackupError, match="changed while it was read"):
            FileSource(file).run(append)


def test_a_file_whose_time_was_set_back_after_it_was_written_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rewritten"
    path.write_bytes(b"x" * 600_000)
    before = path.stat()
    with RegularFile(str(path), step=STEP) as file:

        def rewrite(chunk: bytes) -> None:
            # Until the clock by which the system tells the time of a change has moved on.
            while path.stat().st_ctime_ns == before.st_ctime_ns:
                path.write_bytes(b"y" * 600_000)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        with pytest.raises(BackupError, match="changed while it was read"):
            FileSource(file).run(rewrite)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_room_is_checked_beforehand(tmp_path: Path) -> None:
    check_space(str(tmp_path / "dest"), 1, step=STEP)
    with pytest.raises(PreflightError, match="has room for"):
        check_space(str(tmp_path / "dest"), 1 << 60, step=STEP)
    with pytest.raises(PreflightError):
        check_space(str(tmp_path / "none" / "dest"), 1, step=STEP)
