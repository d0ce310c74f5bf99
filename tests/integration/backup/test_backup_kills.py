"""What is killed while three kinds of location are written, and what is then left in each of them."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from support.backup_bench import Bench
from support.backup_runs import ModuleProcess
from support.fake_programs import FakePrograms
from support.lab import PostgresServer, RcloneRemote, S3Server
from support.processes import children, command_line, find_child
from support.programs import wait_until

MIB = 1024 * 1024
# More than one part of an upload to S3.
IN_THE_DATA = 12 * MIB
# More than an rclone that died is sent again.
KEPT = 8 * MIB


@pytest.fixture
def locations(bench: Bench, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote) -> list[dict[str, Any]]:
    """A directory, a bucket and a remote, all there already and empty."""
    bench.root.mkdir(mode=0o700)
    (rclone_config.root / "Backups").mkdir()
    return [bench.location(), s3_server.location(s3_bucket), rclone_config.location("Backups")]


def left_in(given: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The objects of a location, and what is unfinished there."""
    with contextlib.closing(open_location(given)) as location:
        return [info.key for info in location.list("")], [leftover.key for leftover in location.leftovers("")]


def files(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.is_file()]


def largest_file(root: Path) -> int:
    """Bytes of the largest file below *root*; files may come and go meanwhile."""
    sizes = [0]
    for path in root.rglob("*"):
        with contextlib.suppress(OSError):
            sizes.append(path.lstat().st_size)
    return max(sizes)


def test_a_pg_dump_that_is_killed_leaves_nothing_in_any_kind_of_location(
    postgres17: PostgresServer,
    big_database: str,
    bench: Bench,
    tmp_path: Path,
    locations: list[dict[str, Any]],
    s3_server: S3Server,
    s3_bucket: str,
    rclone_config: RcloneRemote,
) -> None:
    options = {"locations": locations, "compress": "none"}
    with (
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=IN_THE_DATA) as programs,
        bench.under_way(postgres17, big_database, pg_bin_dir=programs, **options) as run,
    ):
        [wrapper] = programs.wait_until_held()
        os.kill(find_child("pg_dump", of=wrapper), signal.SIGKILL)
        programs.open()
        with pytest.raises(SourceError, match="pg_dump was ended by signal SIGKILL"):
            run.result(60)
    assert [left_in(given) for given in locations] == [([], [])] * 3
    for root in (bench.root, s3_server.root / s3_bucket, rclone_config.root):
        assert files(root) == []


def test_an_rclone_that_is_killed_loses_its_copy_alone(
    postgres17: PostgresServer,
    big_database: str,
    bench: Bench,
    locations: list[dict[str, Any]],
    rclone_config: RcloneRemote,
) -> None:
    options = {"locations": locations, "compress": "none", "min_copies": 2}
    with bench.held(postgres17, big_database, hold_after=IN_THE_DATA, **options) as (programs, run):
        # As long as all that was sent is kept, another one takes its place.
        wait_until(lambda: largest_file(rclone_config.root) > KEPT, what="the copy to be larger than what is kept")
        # The laboratory's own servers are rclone too.
        [daemon] = [child for child in children(os.getpid()) if "rcd" in command_line(child)]
        os.kill(daemon, signal.SIGKILL)
        programs.open()
        report = run.result(90)
    assert {one["name"]: one["status"] for one in report["locations"]} == {
        "disk": "good", "s3": "good", "gdrive": "failed",
    }  # fmt: skip
    assert "broke the connection off" in report["locations"][2]["error"]
    found = {given["name"]: left_in(given) for given in locations}
    assert found["disk"] == found["s3"] != ([], [])
    # Nothing that could be taken for a part of a set.
    assert found["gdrive"][0] == []


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def modes(root: Path) -> dict[str, str]:
    """The kind and mode of everything below *root*."""
    return {str(path.relative_to(root)): stat.filemode(path.lstat().st_mode) for path in root.rglob("*")}


@pytest.mark.next
def test_files_and_directories_are_private_whatever_the_umask(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path, rclone_config: RcloneRemote
) -> None:
    options = bench.options(postgres17, database, locations=[bench.location(), rclone_config.location("Backups")])
    with umask(0), ModuleProcess(tmp_path, options) as module:
        result = module.result()
        assert result["copies"] == 2
        bench.backup(postgres17, database, locations=[bench.location("other")])
    for root in (bench.root, bench.directory / "other", rclone_config.root):
        assert len(files(root)) == 4
        assert set(modes(root).values()) == {"-rw-------", "drwx------"}
    assert {stat.filemode(root.stat().st_mode) for root in (bench.root, bench.directory / "other")} == {"drwx------"}
