"""A whole set, on every version: its files, what its manifest says, and its restore by the usual programs alone."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from jsonschema import Draft202012Validator
from support.backup_bench import LABEL, Bench, Keys
from support.lab import PROJECT, PostgresServer, require_tool
from support.sample_databases import EVERYTHING, HUGE
from support.stored_sets import StoredSet, assert_same_contents, pg_restore, script_of

LARGE_OBJECTS = "SELECT oid::bigint, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1"


@dataclass(frozen=True)
class Made:
    """A backup of a database that has something of everything, and the database that was made of it."""

    server: PostgresServer
    database: str
    report: dict[str, Any]
    stored: StoredSet
    restored: str


@pytest.fixture(scope="module")
def made(postgres: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory, age: Path) -> Iterator[Made]:
    bench = Bench(tmp_path_factory.mktemp(f"pg{postgres.major}"), keys)
    with postgres.database() as database:
        # The server that compresses nothing itself shows the most: its dump has frames.
        postgres.query(database, EVERYTHING if compresses_with_zstd(postgres) else EVERYTHING + HUGE)
        report = bench.backup(
            postgres,
            database,
            kind="weekly",
            environment="staging",
            labels={"deployment": "2026-11-24.3"},
            fingerprint="all",
            tables=[{"name": "people", "priority": 1, "personal_data": True}, {"name": "crm.orders", "priority": 2}],
            exports=[{"table": "people"}],
        )
        stored = bench.stored(report)
        with stored.restored(postgres) as restored:
            yield Made(postgres, database, report, stored, restored)


def compresses_with_zstd(server: PostgresServer) -> bool:
    return server.major >= 16 and "--with-zstd" in server.run("pg_config", "--configure").stdout


def test_a_set_has_the_files_that_its_layout_names_and_no_others(made: Made) -> None:
    id = made.report["id"]
    kind, date, time = re.fullmatch(r"(weekly)_(\d{8})_(\d{6})", id).groups()  # type: ignore[union-attr]
    assert made.report["directory"] == f"{LABEL}/{date[:4]}/{date[4:6]}/{date[6:]}/{kind}_{date}_{time}"
    stamp = f"{date}_{time[:4]}"
    suffix = "" if compresses_with_zstd(made.server) else ".zst"
    assert made.stored.names == {
        f"backup_{stamp}.dump{suffix}.age",
        f"globals_{stamp}.sql.age",
        f"people_{stamp}.csv.zst.age",
        "manifest.json",
        "manifest.json.sig",
    }


def test_the_manifest_is_valid_under_the_published_schema(made: Made) -> None:
    schema = json.loads((PROJECT / "docs" / "manifest.schema.json").read_bytes())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(made.stored.manifest)
    data = (made.stored.directory / "manifest.json").read_bytes()
    assert Manifest.parse(data).to_bytes() == data


def test_the_manifest_says_what_was_backed_up(made: Made) -> None:
    manifest, server = made.stored.manifest, made.server
    assert (manifest["id"], manifest["kind"], manifest["label"]) == (made.report["id"], "weekly", LABEL)
    assert (manifest["environment"], manifest["labels"]) == ("staging", {"deployment": "2026-11-24.3"})
    database = manifest["database"]
    assert (database["name"], database["encoding"]) == (made.database, "UTF8")
    [[version, number]] = server.query(
        "postgres", "SELECT current_setting('server_version'), current_setting('server_version_num')::int"
    )
    assert (database["server_version"], database["server_version_num"]) == (version, number)
    [[identifier]] = server.query("postgres", "SELECT system_identifier::text FROM pg_control_system()")
    assert database["system_identifier"] == identifier
    assert manifest["tools"]["pg_dump"] == manifest["tools"]["pg_dumpall"] == version.split()[0]
    assert manifest["large_objects"] == 3
    tables = {(table["schema"], table["name"]): table for table in manifest["tables"]}
    assert [tables["public", "people"][name] for name in ("priority", "personal_data")] == [1, True]
    assert [tables["crm", "orders"][name] for name in ("priority", "personal_data")] == [2, False]
    assert tables["public", "bytes"]["priority"] is None


def test_sizes_and_checksums_are_those_of_the_files(made: Made) -> None:
    told = {artifact["name"]: (artifact["size"], artifact["sha256"]) for artifact in made.stored.manifest["artifacts"]}
    reported = {artifact["name"]: (artifact["size"], artifact["sha256"]) for artifact in made.report["artifacts"]}
    files = made.stored.names - {"manifest.json", "manifest.json.sig"}
    stored = {name: ((made.stored.directory / name).stat().st_size, made.stored.digest(name)) for name in files}
    assert told == reported == stored
    assert made.report["manifest_sha256"] == made.stored.digest("manifest.json")


def test_openssl_verifies_the_signature(made: Made, keys: Keys, tmp_path: Path) -> None:
    argv: list[str | Path] = [require_tool("openssl"), "pkeyutl", "-verify", "-pubin", "-inkey", keys.verify, "-rawin"]
    argv += ["-sigfile", made.stored.directory / "manifest.json.sig", "-in"]
    manifest = made.stored.directory / "manifest.json"
    assert b"Verified Successfully" in subprocess.run([*argv, manifest], capture_output=True, check=True).stdout
    other = tmp_path / "manifest.json"
    other.write_bytes(manifest.read_bytes().replace(b"staging", b"stagind"))
    assert subprocess.run([*argv, other], capture_output=True).returncode == 1


def test_the_escrow_key_decrypts_as_well(made: Made, keys: Keys) -> None:
    [globals_] = made.stored.artifacts("globals")
    script = StoredSet(made.stored.directory, keys.escrow).plain(globals_)
    assert script == made.stored.plain(globals_)


def test_the_globals_hold_the_roles_with_their_passwords(made: Made) -> None:
    [globals_] = made.stored.artifacts("globals")
    script = made.stored.plain(globals_).decode()
    assert "CREATE ROLE postgres;" in script
    assert "PASSWORD 'SCRAM-SHA-256$" in script


def test_a_restore_by_age_and_pg_restore_gives_the_same_database(made: Made) -> None:
    assert script_of(made.server, made.restored) == script_of(made.server, made.database)


def test_rows_and_fingerprints_of_the_manifest_are_those_of_the_restored_database(made: Made) -> None:
    assert_same_contents(made.stored, made.server, made.restored)
    assert (made.report["tables"], made.report["rows"]) == (12, sum(made.stored.rows.values()))
    [[orders]] = made.server.query(made.restored, "SELECT count(*) FROM crm.orders")
    assert made.stored.rows["crm", "orders"] == orders == 2000


def test_large_objects_are_restored_byte_for_byte(made: Made) -> None:
    found = made.server.query(made.restored, LARGE_OBJECTS)
    assert [number for number, _md5 in found] == [700001, 700002, 4000000001]
    assert found == made.server.query(made.database, LARGE_OBJECTS)


def test_every_block_of_the_index_holds_its_table(made: Made) -> None:
    [dump] = made.stored.artifacts("dump")
    archive = made.stored.plain(dump)
    assert len(archive) == dump["plain_size"]
    listed = pg_restore(made.server, archive, "--list").decode()
    blocks = dump["index"]["blocks"]
    assert dump["index"]["toc_length"] == min(block[3] for block in blocks)
    for dump_id, schema, table, offset, length in blocks:
        kind, number = (1, dump_id) if table else (3, dump_id)
        # A block begins with its kind and its entry's number, a sign and four bytes of it.
        assert archive[offset : offset + 6] == bytes([kind, 0]) + number.to_bytes(4, "little")
        assert length > 6
        if table:
            assert re.search(rf"^{dump_id}; .* TABLE DATA {schema} {table} ", listed, re.MULTILINE)
    assert {(block[1], block[2]) for block in blocks if block[2]} == set(made.stored.rows)


def test_reading_can_begin_at_every_frame_where_the_dump_was_compressed_on_its_way(made: Made) -> None:
    [dump] = made.stored.artifacts("dump")
    if compresses_with_zstd(made.server):
        assert (dump["compression"], dump["inner_compression"], dump["frames"]) == ("none", "zstd:1", None)
        return
    assert (dump["compression"], dump["inner_compression"]) == ("zstd", "none")
    archive, compressed = made.stored.plain(dump), made.stored.decrypt(dump["name"])
    frames = [*dump["frames"], [len(archive), len(compressed)]]
    assert len(frames) > 3
    for (plain, start), (plain_end, end) in itertools.pairwise(frames):
        argv: list[str | Path] = [require_tool("zstd"), "-d", "-c"]
        frame = subprocess.run(argv, input=compressed[start:end], capture_output=True, check=True).stdout
        assert frame == archive[plain:plain_end]
