"""What is said before a restore of a table changes anything: a wrong target, a source that is not good, no rights."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.backup_bench import Bench, make_keys
from support.cipher_files import run
from support.effort import some
from support.gpg_keys import GnupgHome, make_key
from support.postgres import PostgresServer
from support.programs import require_tool
from support.spoiled_sets import dump_of, flip, forge_and_sign, forge_manifest, replace_dump
from support.stored_sets import contents_of
from support.table_restores import definitions_of, restore_table

STRATEGIES = ("swap", "merge", "replace")
SCHEMA = """
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE orders (id integer PRIMARY KEY, body text, at timestamptz DEFAULT '2026-01-01');
CREATE TABLE orders_archive (id integer);
CREATE TABLE a.twin (id integer PRIMARY KEY);
CREATE TABLE b.twin (id integer PRIMARY KEY);
CREATE VIEW latest AS SELECT max(id) AS id FROM orders;
INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 5000) AS n;
INSERT INTO orders_archive VALUES (1);
INSERT INTO a.twin SELECT n FROM generate_series(1, 5) AS n;
INSERT INTO b.twin SELECT n FROM generate_series(1, 5) AS n;
"""
ROWS = "COPY (SELECT * FROM orders) TO STDOUT (FORMAT csv, HEADER)"


class Shop:
    """A database that was backed up and has lost rows since, and everything that may not change any more."""

    def __init__(self, server: PostgresServer, database: str, bench: Bench) -> None:
        self.server, self.database, self.bench = server, database, bench
        server.psql(database, SCHEMA)
        report = bench.backup(server, database, fingerprint="all", environment="staging")
        self.directory = bench.root / str(report["directory"])
        self.rows = server.run("psql", "-XqAtc", ROWS, database=database).stdout.encode()
        server.query(database, "DELETE FROM orders WHERE id > 3")
        self.remember()

    def remember(self) -> None:
        self._before = self._look()

    @property
    def unchanged(self) -> bool:
        return self._look() == self._before

    def with_own_sets(self, directory: Path) -> Shop:
        """The same database, and a copy of its sets."""
        shop = copy.copy(self)
        shop.bench = dataclasses.replace(self.bench, directory=directory)
        shutil.copytree(self.bench.root, shop.bench.root)
        shop.directory = shop.bench.root / self.directory.relative_to(self.bench.root)
        return shop

    def _look(self) -> tuple[object, ...]:
        return definitions_of(self.server, self.database), contents_of(self.server, self.database)

    def refuse(
        self, told: str, table: str = "orders", *, bench: bool = True, in_rows: bool = False, **options: Any
    ) -> str:
        """All strategies refuse, one of them in check mode too, and nothing is changed; returns what was said last.

        :param in_rows: what is wrong is seen only when the rows are read, which a swap's check mode does not do.
        """
        said = ""
        ways = [(strategy, check) for strategy in STRATEGIES for check in (True, False)]
        if in_rows:
            ways.remove(("swap", True))
        for strategy, check in some(ways, 1, always=[(strategy, False) for strategy in STRATEGIES]):
            given = {"strategy": strategy, "check": check, "bench": self.bench if bench else None, **options}
            with pytest.raises(BackupError, match=told) as caught:
                restore_table(self.server, self.database, table, **given)
            said = str(caught.value)
        assert self.unchanged
        return said


@pytest.fixture(scope="module")
def refusing(postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests that change nothing in it, which each of them proves."""
    directory = tmp_path_factory.mktemp("refusing")
    with postgres17.database() as name:
        yield Shop(postgres17, name, Bench(directory, make_keys(directory)))


@pytest.fixture
def shop(refusing: Shop, tmp_path: Path) -> Shop:
    """That one, with sets of the test's own."""
    return refusing.with_own_sets(tmp_path)


@pytest.fixture
def own(postgres17: PostgresServer, database: str, tmp_path: Path) -> Shop:
    """One whose owners and rights a test may change."""
    return Shop(postgres17, database, Bench(tmp_path, make_keys(tmp_path)))


@pytest.mark.parametrize(
    ("table", "changes", "told"),
    [
        ("orders", {"expect_environment": "production"}, "environment 'staging', and expect_environment is 'product"),
        ("orders", {"expect_environment": ""}, "expect_environment is missing"),
        ("orders", {"expect_environment": None}, "expect_environment is missing"),
        ("orders", {"login_db": "no_such_database"}, 'database "no_such_database" does not exist'),
        ("orders", {"login_db": "postgres"}, "no table 'orders'"),
        ("ordres", {}, r"no table 'ordres'.*did you mean public\.orders"),
        ("latest", {}, "no table 'latest'"),
        ("twin", {}, r"several tables: a\.twin, b\.twin.*write it with its schema"),
        ("orders", {"source_table": "ordres"}, r"no rows of a table 'ordres'.*did you mean public\.orders"),
        ("orders", {"source_table": "twin"}, r"several tables: a\.twin, b\.twin.*write it with its schema"),
        ("orders", {"label": "other"}, "there is no backup of 'other'"),
        (
            "orders",
            {"backup": "weekly_20200101_000000"},
            "weekly_20200101_000000 of .shop. is in none of the",
        ),
        ("orders", {"location": "attic"}, "there is no location 'attic' .*there are: disk"),
        ("orders", {"identities": []}, "no age identity or passphrase was given"),
        ("orders", {"pg_bin_dir": "/nonexistent"}, "needs a pg_dump of version 17"),
        ("orders", {"column_map": {"nothing": "body"}}, "the backup has no column 'nothing'.*it has id, body, at"),
        ("orders", {"column_map": {"body": "nothing"}}, "has no column 'nothing'.*it has id, body, at"),
        ("orders", {"column_map": {"body": "id"}}, "several columns of the backup would become 'id'"),
        ("orders", {"source_table": "public.orders_archive", "column_map": {"id": ""}}, "need a value: id"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value) or "plain",
)
def test_what_cannot_be_meant_is_refused(shop: Shop, table: str, changes: dict[str, Any], told: str) -> None:
    shop.refuse(told, table, **changes)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda directory: (directory / "manifest.json.sig").unlink(), "is not signed, and a verify key was given"),
        (forge_manifest, "signature"),
        (forge_and_sign, "signature"),
        (lambda directory: (directory / "manifest.json").write_bytes(b"{}"), "signature"),
        (lambda directory: dump_of(directory).unlink(), "is missing"),
        (lambda directory: dump_of(directory).write_bytes(dump_of(directory).read_bytes()[:-1]), "bytes instead of"),
        (lambda directory: flip(dump_of(directory), 40), "damaged|authentic|not the file"),
        (replace_dump, "damaged|authentic|not the file"),
    ],
    ids=["unsigned", "forged", "signed by another", "empty", "lost", "cut", "head flipped", "exchanged"],
)
def test_a_set_that_is_not_good_is_refused(shop: Shop, spoil: Callable[[Path], object], told: str) -> None:
    spoil(shop.directory)
    shop.refuse(told)


def test_a_flipped_bit_in_the_rows_is_noticed(shop: Shop) -> None:
    whole = dump_of(shop.directory).read_bytes()
    for place in (0.3, 0.6, 0.9):
        flip(dump_of(shop.directory), int(len(whole) * place))
        shop.refuse("damaged|authentic|not the file", in_rows=True)
        dump_of(shop.directory).write_bytes(whole)


def test_a_key_that_does_not_fit_a_set_names_the_recipients_that_would(shop: Shop) -> None:
    said = shop.refuse("recipient", identities=[str(X25519Identity.generate())])
    for recipient in shop.bench.keys.recipients:
        assert recipient in said


def test_keys_that_do_not_fit_a_file_are_told(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    wanted, other = X25519Identity.generate(), X25519Identity.generate()
    file.write_bytes(run(require_tool("age"), "-r", str(wanted.recipient), stdin=gzip.compress(shop.rows)))
    shop.refuse(r"orders\.csv: .*identit", bench=False, src=str(file), identities=[str(other)])
    shop.refuse(r"orders\.csv: .*identity", bench=False, src=str(file))
    home, empty = GnupgHome(), GnupgHome()
    try:
        file.write_bytes(home.run("--symmetric", passphrase="right", stdin=shop.rows))
        shop.refuse(r"orders\.csv: ", bench=False, src=str(file), passphrase="canary")
        key = make_key(home, "somebody@example.com")
        file.write_bytes(home.run("--encrypt", "--trust-model", "always", "-r", key.fingerprint, stdin=shop.rows))
        shop.refuse(key.key_id, bench=False, src=str(file), gnupghome=str(empty))
    finally:
        home.close()
        empty.close()
    argv = ["openssl", "enc", "-aes-256-cbc", "-salt", "-pbkdf2", "-pass", "pass:right"]
    file.write_bytes(subprocess.run(argv, input=shop.rows, capture_output=True, check=True).stdout)
    said = shop.refuse(r"orders\.csv: ", bench=False, src=str(file), passphrase="canary")
    assert "canary" not in said


MISFITS: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda rows: rows.replace(b"id,body,at", b"id,text,at", 1), "may be a renaming.*column_map: {text: body}"),
    (lambda rows: rows.replace(b"id,body,at", b"body,at", 1), "need a value: id|SQLSTATE"),
    (lambda rows: rows.replace(b"id,body,at", b"id,body,body", 1), "a column several times: 'body'"),
    (lambda rows: rows.replace(b"id,body,at", b"id,x,x", 1), "a column several times: another"),
    (lambda rows: rows.split(b"\n", 1)[1], r"has none of the columns of public\.orders.*header"),
    (lambda rows: b"\x7fELF" + bytes(1000), "there are no rows in it: it is no text"),
    (lambda rows: gzip.compress(rows)[:-9], "orders: "),
    (lambda rows: gzip.compress(b"")[:-1] + b"x", "orders: "),
]


MISFIT_ROWS: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda rows: rows.replace(b"id,body,at", b"id,body", 1), "SQLSTATE 22P04"),
    (lambda rows: rows.replace(b"id,body,at", b"body,id,at", 1), "SQLSTATE 22P02"),
    (lambda rows: rows.replace(b"\n7,", b"\nseven,", 1), "SQLSTATE 22P02"),
    (lambda rows: rows.replace(b"\n7,", b"\n8,", 1), r"orders_pkey|each row of the backup has its own key \(id\)"),
    (lambda rows: rows.replace(b"\n7,", b"\n,", 1), 'column "id" of relation .* null values|null value in column "id"'),
]


@pytest.fixture
def spoilt(shop: Shop, tmp_path: Path, spoil: Callable[[bytes], bytes]) -> str:
    """The path of an export that the parameter *spoil* has changed."""
    file = tmp_path / "orders"
    file.write_bytes(spoil(shop.rows))
    return str(file)


@pytest.mark.parametrize(("spoil", "told"), MISFITS)
def test_an_export_that_does_not_fit_is_refused(shop: Shop, spoilt: str, told: str) -> None:
    said = shop.refuse(told, bench=False, src=spoilt)
    assert hashlib.md5(b"1").hexdigest() not in said


@pytest.mark.parametrize(("spoil", "told"), MISFIT_ROWS)
def test_an_export_whose_rows_do_not_fit_is_refused(shop: Shop, spoilt: str, told: str) -> None:
    shop.refuse(told, bench=False, in_rows=True, src=spoilt)


def test_a_file_that_is_not_there_or_is_none_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.refuse("nothing_here", bench=False, src=str(tmp_path / "nothing_here"))
    shop.refuse("no regular file|not a regular file", bench=False, src=str(tmp_path))
    said = shop.refuse("none of the columns", bench=False, src=str(shop.bench.keys.identity))
    assert "AGE-SECRET" not in said


def test_a_role_without_the_rights_is_told_what_it_lacks(own: Shop) -> None:
    role = "refused_role"
    password = own.server.create_role(role)
    login = own.server.login(own.database, user=role, password=password)
    own.refuse("belongs to postgres.*connect as postgres, or as a superuser", **login)
    own.server.query(own.database, f"GRANT ALL ON orders TO {role}; GRANT ALL ON SCHEMA public TO {role}")
    own.remember()
    own.refuse("belongs to postgres", **login)
    own.server.query(own.database, f"REVOKE ALL ON SCHEMA public FROM {role}; ALTER TABLE orders OWNER TO {role}")
    own.remember()
    for check in (True, False):
        with pytest.raises(
            BackupError, match=r"(?s)permission denied for .*GRANT pg_read_all_data .*strategy: merge or replace"
        ):
            restore_table(own.server, own.database, "orders", bench=own.bench, check=check, **login)
    assert own.unchanged
    said = own.refuse("password authentication failed", login_user=role, login_password="a canary")
    assert "canary" not in said


def test_an_owner_who_may_not_read_all_restores_by_the_other_strategies(own: Shop) -> None:
    role = "owner_of_one"
    login = own.server.login(own.database, user=role, password=own.server.create_role(role))
    own.server.query(own.database, f"ALTER TABLE orders OWNER TO {role}")
    for strategy in ("merge", "replace"):
        own.server.query(own.database, "DELETE FROM orders WHERE id > 3")
        restore_table(own.server, own.database, "orders", bench=own.bench, strategy=strategy, **login)
        assert own.server.query(own.database, "SELECT count(*) FROM orders") == [(5000,)]
