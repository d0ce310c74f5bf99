"""What ``verify_dump`` proves of sets, on real ones; and that nothing that is wrong ever passes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.run import VerifyFailed
from support.drill_runs import damaged_set, make_shop
from support.lab import PostgresServer, RcloneRemote, S3Server
from support.module_runs import ForkedModule
from support.restore_runs import ENVIRONMENT, RestoreBench
from support.spoiled_sets import dump_of, flip, forge_and_sign, forge_manifest, replace_dump
from support.verify_runs import bad, statuses, verify


def look(bench: RestoreBench, **options: Any) -> dict[str, Any]:
    keys = bench.bench.keys
    given = {
        "label": "shop",
        "locations": [bench.bench.location()],
        "level": "content",
        "identities": [str(keys.identity)],
        "verify_key": [str(keys.verify)],
        "expect_environment": ENVIRONMENT,
        **options,
    }
    return verify(bench.bench.directory / "cache", **given)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("compress", ["none", "gzip:6", "zstd:3"])
def test_a_good_set_is_read_to_its_end_whatever_has_compressed_it(
    bench: RestoreBench, postgres: PostgresServer, jobs: int, compress: str
) -> None:
    shop = make_shop(postgres)
    try:
        bench.backup(postgres, shop, jobs=jobs, compress=compress)
    except BackupError as error:
        if "compress" not in error.message:
            raise
        pytest.skip(str(error))
    report = look(bench, critical_tables=["clients", "public.orders"])
    assert (report["verdict"], bad(report)) == ("passed", {})
    assert {name[0] for name, status in statuses(report).items() if status == "passed"} == {
        "manifest", "signature", "environment", "files", "min_size", "recipients", "checksum", "archive", "tables",
        "critical_tables", "contents", "rows", "size", "chain",
    }  # fmt: skip
    rows = next(one["message"] for one in report["findings"] if one["check"] == "rows")
    assert rows == "2,200 rows, as many as the manifest says"


def test_every_location_is_verified_and_one_that_is_bad_hides_no_other(
    bench: RestoreBench,
    postgres17: PostgresServer,
    shop: str,
    s3_server: S3Server,
    s3_bucket: str,
    rclone_config: RcloneRemote,
) -> None:
    places = [s3_server.location(s3_bucket), rclone_config.location("Backups"), bench.bench.location()]
    report = bench.backup(postgres17, shop, locations=places)
    assert look(bench, locations=places)["verdict"] == "passed"
    flip(dump_of(rclone_config.root / "Backups" / report["directory"]), -100)
    shutil.rmtree(bench.bench.root / report["directory"])
    found = statuses(look(bench, locations=places))
    assert {name for name, status in found.items() if status == "failed"} == {
        ("checksum", "gdrive"), ("contents", "gdrive"), ("manifest", "disk"),
    }  # fmt: skip
    assert found["contents", "s3"] == "passed"
    assert look(bench, locations=places, location="s3")["verdict"] == "passed"


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a bit of the header": (lambda made: flip(dump_of(made), 30), "checksum"),
    "a bit of a chunk": (lambda made: flip(dump_of(made), -200), "checksum"),
    "a bit of the last tag": (lambda made: flip(dump_of(made), -1), "checksum"),
    "cut off": (lambda made: rewrite(dump_of(made), lambda data: data[:-1]), "files"),
    "trailing bytes": (lambda made: rewrite(dump_of(made), lambda data: data + b"x"), "files"),
    "empty": (lambda made: rewrite(dump_of(made), lambda _data: b""), "files"),
    "another file": (replace_dump, "checksum"),
    "an export": (lambda made: flip(next(made.glob("clients_*")), -1), "checksum"),
    "the roles": (lambda made: flip(next(made.glob("globals_*")), -1), "checksum"),
    "a forged manifest": (forge_manifest, "signature"),
    "a manifest that somebody else signed": (forge_and_sign, "signature"),
    "no signature": (lambda made: (made / "manifest.json.sig").unlink(), "signature"),
    "no manifest": (lambda made: (made / "manifest.json").unlink(), "manifest"),
    "a manifest that is none": (lambda made: (made / "manifest.json").write_bytes(b"{}"), "signature"),
    "a file that is gone": (lambda made: dump_of(made).unlink(), "files"),
}


@pytest.mark.parametrize("level", ["structure", "content"])
@pytest.mark.parametrize("how", SPOILT)
def test_what_is_spoilt_fails_by_the_check_that_is_about_it(
    bench: RestoreBench, made: Path, how: str, level: str
) -> None:
    spoil, check = SPOILT[how]
    spoil(made)
    report = look(bench, backup=made.name, level=level)
    assert report["verdict"] == "failed"
    assert check in bad(report), bad(report)


@pytest.mark.parametrize("identities", [[], [str(X25519Identity.generate())]], ids=["none", "another"])
def test_without_the_right_key_contents_fail_and_name_who_could_read_them(
    bench: RestoreBench, made: Path, identities: list[str]
) -> None:
    assert made.exists()
    report = look(bench, identities=identities)
    assert bench.bench.keys.recipients[0] in bad(report)["contents"]


def test_without_a_key_the_structure_is_a_warning_and_tables_are_those_of_the_index(
    bench: RestoreBench, made: Path
) -> None:
    assert made.exists()
    report = look(bench, identities=[], level="structure", critical_tables=["clients", "client"])
    assert statuses(report)["contents", "disk"] == "warning"
    assert bad(report) == {"critical_tables": "missing in the manifest's index: client"}


def test_the_old_key_still_reads_old_sets(bench: RestoreBench, made: Path) -> None:
    assert made.exists()
    rotated = [str(X25519Identity.generate()), str(bench.bench.keys.escrow)]
    assert look(bench, identities=rotated)["verdict"] == "passed"


def test_a_critical_table_is_found_by_its_exact_name(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    postgres17.query(shop, 'CREATE SCHEMA app; CREATE TABLE app.clients_old (id int); CREATE TABLE "Odd.Name" (id int)')
    bench.backup(postgres17, shop)
    report = look(bench, critical_tables=["clients", "app.clients_old", '"Odd.Name"'])
    assert report["verdict"] == "passed"
    for missing in ("clients_old", "app.clients", "Clients", "odd.name", "lient"):
        assert bad(look(bench, critical_tables=[missing])) == {"critical_tables": f"missing in the dump: {missing}"}


def test_rows_and_objects_that_differ_from_the_manifest_are_named(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    damage = "DELETE FROM orders WHERE id = 7; DROP POLICY own_consents ON consents; SELECT lo_from_bytea(1, 'x')"
    damaged_set(bench, postgres17, shop, lambda: postgres17.query(shop, damage))
    found = bad(look(bench))
    assert "table public.orders has 1,999 rows in the dump, and the manifest says 2,000" in found["rows"]
    assert "1 large objects in the dump instead of 0" in found["rows"]
    assert "POLICY public.consents own_consents is missing in the dump" in found["archive"]


def test_a_set_of_another_environment_label_or_size_fails(bench: RestoreBench, made: Path) -> None:
    assert (
        "'production' was expected, and the set is of environment 'staging'"
        in bad(look(bench, expect_environment="production"))["environment"]
    )
    with pytest.raises(ConfigError, match="there is no backup of 'other'"):
        look(bench, label="other")
    assert "are expected" in bad(look(bench, min_size=10**9))["min_size"]
    shutil.copytree(made, bench.bench.root / "other" / made.relative_to(bench.bench.root / "shop"))
    assert "manifest" in bad(look(bench, label="other"))


def test_an_exchanged_set_before_it_shows_in_the_chain(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    made = bench.bench.root / bench.backup(postgres17, shop)["directory"]
    bench.backup(postgres17, shop)
    assert statuses(look(bench))["chain", ""] == "passed"
    forge_manifest(made)
    assert "exchanged" in bad(look(bench))["chain"]
    shutil.rmtree(made)
    assert statuses(look(bench))["chain", ""] == "warning"


def test_a_set_without_a_key_to_check_it_or_with_one_recipient_is_a_warning(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    bench.backup(postgres17, shop, recipients=bench.bench.keys.recipients[:1])
    found = statuses(look(bench, verify_key=None))
    assert (found["signature", "disk"], found["recipients", "disk"]) == ("warning", "warning")


def test_the_module_fails_with_the_whole_report_unless_told_otherwise(bench: RestoreBench, made: Path) -> None:
    flip(dump_of(made), -1)
    with pytest.raises(VerifyFailed, match=r"checksum \(disk\): not what was written") as caught:
        look(bench, fail=True)
    assert caught.value.report["verdict"] == "failed"


def test_rows_of_partitions_and_of_text_with_line_feeds_are_counted_as_they_are(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    postgres17.query(
        shop,
        "CREATE TABLE parted (id int, t text) PARTITION BY RANGE (id);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE empty (id int);"
        "CREATE TABLE blank ();"
        "INSERT INTO blank DEFAULT VALUES; INSERT INTO blank DEFAULT VALUES;"
        r"INSERT INTO parted SELECT i, E'a\nb\\.\n' FROM generate_series(1, 9) i",
    )
    bench.backup(postgres17, shop)
    assert bad(look(bench)) == {}


def test_a_damaged_header_names_its_file_and_the_checksums_are_compared_still(bench: RestoreBench, made: Path) -> None:
    flip(dump_of(made), 0)
    found = bad(look(bench, level="structure", identities=[]))
    assert dump_of(made).name in found["recipients"]
    assert "checksum" in found


def test_rows_that_are_not_in_the_dump_at_all_are_missed(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    damaged_set(bench, postgres17, shop, lambda: postgres17.query(shop, "DROP TABLE consents"))
    assert "table public.consents has no rows in the dump, and the manifest says 100" in bad(look(bench))["rows"]


def test_blocks_that_are_elsewhere_than_the_index_says_are_told(bench: RestoreBench, made: Path) -> None:
    path = made / "manifest.json"
    manifest = Manifest.parse(path.read_bytes())
    dump = next(artifact for artifact in manifest.artifacts if artifact.role == "dump")
    assert dump.index is not None
    moved = tuple(block._replace(length=block.length - 1) for block in dump.index.blocks)
    changed = replace(dump, index=replace(dump.index, blocks=moved))
    others = tuple(changed if artifact is dump else artifact for artifact in manifest.artifacts)
    path.write_bytes(replace(manifest, artifacts=others).to_bytes())
    assert "its blocks are not where the manifest's index says" in bad(look(bench, verify_key=None))["contents"]


def test_the_module_tells_everything_when_it_fails_and_when_it_may_not(bench: RestoreBench, made: Path) -> None:
    flip(dump_of(made), -1)
    keys = bench.bench.keys
    options = {
        "label": "shop",
        "locations": [bench.bench.location()],
        "identities": [str(keys.identity)],
        "cache_dir": str(bench.bench.directory / "cache"),
    }
    for more, status in (({}, 1), ({"fail": False}, 0), ({"_ansible_check_mode": True}, 1)):
        module = ForkedModule("verify_dump", {**options, **more})
        output, _errors = module.communicate()
        result = json.loads(output)
        assert (module.poll(), result.get("failed", False)) == (status, bool(status))
        assert (result["verdict"], result["changed"]) == ("failed", False)
        assert keys.identity.read_text().strip() not in output
