"""Every condition of monitoring is found when it is there, and found good when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest, Table
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Hold, Skip
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.request import CheckRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import find_all, report_findings
from support.small_sets import small_set
from support.watched_sets import DEFAULTS, NEWEST, NOW, WEEKS, Bench, id_before, key_of


@pytest.fixture
def bench() -> Bench:
    return Bench()


def wrong(found: dict[tuple[str, str], Finding]) -> dict[tuple[str, str], str]:
    return {name: one.status for name, one in found.items() if one.status != "passed"}


def test_sound_backups_pass_every_check_by_name(bench: Bench) -> None:
    found = bench.check()
    assert wrong(found) == {}
    assert set(found) == {
        ("recovery_point", "weekly"),
        ("clock", ""),
        ("identity", ""),
        ("skipped", "weekly"),
        ("copies", "first"),
        ("copies", "second"),
        ("integrity", "first"),
        ("integrity", "second"),
        ("unfinished", "first"),
        ("unfinished", "second"),
        ("size", "weekly"),
        ("rows", "public.recipients"),
        ("drill", ""),
        ("holds", ""),
        ("checksum", "first"),
        ("checksum", "second"),
    }


def test_a_backup_that_is_too_old_fails_and_a_younger_one_of_another_kind_does_not_stand_in(bench: Bench) -> None:
    bench.add(id_before(0.5, "pre_deploy"))
    found = bench.check(schedule={"weekly": "2d"})
    assert wrong(found) == {("recovery_point", "weekly"): "failed"}
    message = found["recovery_point", "weekly"].message
    assert message.startswith(f"{NEWEST} is 3 days old, 2 days are allowed")
    assert id_before(0.5, "pre_deploy") in message


def test_an_export_is_no_backup_unless_exports_are_scheduled(bench: Bench) -> None:
    before = bench.check()
    export = id_before(0.5, "export")
    bench.add(export)
    after = bench.check()
    assert {name: one.status for name, one in after.items()} == {name: one.status for name, one in before.items()}
    assert after["size", "weekly"] == before["size", "weekly"]
    assert after["rows", "public.recipients"] == before["rows", "public.recipients"]
    assert export not in after["recovery_point", "weekly"].message

    bench.remove(NEWEST, bench.first)
    bench.remove(NEWEST, bench.second)
    assert bench.check()["recovery_point", "weekly"].status == "failed"
    found = bench.check(schedule={"export": "1d"})
    assert found["recovery_point", "export"].status == "passed"
    assert ("size", "export") not in found


def test_a_kind_that_was_never_backed_up_fails(bench: Bench) -> None:
    found = bench.check(schedule={"weekly": "8d", "daily": "26h"})
    assert found["recovery_point", "daily"].status == "failed"
    assert "there is no good daily backup" in found["recovery_point", "daily"].message


def skip(bench: Bench, days: float, kind: str = "weekly") -> None:
    set_id = id_before(days, kind)
    record = Skip(id=SetId.parse(set_id), label="shop", reason="another backup is running")
    bench.second.add(key_of(set_id, "skipped.json"), record.to_bytes(), NOW - timedelta(days=days))


def test_a_second_skip_in_a_row_fails_and_one_alone_does_not(bench: Bench) -> None:
    skip(bench, 2)
    assert wrong(bench.check()) == {}
    skip(bench, 1)
    found = bench.check()
    assert wrong(found) == {("skipped", "weekly"): "failed"}
    assert found["skipped", "weekly"].message.startswith("2 in a row")
    assert key_of(id_before(1), "skipped.json") in found["skipped", "weekly"].message
    # What other kinds are made of meanwhile does not matter to a kind that is scheduled.
    bench.add(id_before(0.5, "manual"))
    assert wrong(bench.check()) == {("skipped", "weekly"): "failed"}
    bench.add(id_before(0.2))
    assert ("skipped", "weekly") not in wrong(bench.check())


def test_skips_of_a_kind_that_is_not_scheduled_are_a_warning_until_anything_was_backed_up(bench: Bench) -> None:
    for days in (2, 1):
        skip(bench, days, "manual")
    assert wrong(bench.check()) == {("skipped", "manual"): "warning"}
    bench.add(id_before(0.2, "daily"))
    assert ("skipped", "manual") not in wrong(bench.check())


def test_skips_before_and_after_a_good_set_are_not_in_a_row(bench: Bench) -> None:
    skip(bench, 4)
    skip(bench, 2)
    assert wrong(bench.check()) == {}


@pytest.mark.parametrize("days", [400, 4_000])
def test_a_set_from_the_future_fails_and_stands_in_for_none(bench: Bench, days: int) -> None:
    ahead = id_before(-days)
    bench.add(ahead)
    found = bench.check()
    assert wrong(found) == {("clock", ""): "failed"}
    assert ahead in found["clock", ""].message
    assert found["recovery_point", "weekly"].message.startswith(NEWEST)


def test_a_newest_set_that_is_damaged_leaves_the_one_before_to_be_judged(bench: Bench) -> None:
    for location in bench.locations:
        location.objects.pop(key_of(NEWEST, next(name for name in small_set(NEWEST) if name.startswith("backup"))))
    found = bench.check()
    assert found["recovery_point", "weekly"].status == "failed"
    assert f"{WEEKS[-2]} is 10 days old" in found["recovery_point", "weekly"].message
    assert f"{NEWEST} came later and is damaged" in found["recovery_point", "weekly"].message
    assert found["integrity", "first"].status == "failed"


def test_a_missing_copy_fails_or_warns_where_there_are_enough_others(bench: Bench) -> None:
    bench.remove(NEWEST, bench.second)
    assert wrong(bench.check()) == {("copies", "second"): "failed"}
    found = bench.check(min_copies=1)
    assert wrong(found) == {("copies", "second"): "warning"}
    assert f"{NEWEST} is missing" in found["copies", "second"].message


def test_a_copy_of_another_size_fails_by_its_location(bench: Bench) -> None:
    key = next(key for key in bench.second.objects if NEWEST in key and "backup_" in key)
    bench.second.add(key, b"short")
    found = bench.check()
    assert wrong(found) == {("copies", "second"): "failed"}
    assert "has 5 bytes, and the manifest says 100000" in found["copies", "second"].message
    assert found["copies", "first"].status == "passed"


def test_a_flipped_byte_fails_its_checksum_and_is_not_looked_for_where_that_costs_too_much(bench: Bench) -> None:
    key = next(key for key in bench.second.objects if NEWEST in key and "backup_" in key)
    bench.second.add(key, b"y" + b"x" * 99_999)
    found = bench.check()
    assert wrong(found) == {("checksum", "second"): "failed"}
    assert key.rpartition("/")[2] in found["checksum", "second"].message
    assert not [name for name in bench.check(read="none") if name[0] == "checksum"]


def test_a_location_that_is_down_fails_or_warns_where_there_are_enough_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(prefix: str) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(bench.second, "list", down)
    assert wrong(bench.check()) == {("copies", "second"): "failed"}
    assert wrong(bench.check(min_copies=2)) == {("copies", "second"): "failed"}
    found = bench.check(min_copies=1)
    assert wrong(found) == {("copies", "second"): "warning"}
    assert "it could not be read" in found["copies", "second"].message


def test_with_the_only_location_down_nothing_is_warned_of_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(prefix: str) -> None:
        raise OSError("connection refused")

    for location in bench.locations:
        monkeypatch.setattr(location, "list", down)
    found = wrong(bench.check(min_copies=1))
    assert found["copies", "first"] == found["copies", "second"] == found["recovery_point", "weekly"] == "failed"


@pytest.mark.parametrize(("enough", "status"), [(0, "failed"), (1, "warning"), (2, "failed")])
def test_a_location_that_goes_while_it_is_read_fails_or_warns_where_others_could_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, enough: int, status: str
) -> None:
    read = bench.first.read

    def gone(key: str, **options: Any) -> Iterator[bytes]:
        if "backup_" in key:
            raise LocationError("first", f"read {key}", "no byte for 60 s", transient=True)
        return read(key, **options)

    monkeypatch.setattr(bench.first, "read", gone)
    assert wrong(bench.check(min_copies=enough)) == {("checksum", "first"): status}


def test_a_foreign_object_is_a_warning_and_a_damaged_manifest_a_failure(bench: Bench) -> None:
    bench.first.add("shop/notes.txt", b"mine")
    assert wrong(bench.check()) == {("integrity", "first"): "warning"}
    bench.first.add(key_of(WEEKS[0], "manifest.json"), b"{")
    found = bench.check()
    assert found["integrity", "first"].status == "failed"
    assert WEEKS[0] in found["integrity", "first"].message


def test_what_a_run_left_is_a_warning_once_it_is_a_day_old(bench: Bench) -> None:
    set_id = id_before(2, "daily")
    bench.first.add(key_of(set_id, "backup_1.dump.age"), b"x")
    catalogue = read_catalogue(bench.locations, "shop", cache_dir=None)
    modified = catalogue.indexes["first"].copies[SetId.parse(set_id)].modified
    assert modified is not None
    for hours, expected in ((23, "passed"), (25, "warning")):
        findings = find_all(catalogue, CheckRequest.parse(DEFAULTS), bench.locations, modified + timedelta(hours=hours))
        assert [one.status for one in findings if (one.check, one.subject) == ("unfinished", "first")] == [expected]


def test_a_newest_set_that_is_unfinished_somewhere_is_told_without_a_gap(bench: Bench) -> None:
    bench.remove(NEWEST, bench.first)
    bench.first.add(key_of(NEWEST, "backup_1.dump.age"), b"x")
    assert bench.check()["copies", "first"].message.startswith(f"{NEWEST} is unfinished (")


@pytest.mark.parametrize(("size", "status"), [(100_500, "passed"), (40_000, "failed"), (250_000, "warning")])
def test_a_size_outside_the_band_fails_if_it_is_small_and_warns_if_it_is_large(
    bench: Bench, size: int, status: str
) -> None:
    bench.add(id_before(1), dump=b"x" * size)
    assert bench.check()["size", "weekly"].status == status


def test_a_critical_table_that_is_empty_or_gone_is_named_whatever_the_size_is(bench: Bench) -> None:
    tables = tuple(Table(schema="public", name=name, priority=1, rows=500) for name in ("clients", "orders"))
    for set_id in WEEKS:
        bench.add(set_id, tables=tables)
    bench.drill(NEWEST, 1)
    assert wrong(bench.check()) == {}
    bench.add(id_before(1), tables=(replace(tables[0], rows=0),))
    found = bench.check()
    assert wrong(found) == {("rows", "public.clients"): "failed", ("rows", "public.orders"): "failed"}
    assert "no rows, 500 in the set before" in found["rows", "public.clients"].message
    assert "the table was in the set before" in found["rows", "public.orders"].message


def test_a_table_that_is_not_critical_may_do_as_it_likes(bench: Bench) -> None:
    for set_id, rows in zip(WEEKS, (500,) * 8 + (0,), strict=True):
        bench.add(set_id, tables=(Table(schema="public", name="errors", priority=3, rows=rows),))
    assert not [name for name in bench.check() if name[0] == "rows"]


@pytest.mark.parametrize(
    ("drills", "status", "told"),
    [
        ([], "failed", "no backup was ever restored"),
        ([(9, "passed", "first")], "failed", "the last good drill was 9 days ago, 8 days are allowed"),
        ([(2, "passed", "first")], "passed", "2 days ago"),
        ([(2, "passed", "first"), (1, "failed", "first")], "failed", "table public.t is missing"),
        ([(2, "failed", "first"), (1, "passed", "first")], "passed", ""),
        ([(2, "failed", "second"), (1, "passed", "first")], "failed", "from location 'second'"),
    ],
)
def test_the_last_drill_has_to_be_recent_and_that_of_every_location_good(
    bench: Bench, drills: list[tuple[float, str, str]], status: str, told: str
) -> None:
    bench.first.objects.pop(next(key for key in bench.first.objects if "verified_" in key))
    for days, verdict, location in drills:
        bench.drill(NEWEST, days, verdict, location)
    found = bench.check()["drill", ""]
    assert found.status == status
    assert told in found.message


def test_a_failed_drill_of_a_location_that_was_renamed_is_made_up_for_by_its_next_one(bench: Bench) -> None:
    bench.drill(WEEKS[-2], 2, "failed", "its old name")
    assert bench.check()["drill", ""].status == "passed"
    bench.drill(WEEKS[-2], 0.5, "failed", "its old name")
    assert bench.check()["drill", ""].status == "failed"


def test_a_drill_of_another_manifest_than_the_one_that_is_there_does_not_count(bench: Bench) -> None:
    for location in bench.locations:
        document = Manifest.parse(bench.read(NEWEST))
        location.add(key_of(NEWEST, "manifest.json"), replace(document, warnings=("changed",)).to_bytes())
    assert bench.check()["drill", ""].status == "failed"


def test_a_new_database_is_not_expected_to_have_had_a_drill() -> None:
    bench = Bench()
    for location in bench.locations:
        location.objects.clear()
    bench.add(NEWEST)
    assert wrong(bench.check()) == {}
    assert ("drill", "") not in bench.check(drill_within="none")


def test_no_backup_at_all_is_never_a_pass() -> None:
    bench = Bench()
    for location in bench.locations:
        location.objects.clear()
    found = bench.check()
    assert wrong(found) == {("recovery_point", "weekly"): "failed"}


@pytest.mark.parametrize(("days", "status"), [(6, "warning"), (8, "passed"), (-1, "passed")])
def test_a_hold_that_is_about_to_end_is_a_warning(bench: Bench, days: float, status: str) -> None:
    hold = Hold(id=SetId.parse(NEWEST), label="shop", held_at=NOW, reason="INC-7", until=NOW + timedelta(days=days))
    bench.second.add(key_of(NEWEST, "hold.json"), hold.to_bytes())
    found = bench.check()["holds", ""]
    assert found.status == status
    assert ("INC-7" in found.message) == (status == "warning")


@pytest.mark.parametrize(
    ("day", "status"), [("2026-11-26", "passed"), ("2026-11-25", "warning"), ("2025-03-01", "warning")]
)
def test_a_review_that_is_due_is_a_warning_until_another_day_is_set(bench: Bench, day: str, status: str) -> None:
    found = bench.check(review_by=day)["review", ""]
    assert (found.status, day in found.message) == (status, True)
    assert ("review", "") not in bench.check()


def test_what_others_found_counts(bench: Bench) -> None:
    other = {"check": "bucket", "subject": "backups", "status": "failed", "message": "versioning is off"}
    assert wrong(bench.check(findings=[other])) == {("bucket", "backups"): "failed"}


@pytest.mark.parametrize(
    ("result", "status", "told"),
    [
        ({"changed": False, "bucket": {"name": "backups"}}, "passed", "as declared"),
        (
            {"changed": True, "bucket": {"name": "backups"}, "changes": ["enable versioning"]},
            "failed",
            "not as declared: enable versioning",
        ),
        (
            {"failed": True, "msg": "Access Denied", "bucket": {"name": "backups"}},
            "failed",
            "Access Denied",
        ),
    ],
)
def test_a_bucket_that_is_not_as_declared_fails(bench: Bench, result: dict[str, Any], status: str, told: str) -> None:
    found = bench.check(buckets=[result, {"skipped": True}])
    assert {name: one.status for name, one in found.items() if name[0] == "bucket"} == {("bucket", "backups"): status}
    assert told in found["bucket", "backups"].message


def test_a_report_tells_the_worst_first_and_counts_the_rest(bench: Bench) -> None:
    bench.remove(NEWEST, bench.second)
    report = report_findings("shop", list(bench.check().values()))
    assert report["verdict"] == "failed"
    assert report["summary"][0] == "shop: failed: 1 failed, 0 warning, 14 passed"
    assert report["summary"][1].startswith("  failed: copies (second): ")
    assert report["findings"][0]["subject"] == "second"
    assert report["table"][0].split() == ["check", "subject", "status", "what", "was", "found"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schedule": {}}, "schedule is empty"),
        ({"schedule": {"hourly": "2h"}}, "unknown kind 'hourly'"),
        ({"schedule": {"weekly": "soon"}}, "schedule.weekly: 'soon'"),
        ({"min_copies": 3}, "min_copies is 3, and there are 2 locations"),
        ({"min_copies": -1}, "min_copies is -1"),
        ({"drill_within": "often"}, "drill_within: 'often'"),
        ({"holds_within": "0d"}, "holds_within: '0d'"),
        ({"findings": [{"check": "X", "status": "passed", "message": "m"}]}, "findings: "),
        ({"findings": [{"check": "x", "status": "fine", "message": "m"}]}, "findings: "),
        ({"label": "../x"}, "label '../x'"),
    ],
)
def test_limits_that_cannot_be_right_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        CheckRequest.parse({**DEFAULTS, **changes})
