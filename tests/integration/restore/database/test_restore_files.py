"""Files that older procedures left behind: dumps and scripts, compressed and encrypted by the usual programs."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.backup_bench import Keys
from support.cipher_files import run
from support.lab import PostgresServer, require_tool
from support.restore_runs import SHOP, RestoreBench, databases, versions_of
from support.stored_sets import contents_of, pg_dump, script_of

PASSWORD = "correct horse battery staple"
OBJECTS = """
CREATE VIEW paid AS SELECT * FROM orders WHERE paid IS NOT NULL;
CREATE INDEX orders_paid ON orders (md5(paid));
SELECT lo_from_bytea(4711, 'large')
"""
Encrypt = Callable[[bytes, Keys], bytes]


def openssl(*options: str) -> Encrypt:
    def encrypt(data: bytes, keys: Keys) -> bytes:
        argv = ["openssl", "enc", "-aes-256-cbc", "-salt", *options, "-pass", "env:PW"]
        return run(*argv, stdin=data, environment={"PATH": os.environ["PATH"], "PW": PASSWORD})

    return encrypt


def gpg(data: bytes, keys: Keys) -> bytes:
    home = keys.identity.parent / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    argv = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", PASSWORD]
    try:
        # Otherwise the agent first finds out how much the machine can do in a noticeable time.
        return run(*argv, "--s2k-count", "65536", "--symmetric", stdin=data)
    finally:
        run("gpgconf", "--homedir", str(home), "--kill", "all")


def age(data: bytes, keys: Keys) -> bytes:
    return run(require_tool("age"), "--recipient", keys.recipients[0], stdin=data)


def plain(data: bytes, keys: Keys) -> bytes:
    return data


LAYERS: dict[str, tuple[str, Callable[[bytes], bytes], Encrypt]] = {
    "dump": ("-Fc", bytes, plain),
    "dump of openssl": ("-Fc", bytes, openssl()),
    "dump of openssl -pbkdf2": ("-Fc", bytes, openssl("-pbkdf2")),
    "dump of openssl before 1.1": ("-Fc", bytes, openssl("-md", "md5")),
    "dump of gpg": ("-Fc", bytes, gpg),
    "dump of age": ("-Fc", bytes, age),
    "dump.gz": ("-Fc", gzip.compress, plain),
    "sql": ("-Fp", bytes, plain),
    "sql.gz": ("-Fp", gzip.compress, plain),
    "sql.xz": ("-Fp", lzma.compress, plain),
    "sql.gz of openssl": ("-Fp", gzip.compress, openssl()),
    "sql.xz of gpg": ("-Fp", lzma.compress, gpg),
    "sql.gz of age": ("-Fp", gzip.compress, age),
}


# Each kind with one number of jobs; those that several can read at once with both.
CASES = [*((kind, 1 + number % 2) for number, kind in enumerate(LAYERS)), ("dump", 2), ("dump.gz", 2)]


@dataclass(frozen=True)
class Lasting:
    """A database that each test leaves as it was.

    :param script: the definitions and rows, as pg_dump writes them.
    :param contents: the fingerprints of its tables.
    """

    server: PostgresServer
    name: str
    script: bytes
    contents: object
    _dumps: dict[tuple[str, ...], bytes] = field(default_factory=dict)

    def dump(self, *options: str) -> bytes:
        """What pg_dump makes of it."""
        if options not in self._dumps:
            self._dumps[options] = pg_dump(self.server, self.name, *options)
        return self._dumps[options]


def lasting(server: PostgresServer, statements: str) -> Iterator[Lasting]:
    with versions_of(server, server.create_database()) as name:
        server.query(name, statements)
        yield Lasting(server, name, script_of(server, name), contents_of(server, name))


@pytest.fixture(scope="module")
def sold(postgres17: PostgresServer) -> Iterator[Lasting]:
    yield from lasting(postgres17, SHOP)


@pytest.fixture(scope="module")
def made(postgres17: PostgresServer) -> Iterator[Lasting]:
    yield from lasting(postgres17, f"{SHOP};{OBJECTS}")


@pytest.mark.parametrize(("kind", "jobs"), CASES)
def test_a_file_of_an_older_procedure_comes_back(
    bench: RestoreBench, keys: Keys, postgres17: PostgresServer, made: Lasting, tmp_path: Path, kind: str, jobs: int
) -> None:
    options, compress, encrypt = LAYERS[kind]
    program = {"openssl": "openssl", "gpg": "gpg"}.get(kind.split(" of ")[-1].split()[0])
    if program and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / "old"
    path.write_bytes(encrypt(compress(made.dump(options)), keys))
    postgres17.query(made.name, "DROP VIEW paid; DELETE FROM orders")
    # An age file also opens by a passphrase, so it is given only where there is one.
    secret = {"passphrase": PASSWORD} if program else {}
    result = bench.restore(postgres17, made.name, label=None, src=path, jobs=jobs, **secret)
    assert result["kept"]
    assert script_of(postgres17, made.name) == made.script
    assert contents_of(postgres17, made.name) == made.contents
    postgres17.drop_database(result["kept"])


@pytest.mark.parametrize(("kind", "jobs"), [("dump", 2), ("dump.gz", 1)])
def test_no_event_trigger_of_a_file_fires_at_what_is_restored(
    bench: RestoreBench, keys: Keys, postgres15: PostgresServer, tmp_path: Path, kind: str, jobs: int
) -> None:
    """Version 17 has a setting that keeps them quiet; before it only their order does."""
    name = postgres15.create_database()
    postgres15.query(
        name,
        """
        CREATE MATERIALIZED VIEW paid AS SELECT 1 AS id;
        CREATE TABLE fired (tag text);
        CREATE FUNCTION fires() RETURNS event_trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO public.fired VALUES (tg_tag); END $$;
        CREATE EVENT TRIGGER first ON ddl_command_end EXECUTE FUNCTION fires();
        CREATE EVENT TRIGGER second ON ddl_command_start EXECUTE FUNCTION fires();
        COMMENT ON EVENT TRIGGER first IS 'fires';
        ALTER EVENT TRIGGER second ENABLE ALWAYS;
        TRUNCATE fired;
        """,
    )
    options, compress, _encrypt = LAYERS[kind]
    path = tmp_path / "old"
    path.write_bytes(compress(pg_dump(postgres15, name, options)))
    before = script_of(postgres15, name)
    bench.restore(postgres15, name, label=None, src=path, jobs=jobs)
    assert script_of(postgres15, name) == before


@pytest.mark.parametrize("kind", ["dump", "dump of openssl", "sql.gz"])
def test_a_file_is_restored_in_place_in_one_transaction(
    bench: RestoreBench, keys: Keys, postgres17: PostgresServer, sold: Lasting, tmp_path: Path, kind: str
) -> None:
    options, compress, encrypt = LAYERS[kind]
    more = ["--clean", "--if-exists"] if options == "-Fp" else []
    path = tmp_path / "old"
    path.write_bytes(encrypt(compress(sold.dump(options, *more)), keys))
    postgres17.query(sold.name, "DELETE FROM orders WHERE id > 3")
    source = {"label": None, "src": path, "passphrase": PASSWORD}
    bench.restore(postgres17, sold.name, strategy="in_place", **source)
    assert script_of(postgres17, sold.name) == sold.script
    assert databases(postgres17, sold.name) == {sold.name}


def test_a_script_that_commits_by_itself_is_not_restored_in_place(
    bench: RestoreBench, made: Lasting, postgres17: PostgresServer, tmp_path: Path
) -> None:
    path = tmp_path / "old.sql"
    path.write_bytes(made.dump("-Fp", "--clean", "--if-exists", "--blobs"))
    with pytest.raises(BackupError, match=r"has a COMMIT of its own.*use strategy side_by_side"):
        bench.restore(postgres17, made.name, label=None, src=path, strategy="in_place")


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_a_script_cannot_run_programs_on_this_host(
    bench: RestoreBench, postgres17: PostgresServer, sold: Lasting, tmp_path: Path, strategy: str
) -> None:
    path, proof = tmp_path / "old.sql", tmp_path / "proof"
    path.write_text(f"CREATE TABLE planted (a int);\n\\! touch {proof}\n")
    with pytest.raises(BackupError, match="backslash commands are restricted"):
        bench.restore(postgres17, sold.name, label=None, src=path, strategy=strategy)
    assert not proof.exists()
    assert databases(postgres17, sold.name) == {sold.name}
    assert postgres17.query(sold.name, "SELECT to_regclass('public.planted')") == [(None,)]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "cut off|ends|truncated"),
        (lambda data: data[:-1], "cut off|ends|truncated"),
        (lambda data: b"", "neither a dump nor a script"),
        (lambda data: b"PK\3\4" + b"\0" * 5000, "neither a dump nor a script"),
    ],
    ids=["half", "one byte less", "empty", "zip"],
)
def test_a_file_that_is_not_whole_is_refused_before_anything_is_touched(
    bench: RestoreBench,
    postgres17: PostgresServer,
    sold: Lasting,
    tmp_path: Path,
    spoil: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = tmp_path / "old.dump"
    path.write_bytes(spoil(sold.dump("-Fc")))
    for strategy in ("side_by_side", "in_place"):
        with pytest.raises(BackupError, match=message):
            bench.restore(postgres17, sold.name, label=None, src=path, strategy=strategy)
    assert databases(postgres17, sold.name) == {sold.name}
    assert postgres17.query(sold.name, "SELECT count(*) FROM orders") == [(1000,)]


def test_a_script_without_its_end_and_a_dump_of_a_whole_server_are_refused(
    bench: RestoreBench, postgres17: PostgresServer, sold: Lasting, tmp_path: Path
) -> None:
    path = tmp_path / "old.sql"
    path.write_bytes(sold.dump("-Fp")[:-200])
    with pytest.raises(BackupError, match="the script has no end"):
        bench.restore(postgres17, sold.name, label=None, src=path)
    path.write_bytes(run(postgres17.bin_dir / "pg_dumpall", "--globals-only", environment=postgres17.environment()))
    with pytest.raises(BackupError, match="a dump of a whole server"):
        bench.restore(postgres17, sold.name, label=None, src=path)
    assert databases(postgres17, sold.name) == {sold.name}


def test_a_dump_of_another_database_is_refused_unless_that_was_said(
    bench: RestoreBench, postgres17: PostgresServer, sold: Lasting, tmp_path: Path
) -> None:
    path = tmp_path / "old.dump"
    path.write_bytes(sold.dump("-Fc"))
    with versions_of(postgres17, postgres17.create_database(f"{sold.name}_copy")) as copy:
        with pytest.raises(BackupError, match=f"is a dump of database '{sold.name}', not of '{copy}'"):
            bench.restore(postgres17, copy, label=None, src=path)
        bench.restore(postgres17, copy, label=None, src=path, expect_database=sold.name)
        assert postgres17.query(copy, "SELECT count(*) FROM orders") == [(1000,)]
