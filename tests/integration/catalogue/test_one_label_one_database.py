"""Two real databases, and two real servers, that meet under one label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import run_backup_info
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.planning import PruneRefused
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import run_backup_check
from ansible_collections.mobul.backup.plugins.modules import backup_check, backup_info, backup_prune
from support.backup_bench import LABEL, Bench, make_keys
from support.module_parameters import parameters
from support.postgres import PostgresServer
from support.restore_runs import RestoreBench
from support.table_restores import restore_table

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, paid text)"
ONE_LABEL = {"label": LABEL}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty location."""
    return Bench(tmp_path, make_keys(tmp_path))


@pytest.fixture
def two(postgres17: PostgresServer) -> Iterator[tuple[str, str]]:
    """Two databases of one server."""
    with postgres17.database() as first, postgres17.database() as second:
        for name in (first, second):
            postgres17.query(name, f"{TABLE}; INSERT INTO orders VALUES (1, '{name}')")
        yield first, second


@pytest.fixture
def moved(postgres15: PostgresServer, postgres17: PostgresServer) -> Iterator[str]:
    """A database that two servers have."""
    with postgres15.database() as name, postgres17.database(name=name):
        for server in (postgres15, postgres17):
            server.query(name, f"{TABLE}; INSERT INTO orders VALUES (1, 'on {server.major}')")
        yield name


def system(server: PostgresServer) -> str:
    [[identifier]] = server.query("postgres", "SELECT system_identifier::text FROM pg_control_system()")
    return str(identifier)


def on_label(bench: Bench, **options: Any) -> dict[str, Any]:
    return {"locations": [bench.location()], "verify_key": [str(bench.keys.verify)], **ONE_LABEL, **options}


def test_a_label_takes_no_set_of_another_database_unless_that_is_said_once(
    postgres17: PostgresServer, two: tuple[str, str], bench: Bench
) -> None:
    first, second = two
    bench.backup(postgres17, first, **ONE_LABEL)
    before = bench.files()
    for check_mode in (True, False):
        with pytest.raises(ConfigError) as caught:
            bench.backup(postgres17, second, **ONE_LABEL, check_mode=check_mode)
        for part in (first, second, "backup_label", f"adopt: '{system(postgres17)}' (backup_adopt)"):
            assert part in str(caught.value)
    assert bench.files() == before
    adopted = bench.backup(postgres17, second, **ONE_LABEL, adopt=system(postgres17))
    assert [text for text in bench.stored(adopted).manifest["warnings"] if "were adopted" in text and first in text]
    again = bench.backup(postgres17, second, **ONE_LABEL)
    assert not [text for text in again["warnings"] if "adopted" in text]
    with pytest.raises(ConfigError, match="belongs to another database"):
        bench.backup(postgres17, first, **ONE_LABEL)
    # What nobody with the key has made cannot keep anybody from making backups.
    forged = next((bench.root / again["directory"]).glob("manifest.json.sig"))
    forged.write_bytes(bytes(64))
    bench.backup(postgres17, second, **ONE_LABEL)


def test_a_server_is_another_one_whatever_its_databases_are_called(
    postgres15: PostgresServer, postgres17: PostgresServer, moved: str, bench: Bench
) -> None:
    bench.backup(postgres15, moved, **ONE_LABEL)
    with pytest.raises(ConfigError, match=system(postgres15)):
        bench.backup(postgres17, moved, **ONE_LABEL)
    made = bench.backup(postgres17, moved, **ONE_LABEL, adopt=system(postgres15))
    assert made["database"]["system_identifier"] == system(postgres17)


def test_a_role_that_may_not_read_the_identifier_is_judged_by_the_name(
    postgres17: PostgresServer, two: tuple[str, str], bench: Bench
) -> None:
    first, second = two
    password = postgres17.create_role("identity_reader", "LOGIN SUPERUSER")
    try:
        bench.backup(postgres17, first, **ONE_LABEL)
        postgres17.query("postgres", "ALTER ROLE identity_reader NOSUPERUSER")
        for name in two:
            postgres17.query(
                name,
                "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC;"
                "GRANT pg_read_all_data TO identity_reader; GRANT SELECT ON pg_largeobject_metadata TO identity_reader",
            )
        login = {"login_user": "identity_reader", "login_password": password}
        made = bench.backup(postgres17, first, **ONE_LABEL, **login)
        assert made["database"]["system_identifier"] is None
        with pytest.raises(ConfigError, match=f"adopt: '{first}'"):
            bench.backup(postgres17, second, **ONE_LABEL, **login)
        bench.backup(postgres17, second, **ONE_LABEL, **login, adopt=first)
    finally:
        for name in two:
            postgres17.query(name, "DROP OWNED BY identity_reader")
        postgres17.query("postgres", "DROP ROLE identity_reader")


def test_sets_of_two_databases_in_turn_are_a_finding_and_are_not_cleaned_up(
    postgres17: PostgresServer, two: tuple[str, str], bench: Bench
) -> None:
    first, second = two
    sets = [bench.backup(postgres17, name, **ONE_LABEL, adopt=system(postgres17)) for name in (first, second)]
    assert run_backup_prune(parameters(backup_prune, **on_label(bench)), True)["staying"] == 2
    sets.append(bench.backup(postgres17, first, **ONE_LABEL, adopt=system(postgres17)))

    for check_mode in (True, False):
        with pytest.raises(PruneRefused, match="nothing was deleted") as refused:
            run_backup_prune(parameters(backup_prune, **on_label(bench)), check_mode)
        for part in (first, second, sets[1]["id"], "backup_label", "backup_adopt"):
            assert part in str(refused.value)
    info = run_backup_info(parameters(backup_info, **on_label(bench)), False)
    assert [(one["name"], one["first"], one["sets"]) for one in info["databases"]] == [
        (name, made["id"], 1) for name, made in zip((first, second, first), sets, strict=True)
    ]
    assert sets[1]["id"] in info["warnings"][0]
    look = {"schedule": {"manual": "1d"}, "fail": False}
    for adopt, status in ((None, "failed"), (system(postgres17), "passed")):
        report = run_backup_check(parameters(backup_check, **on_label(bench, **look, adopt=adopt)), False)
        assert {one["status"] for one in report["findings"] if one["check"] == "identity"} == {status}
    allowed = run_backup_prune(parameters(backup_prune, **on_label(bench, adopt=system(postgres17))), False)
    assert allowed["staying"] == 3


def test_a_database_is_replaced_by_no_set_of_another_server_unless_that_is_said(
    postgres15: PostgresServer, postgres17: PostgresServer, moved: str, bench: Bench
) -> None:
    made = bench.backup(postgres15, moved)
    restores = RestoreBench(bench)
    for check_mode in (True, False):
        with pytest.raises(ConfigError, match=f"adopt: '{system(postgres15)}'"):
            restores.restore(postgres17, moved, check_mode=check_mode)
    assert postgres17.query(moved, "SELECT paid FROM orders") == [("on 17",)]
    # Beside what is there, and on the server that it is of, nobody is asked.
    restores.restore(postgres17, f"{moved}_beside", expect_database=moved)
    restores.restore(postgres15, moved, check_mode=True)

    safety = {"safety_backup": {"recipients": bench.keys.recipients}}
    with pytest.raises(BackupError, match="belongs to another database"):
        restores.restore(postgres17, moved, adopt=system(postgres15), **safety)
    told = restores.restore(postgres17, moved, adopt=system(postgres15))
    assert [text for text in told["warnings"] if made["id"] in text and system(postgres17) in text]
    assert postgres17.query(moved, "SELECT paid FROM orders") == [("on 15",)]
    for name in (told["kept"], f"{moved}_beside"):
        postgres17.drop_database(name)


def test_a_table_is_replaced_by_no_set_of_another_database_unless_that_is_said(
    postgres17: PostgresServer, two: tuple[str, str], bench: Bench
) -> None:
    first, second = two
    bench.backup(postgres17, first)
    for strategy in ("swap", "merge", "replace"):
        with pytest.raises(ConfigError, match=f"is of database '{first}'.* and this is '{second}'"):
            restore_table(postgres17, second, "orders", bench=bench, strategy=strategy)
    restore_table(postgres17, first, "orders", bench=bench, check=True)
    merged = restore_table(postgres17, second, "orders", bench=bench, strategy="merge", adopt=system(postgres17))
    assert [text for text in merged["warnings"] if f"is of database '{first}'" in text]
    assert postgres17.query(second, "SELECT paid FROM orders") == [(first,)]

    postgres17.query(second, "DROP TABLE orders")
    with pytest.raises(
        ConfigError, match=f"no table 'orders' in the database '{second}', and the backup is of '{first}'"
    ):
        restore_table(postgres17, second, "orders", bench=bench)
    restore_table(postgres17, second, "orders", bench=bench, adopt=system(postgres17))
    assert postgres17.query(second, "SELECT paid FROM orders") == [(first,)]
