"""What cannot be proven never passes: damaged, forged and foreign sets, missing keys, servers out of reach."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side.new_database import (
    NewDatabase,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.run import DrillFailed
from support.drill_runs import damaged_set, drill, failures, record
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, databases
from support.spoiled_sets import dump_of, flip, forge_manifest, replace_dump


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


SPOILT = {
    "a bit of the header": (lambda dump: flip(dump, 30), "is not the file that was written"),
    "a bit of a chunk": (lambda dump: flip(dump, -500), "payload chunk 0 is not authentic"),
    "the last byte": (lambda dump: flip(dump, -1), "payload chunk 0 is not authentic"),
    "cut off": (lambda dump: rewrite(dump, lambda data: data[:-1]), "bytes instead of"),
    "trailing bytes": (lambda dump: rewrite(dump, lambda data: data + b"x"), "bytes instead of"),
    "empty": (lambda dump: rewrite(dump, lambda _data: b""), "0 bytes instead of"),
    "another file": (lambda dump: replace_dump(dump.parent), "is not the file that was written"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_dump_fails_and_leaves_nothing_behind(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, how: str
) -> None:
    change, reason = SPOILT[how]
    change(dump_of(made))
    report = drill(bench, postgres17)
    assert report["verdict"] == "failed"
    told = failures(report)
    assert reason in told.get("source", told.get("restore"))
    assert report["drills"][0]["restore_seconds"] is None
    assert not databases(postgres17, "drill_shop")


def test_a_damaged_export_fails_though_the_database_is_restored(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    assert failures(drill(bench, postgres17)) == {}
    flip(next(made.glob("clients_*")), -1)
    assert list(failures(drill(bench, postgres17))) == ["exports"]


def test_a_forged_manifest_fails_on_its_signature_and_leaves_no_record(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    forge_manifest(made)
    report = drill(bench, postgres17)
    assert "signature" in failures(report)["source"]
    assert not list(made.glob("verified_*"))


def test_a_set_that_is_not_signed_fails_where_a_key_is_given_and_is_a_warning_otherwise(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    (made / "manifest.json.sig").unlink()
    assert "not signed" in failures(drill(bench, postgres17))["source"]
    report = drill(bench, postgres17, verify_key=None)
    assert report["verdict"] == "passed"
    assert [one["status"] for one in report["findings"] if one["check"] == "source"] == ["warning"]


@pytest.mark.parametrize("identities", [[], [str(X25519Identity.generate())]], ids=["none", "another"])
def test_without_the_right_key_the_drill_fails_and_names_who_could_read_it(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, identities: list[str]
) -> None:
    assert made.exists()
    report = drill(bench, postgres17, identities=identities)
    assert report["verdict"] == "failed"
    assert bench.bench.keys.recipients[0] in failures(report)["source"]


def test_a_set_of_another_environment_fails(bench: RestoreBench, postgres17: PostgresServer, made: Path) -> None:
    assert made.exists()
    report = drill(bench, postgres17, expect_environment="production")
    assert "of environment 'staging', and 'production' was expected" in failures(report)["source"]


def test_a_label_or_a_set_that_is_not_there_is_never_a_pass(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    assert made.exists()
    with pytest.raises(BackupError, match="there is no backup of 'other'"):
        drill(bench, postgres17, label="other")
    report = drill(bench, postgres17, backup="weekly_20200101_000000")
    assert "weekly_20200101_000000" in failures(report)["source"]


def test_a_server_out_of_reach_is_an_error_that_leaves_no_record(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    with pytest.raises(PreflightError, match="connect to the database"):
        drill(bench, postgres17, login_port=1)
    assert not list(made.glob("verified_*"))


def test_one_damaged_copy_fails_the_run_and_the_good_one_is_proven_still(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    places = [bench.bench.location(name) for name in ("disk", "other", "third")]
    report = bench.backup(postgres17, shop, locations=places)
    flip(dump_of(bench.bench.root / report["directory"]), -500)
    shutil.rmtree(bench.bench.directory / "third")
    told = drill(bench, postgres17, locations=places)
    assert {one["location"]: one["verdict"] for one in told["drills"]} == {
        "disk": "failed",
        "other": "passed",
        "third": "failed",
    }
    assert record(bench, told, "disk")["verdict"] == "failed"
    assert record(bench, told, "other")["verdict"] == "passed"
    assert drill(bench, postgres17, locations=places, location="other")["verdict"] == "passed"


def test_the_module_fails_with_the_whole_report_unless_told_otherwise(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    flip(dump_of(made), -500)
    with pytest.raises(DrillFailed, match="did not pass its drill: location 'disk'") as caught:
        drill(bench, postgres17, fail=True)
    assert caught.value.report["verdict"] == "failed"


def test_check_mode_proves_the_set_and_restores_and_writes_nothing(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = bench.bench.files()
    monkeypatch.setattr(NewDatabase, "create", lambda *_arguments, **_options: pytest.fail("a database was made"))
    report = drill(bench, postgres17, check_mode=True, report_dir=str(bench.bench.directory / "reports"))
    assert report["summary"][0].endswith("would be restored into a scratch database of PostgreSQL 17.10")
    assert (report["verdict"], bench.bench.files()) == ("passed", files)
    assert not (bench.bench.directory / "reports").exists()
    flip(dump_of(made), -500)
    assert drill(bench, postgres17, check_mode=True)["verdict"] == "failed"


def test_what_a_killed_drill_left_is_dropped_by_the_next(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made.exists()
    with monkeypatch.context() as patch:
        patch.setattr(NewDatabase, "drop", lambda _self: None)
        drill(bench, postgres17)
    assert len(databases(postgres17, "drill_shop")) == 1
    assert drill(bench, postgres17)["verdict"] == "passed"
    assert not databases(postgres17, "drill_shop")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"jobs": 0}, "jobs is 0"),
        ({"recovery_time": "soon"}, "'soon' is no length of time"),
        ({"recovery_time": "0h"}, "'0h' is no length of time"),
        ({"backup": "newest"}, "'newest' is not the id of a backup"),
        ({"location": "moon"}, "no location 'moon'"),
        ({"expected_differences": ["*"]}, "would expect everything"),
        ({"checks": [{"name": "a", "query": ""}]}, "'a' has no query"),
        ({"checks": [{"name": "a", "query": "SELECT true"}] * 2}, "several are called 'a'"),
        (
            {"checks": [{"name": "a", "query": "SELECT 1", "expect": {"least": 1}}]},
            "has to be a value, rows, or bounds",
        ),
        ({"checks": [{"name": "a", "query": "SELECT 1", "expect": {"min": "many"}}]}, "has to be a value"),
    ],
)
def test_options_that_cannot_be_right_are_refused_before_anything_is_read(
    bench: RestoreBench, postgres17: PostgresServer, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        drill(bench, postgres17, **changes)


@pytest.fixture
def limited(postgres17: PostgresServer) -> Iterator[str]:
    """A role that may make databases, and nothing else."""
    with contextlib.suppress(Exception):
        postgres17.query("postgres", "DROP ROLE drill_limited")
    postgres17.query(
        "postgres", "CREATE ROLE drill_limited LOGIN CREATEDB PASSWORD 'limited'; GRANT postgres TO drill_limited"
    )
    yield "drill_limited"
    postgres17.query("postgres", "DROP ROLE drill_limited")


def test_an_object_that_cannot_be_restored_fails_unless_it_is_expected_by_name(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, limited: str
) -> None:
    postgres17.query(
        shop,
        "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen()",
    )
    bench.backup(postgres17, shop)
    login = {"login_user": limited, "login_password": "limited"}
    assert "event trigger" in failures(drill(bench, postgres17, **login))["restore"]
    report = drill(bench, postgres17, **login, expected_differences=["EVENT TRIGGER seen"])
    assert (report["verdict"], failures(report)) == ("passed", {})
    (told,) = [one for one in report["findings"] if one["check"] == "expected_differences"]
    assert told["status"] == "warning"
    assert "EVENT TRIGGER seen: permission denied" in told["message"]
    report = drill(bench, postgres17, **login, expected_differences=["EVENT TRIGGER other"])
    assert report["verdict"] == "failed"


def test_a_difference_that_is_expected_is_told_and_does_not_fail(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    damaged_set(bench, postgres17, shop, lambda: postgres17.query(shop, "DROP INDEX orders_by_client"))
    report = drill(bench, postgres17, expected_differences=["INDEX public.orders_*"])
    assert report["verdict"] == "passed"
    assert any("orders_by_client is missing" in one["message"] for one in report["findings"])
