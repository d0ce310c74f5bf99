"""What a drill leaves: a record beside the set, reports, and nothing on the server."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Drill
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill import rehearsal, request
from support.backup_bench import Bench, Keys
from support.drill_runs import damaged_set, drill, failures
from support.lab import PostgresServer
from support.restore_runs import RestoreBench


def roles(server: PostgresServer) -> set[str]:
    return {row[0] for row in server.query("postgres", "SELECT rolname FROM pg_roles")}


def test_roles_that_the_server_lacks_are_there_for_the_drill_only_and_cannot_log_in(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    before = roles(postgres17)
    postgres17.query(
        shop,
        "CREATE ROLE drill_owner LOGIN PASSWORD 'owner'; CREATE ROLE drill_reader; GRANT drill_reader TO drill_owner;"
        "ALTER TABLE consents OWNER TO drill_owner; GRANT SELECT ON orders TO drill_reader",
    )
    bench.backup(postgres17, shop)
    postgres17.query(shop, "DROP OWNED BY drill_owner, drill_reader; DROP ROLE drill_owner, drill_reader")
    look = {"name": "role", "query": "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'drill_owner'", "expect": False}
    report = drill(bench, postgres17, checks=[look])
    assert failures(report) == {}
    assert roles(postgres17) == before


def test_every_drill_has_a_record_of_its_own_with_all_that_was_found(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    assert made.exists()
    key = SigningKey.generate()
    reports = [
        drill(bench, postgres17, checks=[{"name": "no", "query": "SELECT false"}], record_signing_key=given)
        for given in (None, key.to_pem())
    ]
    found = {path.name: Drill.parse(path.read_bytes()) for path in bench.bench.root.rglob("verified_*.json")}
    assert set(found) == {report["drills"][0]["record"] for report in reports}
    for one in found.values():
        assert (one.verdict, one.label, one.location) == ("failed", "shop", "disk")
        assert [finding.subject for finding in one.findings if finding.status == "failed"] == ["disk: no"]
    (signature,) = bench.bench.root.rglob("verified_*.json.sig")
    signed = signature.with_suffix("")
    assert signed.name == reports[1]["drills"][0]["record"]
    assert key.verify_key.fits(signed.read_bytes(), signature.read_bytes())


def test_what_was_found_in_one_location_is_kept_though_the_server_is_gone_before_the_next(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [bench.bench.location(name) for name in ("disk", "other")]
    bench.backup(postgres17, shop, locations=places)
    original = rehearsal.prepare
    asked: list[object] = []

    def prepare(*arguments: object) -> object:
        asked.append(arguments)
        if len(asked) > 1:
            raise PreflightError("connect to the database", "gone")
        return original(*arguments)

    monkeypatch.setattr(rehearsal, "prepare", prepare)
    with pytest.raises(PreflightError, match="gone"):
        drill(bench, postgres17, locations=places)
    assert len(list(bench.bench.root.rglob("verified_*.json"))) == 1


def test_a_record_that_cannot_be_written_is_a_warning_and_no_verdict(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LocalLocation, key: str, data: bytes) -> None:
        raise LocationError(self.name, "write", "read-only")

    assert made.exists()
    monkeypatch.setattr(LocalLocation, "put", refuse)
    report = drill(bench, postgres17)
    assert report["verdict"] == "passed"
    (told,) = [one for one in report["findings"] if one["check"] == "record"]
    assert (told["status"], "read-only" in told["message"]) == ("warning", True)
    assert (report["changed"], report["drills"][0]["record"]) == (False, None)


def test_reports_are_private_name_every_difference_and_take_names_as_text(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    name = "a|b `<script>`\n# not a heading\x1b[2J\u202e\u2028\x9b31m"
    postgres17.query(shop, f'CREATE TABLE "{name}" (id int)')
    damaged_set(bench, postgres17, shop, lambda: postgres17.query(shop, f'DROP TABLE "{name}"; DROP VIEW totals'))
    directory = bench.bench.directory / "reports"
    report = drill(bench, postgres17, report_dir=str(directory))
    assert sorted(report["reports"]) == sorted(str(path) for path in directory.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())
    text = next(path for path in directory.iterdir() if path.suffix == ".md").read_text()
    assert "VIEW public.totals is missing" in text
    assert "<script>" not in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert Path(report["reports"][1]).read_bytes().replace(b"\n", b"").decode("ascii").isprintable()
    assert not [line for line in text.splitlines() if line.startswith("# ")][1:]
    document = json.loads(Path(report["reports"][1]).read_bytes())
    objects = {one["object"] for one in document["drills"][0]["differences"]}
    assert {"VIEW public.totals", f"TABLE public.{name}"} <= objects


def test_a_restore_that_takes_longer_than_it_may_fails(
    bench: RestoreBench, postgres17: PostgresServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made.exists()
    report = drill(bench, postgres17, recovery_time="1d")
    assert failures(report) == {}
    assert any(one["check"] == "recovery_time" for one in report["findings"])
    monkeypatch.setattr(request, "parse_duration", lambda _text, _what: timedelta(0))
    report = drill(bench, postgres17, recovery_time="1d")
    assert report["verdict"] == "failed"
    assert "of 0 s that a restore may take" in failures(report)["recovery_time"]


BAD = {
    "SELECT count(*) FROM orders": "2000 instead of 1",
    "SELECT no_such_column FROM orders": 'column "no_such_column" does not exist',
    "DELETE FROM orders": "read-only",
    "SELECT pg_sleep(30)": "statement timeout",
    "SET search_path = x": "returns no rows at all",
}


@pytest.fixture(scope="module")
def asked(
    postgres17: PostgresServer, good_set: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The report of a drill that asks all of them, and another query after each."""
    bench = RestoreBench(Bench(tmp_path_factory.mktemp("asked"), keys))
    shutil.copytree(good_set, bench.bench.root)
    checks: list[dict[str, Any]] = []
    for query in BAD:
        checks.append({"name": query, "query": query, "expect": 1})
        checks.append({"name": f"after {query}", "query": "SELECT count(*) = 2000 FROM orders"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "_QUERY_SECONDS", 1)
        return drill(bench, postgres17, checks=checks)


@pytest.mark.parametrize("query", BAD)
def test_a_query_that_fails_or_changes_anything_fails_the_drill_and_not_the_others(
    asked: dict[str, Any], query: str
) -> None:
    found = {one["subject"]: one for one in asked["findings"] if one["check"] == "query"}
    assert asked["verdict"] == "failed"
    assert found[f"disk: {query}"]["status"] == "failed"
    assert BAD[query] in found[f"disk: {query}"]["message"]
    assert found[f"disk: after {query}"]["status"] == "passed"
