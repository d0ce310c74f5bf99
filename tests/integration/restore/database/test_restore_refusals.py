"""What is said before anything changes: a wrong target, a source that is not good, keys that do not fit."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, CryptoError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database import locks, target
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer, installations
from support.postgres import PostgresServer as Server
from support.restore_runs import SHOP, RestoreBench, databases
from support.spoiled_sets import dump_of, flip, forge_and_sign, forge_manifest, replace_dump

Lasting = tuple[str, Path, str]
"""A database, the root of its location, and its set's directory there."""


def assert_untouched(server: PostgresServer, shop: str) -> None:
    """Whether the damaged database is there as it was left, and nothing else."""
    assert databases(server, shop) == {shop}
    assert server.query(shop, "SELECT count(*) FROM orders") == [(3,)]


@pytest.fixture
def damaged(bench: RestoreBench, postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]) -> Path:
    """The directory of the set of a database that was damaged since."""
    postgres17.query(shop, "DELETE FROM orders WHERE id > 3")
    return bench.bench.root / str(backed_up["directory"])


@pytest.fixture(scope="module")
def lasting(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lasting]:
    """Such a database and its set, for tests that may change neither."""
    bench = RestoreBench(Bench(tmp_path_factory.mktemp("lasting"), keys))
    with postgres17.database() as shop:
        # So much that the first piece of 64 KiB is good and read when a later one turns out to be damaged.
        more = "INSERT INTO orders SELECT i, repeat(md5(i::text), 8) FROM generate_series(1001, 5000) i"
        postgres17.query(shop, f"{SHOP};{more}")
        report = bench.backup(postgres17, shop)
        postgres17.query(shop, "DELETE FROM orders WHERE id > 3")
        yield shop, bench.bench.root, str(report["directory"])


@pytest.fixture
def kept(bench: RestoreBench, lasting: Lasting) -> tuple[str, Path]:
    """That database, and the directory of a copy of its set that a test may spoil."""
    shop, root, directory = lasting
    shutil.copytree(root, bench.bench.root)
    return shop, bench.bench.root / directory


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expect_environment": "production"}, "the backup is of environment 'staging', and expect_environment is"),
        ({"expect_environment": ""}, "expect_environment is missing"),
        ({"expect_environment": None}, "expect_environment is missing"),
        ({"environment": "production"}, "the inventory says that database .* belongs to environment 'production'"),
        ({"expect_database": "catalogue"}, "the backup is of database .*, not of 'catalogue'"),
        ({"label": "other"}, "there is no backup of 'other'"),
        ({"backup": "weekly_2020"}, "'weekly_2020' is not the id of a backup .the nearest: "),
        ({"before": "2020-01-01"}, "there is no backup of 'shop' from before 2020-01-01 00:00:00 UTC"),
        ({"before": "once"}, "before: 'once' is no time"),
        (
            {"backup": "weekly_20200101_000000"},
            "weekly_20200101_000000 of .shop. is in none of the",
        ),
        ({"location": "attic"}, "there is no location 'attic' .*there are: disk"),
        ({"label": None}, "give either label, for a set, or src"),
        ({"pg_bin_dir": "/nonexistent"}, "needs a pg_restore of version 17 or newer"),
        ({"identities": []}, "no age identity or passphrase was given"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_cannot_be_right_is_refused(
    bench: RestoreBench,
    postgres17: PostgresServer,
    kept: tuple[str, Path],
    strategy: str,
    changes: dict[str, object],
    message: str,
) -> None:
    shop, _directory = kept
    with pytest.raises(BackupError, match=message):
        bench.restore(postgres17, shop, strategy=strategy, **changes)
    assert_untouched(postgres17, shop)


def test_a_database_of_another_name_is_restored_only_when_that_was_said(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    copy = f"{shop}_copy"
    postgres17.create_database(copy)
    with pytest.raises(BackupError, match=f"the backup is of database '{shop}', not of '{copy}'"):
        bench.restore(postgres17, copy)
    bench.restore(postgres17, copy, expect_database=shop)
    assert postgres17.query(copy, "SELECT count(*) FROM orders") == [(1000,)]
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(3,)]


def test_a_key_that_does_not_fit_names_the_recipients_that_would(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    with pytest.raises(CryptoError) as caught:
        bench.restore(postgres17, shop, identities=[str(X25519Identity.generate())])
    for recipient in bench.bench.keys.recipients:
        assert recipient in str(caught.value)
    assert_untouched(postgres17, shop)


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda directory: (directory / "manifest.json.sig").unlink(), "is not signed, and a verify key was given"),
        (forge_manifest, "signature"),
        (forge_and_sign, "signature"),
        (replace_dump, "is not the file that was written there"),
        (lambda directory: flip(dump_of(directory), 40), "is not the file that was written there"),
        (lambda directory: flip(next(directory.glob("globals*.age")), -1), "is not the file that was written there"),
        (lambda directory: dump_of(directory).unlink(), "is missing"),
        (lambda directory: (directory / "manifest.json").write_bytes(b"{}"), "signature"),
    ],
    ids=["unsigned", "forged", "signed by another", "exchanged", "head flipped", "roles flipped", "lost", "empty"],
)
def test_a_source_that_is_not_good_is_refused_before_anything_is_touched(
    bench: RestoreBench,
    postgres17: PostgresServer,
    kept: tuple[str, Path],
    strategy: str,
    spoil: Callable[[Path], object],
    message: str,
) -> None:
    shop, damaged = kept
    spoil(damaged)
    with pytest.raises(BackupError, match=message):
        bench.restore(postgres17, shop, strategy=strategy)
    assert_untouched(postgres17, shop)


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_a_flipped_bit_in_the_data_leaves_the_database_as_it_was(
    bench: RestoreBench, postgres17: PostgresServer, kept: tuple[str, Path], strategy: str
) -> None:
    shop, damaged = kept
    dump = dump_of(damaged)
    flip(dump, dump.stat().st_size - 70_000)
    with pytest.raises(BackupError, match=r"authentic|damaged|not the file"):
        bench.restore(postgres17, shop, strategy=strategy)
    assert_untouched(postgres17, shop)


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_contents_that_differ_from_the_manifest_are_named_and_the_database_is_as_it_was(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path, strategy: str
) -> None:
    # As if the backup had counted wrongly: the set is signed as it is.
    path = damaged / "manifest.json"
    document = json.loads(path.read_text())
    document["tables"][0]["rows"] -= 1
    path.write_text(json.dumps(document))
    with pytest.raises(BackupError, match=r"table public.orders has 1000 rows instead of 999"):
        bench.restore(postgres17, shop, strategy=strategy, verify_key=None)
    document["tables"][0]["rows"] += 1
    document["tables"][0]["fingerprint"]["value"] = "0" * 32
    path.write_text(json.dumps(document))
    with pytest.raises(BackupError, match=r"table public.orders has other contents"):
        bench.restore(postgres17, shop, strategy=strategy, verify_key=None)
    assert_untouched(postgres17, shop)


def test_objects_that_differ_from_the_manifest_are_named(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    path = damaged / "manifest.json"
    document = json.loads(path.read_text())
    objects = document["schema"]["objects"]
    name = next(name for name in objects if name.startswith("CONSTRAINT"))
    objects[name] = "0" * 16
    objects["POLICY public.orders nobody"] = "1" * 16
    path.write_text(json.dumps(document))
    message = r"POLICY public.orders nobody is missing.*CONSTRAINT public.orders orders_pkey is defined otherwise"
    with pytest.raises(BackupError, match=message):
        bench.restore(postgres17, shop, verify_key=None)
    assert_untouched(postgres17, shop)


class Lingering:
    """A session that the server has not yet noticed to have ended."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def close(self) -> None:
        self.closed = 1


def test_the_lock_of_a_restore_is_gone_before_its_session_is(postgres17: PostgresServer, shop: str) -> None:
    options = ConnectionOptions.parse(postgres17.login("postgres"))
    first, second = (Lingering(target.open_maintenance(options, "postgres", 5)) for _number in range(2))
    try:
        locks.lock_target(first, shop)
        with pytest.raises(BackupError, match="another restore of database"):
            locks.lock_target(second, shop)
        target.close_maintenance(first)
        locks.lock_target(second, shop)
    finally:
        first.connection.close()
        second.connection.close()


def test_a_role_without_the_rights_is_told_what_it_lacks(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    role = f"clerk_{shop}"
    login = {"login_user": role, "login_password": postgres17.create_role(role)}
    with pytest.raises(BackupError, match=rf"role '{role}' may not create databases .*ALTER ROLE {role} CREATEDB"):
        bench.restore(postgres17, shop, strategy="side_by_side", **login)
    with pytest.raises(BackupError, match=f"role '{role}' does not own database"):
        bench.restore(postgres17, shop, **login)
    postgres17.query("postgres", f"ALTER ROLE {role} CREATEDB; ALTER DATABASE {shop} OWNER TO {role}")
    with pytest.raises(BackupError, match=r"no member, with INHERIT and SET, of roles that own .*: postgres"):
        bench.restore(postgres17, shop, **login)
    assert_untouched(postgres17, shop)


def test_what_an_exchange_would_break_is_refused(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    session = postgres17.connect(shop)
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(1836016245, 1)")
        with pytest.raises(
            BackupError, match=rf"a backup of database .* is running \(pid {session.info.backend_pid}, role "
        ):
            bench.restore(postgres17, shop)
    finally:
        session.close()
    other = postgres17.connect("postgres")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(1836016245, hashtext(%s))", [shop])
        with pytest.raises(BackupError, match=r"another restore of database .* is running"):
            bench.restore(postgres17, shop)
    finally:
        other.close()
    assert_untouched(postgres17, shop)


def test_who_could_restore_and_back_up_nothing_keeps_no_restore_from_it(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    # Fault 56.
    role = f"guest_{shop}"
    login = {"user": role, "password": postgres17.create_role(role)}
    with (
        closing(postgres17.connect(shop, **login)) as there,
        closing(postgres17.connect("postgres", **login)) as beside,
        there.cursor() as backup_lock,
        beside.cursor() as restore_lock,
    ):
        backup_lock.execute("SELECT pg_advisory_lock(1836016245, 1)")
        restore_lock.execute("SELECT pg_advisory_lock(1836016245, hashtext(%s))", [shop])
        plan = bench.restore(postgres17, shop, check_mode=True)
        told = f"held by a session that cannot make one, and was ignored: (pid {beside.info.backend_pid}"
        assert any(told in warning and f"role '{role}'" in warning for warning in plan["warnings"])
        postgres17.query("postgres", f"ALTER ROLE {role} CREATEDB; ALTER DATABASE {shop} OWNER TO {role}")
        with pytest.raises(
            BackupError, match=rf"another restore of .*pg_terminate_backend\({beside.info.backend_pid}\)"
        ):
            bench.restore(postgres17, shop)


@pytest.mark.usefixtures("damaged")
def test_an_older_server_is_refused(
    bench: RestoreBench, postgres15: PostgresServer, postgres17: PostgresServer, shop: str
) -> None:
    with postgres15.database(name=shop):
        with pytest.raises(BackupError, match=r"the backup is of PostgreSQL 17, the server is 15"):
            bench.restore(postgres15, shop, pg_bin_dir=postgres17.bin_dir)
        assert databases(postgres15, shop) == {shop}


def test_a_newer_server_takes_it_and_what_differs_is_named(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    if 18 not in installations():
        pytest.skip("PostgreSQL 18 is not installed")
    # Since 18 the name of a NOT NULL that is longer than a name may be is told, too.
    long = "long" * 15
    postgres17.query(shop, f"CREATE TABLE {long} (id int NOT NULL)")
    bench.backup(postgres17, shop, compress="gzip:1")
    with Server(18) as server:
        server.create_database(shop)
        result = bench.restore(server, shop, jobs=2)
        assert server.query(shop, "SELECT count(*) FROM orders") == [(1000,)]
        (doubt,) = (one for one in result["warnings"] if "perhaps not defined as when it was backed up" in one)
        assert f"TABLE public.{long}" in doubt
        assert "orders" not in doubt


def test_programs_that_cannot_read_the_compression_are_refused(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damaged: Path
) -> None:
    if 18 not in installations():
        pytest.skip("PostgreSQL 18 is not installed")
    configured = subprocess.run([installations()[18] / "pg_config", "--configure"], capture_output=True, text=True)
    if "zstd" in configured.stdout:
        pytest.skip("this build of PostgreSQL 18 knows zstd")
    with pytest.raises(BackupError, match=r"cannot read it: .*compress.*name the folder of another installation"):
        bench.restore(postgres17, shop, pg_bin_dir=installations()[18])
    assert_untouched(postgres17, shop)


def test_tablespaces_and_owners_that_the_server_lacks_are_named(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    role = f"owner_{shop}"
    postgres17.create_role(role)
    postgres17.query(shop, f"ALTER TABLE orders OWNER TO {role}")
    postgres17.run("pg_dump", "-Fc", "-f", bench.bench.directory / "old.dump", database=shop)
    postgres17.query(shop, f"ALTER TABLE orders OWNER TO postgres; DROP ROLE {role}")
    with pytest.raises(BackupError, match=f"roles that own something in the backup, .* not on the server: {role}"):
        bench.restore(postgres17, shop, label=None, src=bench.bench.directory / "old.dump")
    assert databases(postgres17, shop) == {shop}
