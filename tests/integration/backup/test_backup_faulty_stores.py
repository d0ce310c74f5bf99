"""Stores that corrupt what they get, lose their answers, or do not let go: what is reported, and what is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import preflight
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.run import TooFewCopies
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3 import writer as s3_writer
from botocore.retries.standard import ExponentialBackoff
from support.backup_bench import Bench, make_older
from support.backup_runs import ModuleProcess
from support.lab import PostgresServer, RcloneRemote, S3Server
from support.s3_proxy import Action, Forward, Reply, Request, S3Proxy, error, flip_bit, lose_reply


def contents(root: Path) -> dict[str, bytes]:
    """Every file below *root*, hidden ones too."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {location["name"]: location["status"] for location in report["locations"]}


def only_of(suffix: str, action: Action) -> Action:
    """*action* for the objects whose names end so; the others pass."""

    def chosen(request: Request, forward: Forward) -> Reply:
        return action(request, forward) if request.path.split("?")[0].endswith(suffix) else forward(request)

    return chosen


@pytest.fixture
def proxy(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """In front of the server, with a client that does not wait long between tries."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    monkeypatch.setattr(s3_writer, "_CONFLICT_SECONDS", 0.01)
    with S3Proxy(s3_server.endpoint_url) as made:
        yield made


@dataclass(frozen=True)
class FaultyStore:
    """A location behind a proxy, and the files that it really has."""

    proxy: S3Proxy
    location: dict[str, Any]
    files: Path


@pytest.fixture
def faulty(proxy: S3Proxy, s3_server: S3Server, s3_bucket: str) -> FaultyStore:
    """A location behind :func:`proxy`."""
    location = {**s3_server.location(s3_bucket), "endpoint_url": proxy.endpoint_url}
    return FaultyStore(proxy, location, s3_server.root / s3_bucket)


@pytest.fixture
def filled(postgres17: PostgresServer, database: str) -> str:
    """The name of a database with a table."""
    postgres17.query(database, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    return database


@pytest.mark.parametrize("suffix", [".dump.age", "manifest.json"])
@pytest.mark.parametrize("min_copies", [2, 3])
def test_a_copy_that_its_store_corrupts_is_not_counted_and_min_copies_decides(
    postgres17: PostgresServer, filled: str, bench: Bench, faulty: FaultyStore, suffix: str, min_copies: int
) -> None:
    for operation in ("PutObject", "UploadPart"):
        faulty.proxy.inject(operation, only_of(suffix, flip_bit))
    options = {"locations": [bench.location("a"), faulty.location, bench.location("b")], "min_copies": min_copies}
    if min_copies == 3:
        with pytest.raises(TooFewCopies, match="2 of 3 copies are good, 3 needed") as raised:
            bench.backup(postgres17, filled, **options)
        report = raised.value.report
    else:
        report = bench.backup(postgres17, filled, **options)
    assert (report["copies"], statuses(report)) == (2, {"a": "good", "s3": "failed", "b": "good"})
    assert [location["proof"] for location in report["locations"]] == ["size", None, "size"]
    assert contents(bench.directory / "a") == contents(bench.directory / "b") != {}
    assert contents(faulty.files) == {}


def test_a_manifest_whose_answer_is_lost_and_that_cannot_be_removed_keeps_its_artifacts(
    postgres17: PostgresServer, filled: str, bench: Bench, faulty: FaultyStore
) -> None:
    gone = error(503, "SlowDown")

    def lose_and_close(request: Request, forward: Forward) -> Reply:
        faulty.proxy.inject("HeadObject", only_of("manifest.json", gone))
        faulty.proxy.inject("DeleteObject", only_of("manifest.json", gone))
        return lose_reply(request, forward)

    faulty.proxy.inject("PutObject", only_of("manifest.json", lose_and_close))
    report = bench.backup(postgres17, filled, locations=[bench.location(), faulty.location], min_copies=1)
    assert statuses(report) == {"disk": "good", "s3": "failed"}
    assert contents(faulty.files) == contents(bench.root)
    assert f"nothing was removed from {report['directory']} in location 's3'" in report["locations"][1]["error"]


def test_the_proof_of_every_copy_is_reported_and_one_by_size_alone_is_a_warning(
    postgres17: PostgresServer,
    filled: str,
    bench: Bench,
    s3_server: S3Server,
    s3_bucket: str,
    rclone_config: RcloneRemote,
) -> None:
    locations = [bench.location(), s3_server.location(s3_bucket), rclone_config.location("Backups")]
    report = bench.backup(postgres17, filled, locations=locations)
    assert {one["name"]: one["proof"] for one in report["locations"]} == {"disk": "size", "s3": "md5", "gdrive": "size"}
    told = [warning for warning in report["warnings"] if "no more than the sizes" in warning]
    assert [warning.split(":")[0] for warning in told] == ["gdrive"]


def test_what_an_earlier_run_left_and_that_cannot_be_removed_is_a_warning(
    postgres17: PostgresServer, filled: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.backup(postgres17, filled)
    (bench.root / first["directory"] / "manifest.json").unlink()
    make_older(bench.root, hours=preflight.UNFINISHED_AFTER.total_seconds() / 3600 + 1)

    def refuse(_location: LocalLocation, key: str) -> None:
        raise LocationError("disk", f"delete {key}", "the file system is mounted read-only")

    monkeypatch.setattr(LocalLocation, "delete", refuse)
    report = bench.backup(postgres17, filled)
    assert report["reaped"] == []
    told = [warning for warning in report["warnings"] if "could not be removed" in warning]
    assert len(told) == 1
    assert told[0].startswith("disk: ") and "read-only" in told[0] and first["directory"] in told[0]


def test_the_module_tells_where_the_good_copies_are_when_there_are_too_few(
    postgres17: PostgresServer, filled: str, bench: Bench, faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.proxy.inject("PutObject", only_of("manifest.json", flip_bit))
    options = bench.options(postgres17, filled, locations=[bench.location(), faulty.location])
    with ModuleProcess(tmp_path, options) as module:
        result = module.result()
    assert result["failed"] is True
    assert result["step"] == "write the copies"
    assert "1 of 2 copies are good, 2 needed" in result["msg"]
    assert (result["copies"], statuses(result)) == (1, {"disk": "good", "s3": "failed"})
    manifest = json.loads((bench.root / result["directory"] / "manifest.json").read_text())
    assert manifest["id"] == result["id"]
