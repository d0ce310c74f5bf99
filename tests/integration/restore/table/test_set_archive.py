"""A set read back as one archive: whole, by single tables, and never a byte that is not authentic."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import load_verify_keys
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import GoodSet, find_good_set
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.selector import BackupSelector
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, CryptoError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_locations
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.set_archive import (
    SetArchive,
    open_set_archive,
)
from support.backup_bench import LABEL, Bench, make_keys
from support.postgres import PostgresServer
from support.sample_databases import fill
from support.stored_sets import pg_restore, script_of

SCHEMA = '''
CREATE TABLE parents (id int PRIMARY KEY, name text);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents, "odd, ""name""" bytea);
CREATE TABLE nothing ();
CREATE TABLE "a (b) FROM stdin; ""c""" ("x y" int, "Z)" text, "select" int, plain int);
CREATE MATERIALIZED VIEW named AS SELECT name FROM parents;
INSERT INTO parents SELECT g, 'name ' || g FROM generate_series(1, 2000) g;
INSERT INTO children SELECT g, g, decode(md5(g::text), 'hex') FROM generate_series(1, 2000) g;
SELECT lo_from_bytea(4711, 'a large object');
'''


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Locations and keys of this file."""
    directory = tmp_path_factory.mktemp("archives")
    return Bench(directory, make_keys(directory))


@dataclass(frozen=True)
class Filled:
    """A database with two tables of some megabytes and more that is small, and the label of its only set."""

    server: PostgresServer
    name: str
    label: str
    jobs: int


# A dump in several parts, and one in one part, of which some server's programs compress only outside.
JOBS = {15: 1, 17: 3, 18: 3}


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, bench: Bench) -> Iterator[Filled]:
    jobs, label = JOBS[postgres.major], f"filled-{postgres.major}"
    with postgres.database() as name:
        postgres.query(name, SCHEMA)
        fill(postgres, name, 5)
        fill(postgres, name, 4, table="other_filling")
        report = bench.backup(postgres, name, jobs=jobs, label=label)
        assert len(bench.stored(report).artifacts("dump")) == jobs
        yield Filled(postgres, name, label, jobs)


def open_archive(bench: Bench, label: str | None = None) -> tuple[GoodSet, SetArchive]:
    """The newest set of a label, or of the database that was backed up last, as one archive."""
    locations = open_locations([bench.location()])
    keys = [*load_verify_keys(str(bench.keys.verify))]
    good = find_good_set(locations, label or bench.label(), verify_keys=keys)
    return good, open_set_archive(good, Decryption.parse([str(bench.keys.identity)]))


def archive_of(archive: SetArchive, keep: Collection[int] | None = None, *, data: bool = True) -> bytes:
    """The bytes of an archive made of the set's."""
    pieces: list[bytes] = []
    archive.source(keep, data=data).run(pieces.append)
    return b"".join(pieces)


def test_the_whole_archive_restores_the_database(filled: Filled, bench: Bench) -> None:
    server = filled.server
    _good, archive = open_archive(bench, filled.label)
    with server.database(template="template0") as restored:
        pg_restore(server, archive_of(archive), "--exit-on-error", "--single-transaction", f"--dbname={restored}")
        assert script_of(server, restored) == script_of(server, filled.name)


def test_one_table_is_read_without_the_others(filled: Filled, bench: Bench) -> None:
    server = filled.server
    good, archive = open_archive(bench, filled.label)
    read = counted(good.location)
    for table in ("children", "nothing", "other_filling"):
        entry = archive.tables()["public", table]
        read.clear()
        made = archive_of(archive, {entry.dump_id})
        size = archive.data_sizes[entry.dump_id]
        # A version of pg_dump without zstd is compressed outside, in frames of 4 MiB.
        assert sum(read) <= size + (9 if good.dumps()[0].frames else 1) * 1024 * 1024
        text = pg_restore(server, made, "--data-only", "--file=-").decode()
        whole = subprocess.run(
            [server.bin_dir / "pg_dump", "--data-only", f"--table={table}", filled.name],
            capture_output=True,
            check=True,
            env=server.environment(),
        ).stdout.decode()
        assert copied(text) == copied(whole)
    assert archive.copy(archive.tables()["public", "children"].dump_id).columns == ("id", "parent", 'odd, "name"')
    assert archive.copy(archive.tables()["public", "nothing"].dump_id).columns == ()
    odd = archive.copy(archive.tables()["public", 'a (b) FROM stdin; "c"'].dump_id)
    assert odd.columns == ("x y", "Z)", "select", "plain")


def counted(location: Location) -> list[int]:
    """The lengths of everything that is read from *location* from now on."""
    read = location.read
    lengths: list[int] = []

    def counting(key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        for piece in read(key, offset=offset, length=length, tag=tag):
            lengths.append(len(piece))
            yield piece

    location.read = counting  # type: ignore[method-assign]
    return lengths


def copied(script: str) -> str:
    """The COPY of a script and its rows."""
    return script[script.index("COPY ") : script.index("\n\\.\n")]


def test_an_archive_without_data_has_the_schema(filled: Filled, bench: Bench) -> None:
    _good, archive = open_archive(bench, filled.label)
    with filled.server.database(template="template0") as restored:
        made = archive_of(archive, data=False)
        pg_restore(filled.server, made, "--exit-on-error", "--schema-only", f"--dbname={restored}")
        assert filled.server.query(restored, "SELECT count(*) FROM filling") == [(0,)]
    assert len(made) < 64 * 1024


@dataclass(frozen=True)
class TwoSets:
    """Two sets of a database in one location.

    :param reports: of their backups, the older first.
    """

    bench: Bench
    reports: list[dict[str, Any]]


@pytest.fixture(scope="module")
def two_sets(postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> TwoSets:
    directory = tmp_path_factory.mktemp("two")
    bench = Bench(directory, make_keys(directory))
    with postgres17.database() as name:
        fill(postgres17, name, 2)
        return TwoSets(bench, [bench.backup(postgres17, name, compress="none") for _number in range(2)])


@pytest.mark.parametrize("damage", ["head", "chunk", "last chunk", "other file", "cut", "longer"])
def test_no_byte_of_a_damaged_artifact_is_used(two_sets: TwoSets, tmp_path: Path, damage: str) -> None:
    bench = Bench(tmp_path, two_sets.bench.keys)
    shutil.copytree(two_sets.bench.root, bench.root)
    first, stored = map(bench.stored, two_sets.reports)
    name = stored.artifacts("dump")[0]["name"]
    path = stored.directory / name
    genuine = stored.decrypt(name)
    data = bytearray(path.read_bytes())
    if damage == "other file":
        data = bytearray((first.directory / first.artifacts("dump")[0]["name"]).read_bytes())
    elif damage == "cut":
        del data[-1:]
    elif damage == "longer":
        data += b"\0"
    else:
        data[{"head": 120, "chunk": len(data) // 2, "last chunk": -20}[damage]] ^= 1
    path.unlink()
    path.write_bytes(data)
    pieces: list[bytes] = []
    with pytest.raises(CryptoError):
        _good, archive = open_archive(bench)
        archive.source().run(pieces.append)
    # What came before the fault is the beginning of the genuine archive.
    assert genuine.startswith(b"".join(pieces))
    assert damage in ("chunk", "last chunk") or not pieces


def test_a_part_that_was_exchanged_by_somebody_with_the_public_keys_is_refused(
    postgres17: PostgresServer, database: str, bench: Bench, age: Path
) -> None:
    stored = bench.stored(bench.backup(postgres17, database))
    [dump] = stored.artifacts("dump")
    plain = stored.decrypt(dump["name"])
    recipients = [word for recipient in bench.keys.recipients for word in ("-r", recipient)]
    forged = subprocess.run([age, *recipients], input=plain, capture_output=True, check=True).stdout
    path = stored.directory / dump["name"]
    path.unlink()
    path.write_bytes(forged[: dump["size"]].ljust(dump["size"], b"\0"))
    with pytest.raises(CryptoError, match="is not the file that was written there"):
        open_archive(bench)


def test_a_key_that_does_not_fit_is_told_with_the_recipients(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    bench.backup(postgres17, database)
    good, _archive = open_archive(bench)
    with pytest.raises(CryptoError) as raised:
        open_set_archive(good, Decryption.parse([str(X25519Identity.generate())]))
    assert all(recipient in str(raised.value) for recipient in bench.keys.recipients)


@pytest.mark.parametrize("where", [["empty", "disk"], ["damaged", "disk"], ["unsigned", "disk"]])
def test_the_first_good_copy_is_taken_and_others_are_told(
    postgres17: PostgresServer, database: str, tmp_path: Path, where: list[str]
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    report = bench.backup(postgres17, database)
    bad = tmp_path / where[0]
    bad.mkdir()
    if where[0] != "empty":
        shutil.copytree(bench.root, bad, dirs_exist_ok=True)
    spoil: dict[str, Callable[[Path], None]] = {
        "damaged": lambda directory: next(directory.glob("globals_*")).unlink(),
        "unsigned": lambda directory: (directory / "manifest.json.sig").unlink(),
        "empty": lambda directory: None,
    }
    spoil[where[0]](bad / report["directory"])
    locations = open_locations([bench.location(name) for name in where])
    keys = [*load_verify_keys(str(bench.keys.verify))]
    good = find_good_set(locations, LABEL, verify_keys=keys)
    assert good.location.name == "disk"
    assert good.warnings[0].startswith("passed over: ")
    assert where[0] in good.warnings[0]
    with pytest.raises(BackupError):
        find_good_set(locations[:1], LABEL, verify_keys=keys)


def test_an_older_set_is_never_taken_for_the_newest_without_a_word(
    postgres17: PostgresServer, database: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    older = bench.backup(postgres17, database)
    shutil.copytree(bench.root, tmp_path / "behind")
    newest = bench.backup(postgres17, database)
    locations = open_locations([bench.location("behind"), bench.location()])
    assert str(find_good_set(locations, LABEL).manifest.id) == newest["id"]
    next((bench.root / newest["directory"]).glob("backup_*")).unlink()
    with pytest.raises(CryptoError, match=newest["id"]):
        find_good_set(locations, LABEL)
    assert str(find_good_set(locations, LABEL, BackupSelector.parse(older["id"])).manifest.id) == older["id"]
    with pytest.raises(ConfigError, match="there is no backup of 'shopp'"):
        find_good_set(locations, "shopp")
