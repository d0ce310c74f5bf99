"""Whatever may take long opens stages, so that whoever waits is told how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core import progress
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.upload import run_s3_upload
from ansible_collections.mobul.backup.plugins.modules import backup_replicate, s3_upload
from support.drill_runs import drill
from support.lab import PostgresServer, S3Server
from support.module_parameters import parameters
from support.restore_runs import RestoreBench, drop_versions, restore
from support.table_restores import restore_table
from support.verify_runs import verify

Told = Callable[[], dict[str, progress.Stage]]
LOADED = "load the database"
COMPARED = "compare it with the backup"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The stages that were opened since it was asked last, by their names."""
    opened: list[progress.Stage] = []

    class Kept(progress.Stage):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            opened.append(self)

    monkeypatch.setattr(progress, "Stage", Kept)

    def ask() -> dict[str, progress.Stage]:
        # Each is over by now.
        assert progress.snapshot() is None
        found = {one.name: one for one in opened}
        opened.clear()
        return found

    return ask


def test_backup_copies_and_checks_of_a_set(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, tmp_path: Path, told: Told
) -> None:
    report = bench.backup(postgres17, shop)
    (dump,) = told().values()
    assert dump.name == "dump the database" and dump.done and dump.tables == dump.tables_total == 3
    held = {"label": bench.bench.label(), "verify_key": [str(bench.bench.keys.verify)]}

    key = str(bench.bench.keys.identity)
    verify(tmp_path / "cache", **held, locations=[bench.bench.location()], level="content", identities=[key])
    read = told()["read the copies"]
    assert read.done >= (read.total or 0) > 0

    locations = [bench.bench.location(name) for name in ("disk", "other")]
    options = {**held, "locations": locations, "cache_dir": str(tmp_path / "cache")}
    run_backup_replicate(parameters(backup_replicate, **options), False)
    copied = told()[f"copy {report['id']}"]
    assert copied.done >= (copied.total or 0) > 0

    drill(bench, postgres17, checks=[{"name": "any", "query": "SELECT true"}])
    stages = told()
    assert {LOADED, COMPARED} <= stages.keys()
    assert stages["ask the checks' queries"].doing == "query 1 of 1 (any)"


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_restores_of_a_database_from_a_set_and_from_files(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, tmp_path: Path, told: Told, strategy: str
) -> None:
    bench.backup(postgres17, shop)
    told()
    target: dict[str, Any] = {"strategy": strategy, "expect_database": shop}
    try:
        bench.restore(postgres17, shop, **target)
        stages = told()
        assert stages[LOADED].done and COMPARED in stages
        analyzed = stages[COMPARED if strategy == "side_by_side" else "collect the statistics"]
        assert analyzed.tables == analyzed.tables_total == 3
        for suffix, options in ((".dump", ["-Fc"]), (".sql", ["-Fp", "--clean", "--if-exists"])):
            file = tmp_path / f"shop{suffix}"
            postgres17.run("pg_dump", *options, "-f", str(file), database=shop)
            bare = {"label": None, "locations": None, "verify_key": None, "identities": None}
            restore(**bench.options(postgres17, shop, **{**target, **bare}, src=str(file)))
            stages = told()
            assert stages["read the file"].done == stages["read the file"].total == file.stat().st_size
            # A program of PostgreSQL that reads a plain dump by itself tells nothing.
            counted = strategy == "in_place" or suffix == ".sql"
            assert stages[LOADED].done == (file.stat().st_size if counted else 0)
    finally:
        drop_versions(postgres17, shop)


def test_a_restore_of_a_table_and_checks_of_a_file(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, tmp_path: Path, told: Told
) -> None:
    bench.backup(postgres17, shop)
    told()
    restore_table(postgres17, shop, "public.consents", bench=bench.bench)
    assert told()["load the rows of public.consents"].done
    rows = tmp_path / "consents.csv"
    rows.write_text("client,given\n1,true\n")
    restore_table(postgres17, shop, "public.consents", src=str(rows), strategy="merge")
    assert {"look for the rows", "read the file", "load the rows of consents.csv"} <= told().keys()
    dump = tmp_path / "shop.dump"
    postgres17.run("pg_dump", "-Fc", "-f", str(dump), database=shop)
    verify(tmp_path / "cache", src=str(dump), level="content")
    stages = told()
    assert {name: one.done for name, one in stages.items()} == dict.fromkeys(
        ["read the file", "unpack the file"], dump.stat().st_size
    )


def test_an_upload_and_a_file_that_is_there_already(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path, told: Told
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 70_000)
    location = s3_server.location(s3_bucket)
    given = {name: location[name] for name in ("bucket", "endpoint_url", "region", "access_key", "secret_key")}
    for names in ({"read the file", "upload the file"}, {"read the file"}):
        run_s3_upload(parameters(s3_upload, src=str(file), **given), False)
        assert {name: (one.done, one.total) for name, one in told().items()} == dict.fromkeys(names, (70_000, 70_000))
