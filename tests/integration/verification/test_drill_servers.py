"""Drills on servers of every version, of older sets too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side import creating
from support.drill_runs import damaged_set, drill, failures, make_shop
from support.installations import installations
from support.lab import PostgresServer
from support.programs import PROJECT
from support.restore_runs import RestoreBench

EVERY_TYPE = (PROJECT / "tests" / "integration" / "postgres" / "every_type.sql").read_text()
MAJORS = sorted(installations())
PAIRS = [(one, other) for one in MAJORS for other in MAJORS if one <= other]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[int, PostgresServer]]:
    with contextlib.ExitStack() as stack:
        yield {major: stack.enter_context(PostgresServer(major)) for major in MAJORS}


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_a_set_of_any_version_passes_its_drill_on_that_or_a_newer_one(
    bench: RestoreBench, servers: dict[int, PostgresServer], made_on: int, restored_on: int
) -> None:
    shop = make_shop(servers[made_on])
    # The newest build here cannot read zstd.
    bench.backup(servers[made_on], shop, compress="gzip:1")
    report = drill(bench, servers[restored_on])
    assert (report["verdict"], failures(report)) == ("passed", {})
    assert report["drills"][0]["server_version"].startswith(str(restored_on))
    assert not [one for one in report["findings"] if one["check"] == "definitions"]
    assert any("very server that was backed up" in one for one in report["warnings"]) == (made_on == restored_on)


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_values_of_every_type_have_the_same_fingerprint_after_their_restore(
    bench: RestoreBench, servers: dict[int, PostgresServer], made_on: int, restored_on: int
) -> None:
    database = servers[made_on].create_database()
    servers[made_on].query(database, EVERY_TYPE)
    bench.backup(servers[made_on], database, compress="gzip:1")
    assert failures(drill(bench, servers[restored_on])) == {}


@pytest.mark.parametrize(
    ("sql", "check", "named"),
    [
        ("DROP POLICY own_consents ON consents", "policies", "POLICY public.consents own_consents"),
        ("ALTER POLICY own_consents ON consents USING (true)", "policies", "POLICY public.consents own_consents"),
        ("REVOKE UPDATE ON consents FROM PUBLIC", "grants", "ACL public.TABLE consents"),
        ("ALTER TABLE orders DISABLE TRIGGER touched", "schema", "TRIGGER public.orders touched"),
    ],
)
def test_what_an_older_servers_set_lacks_is_named_on_a_newer_one(
    bench: RestoreBench, servers: dict[int, PostgresServer], sql: str, check: str, named: str
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    shop = make_shop(oldest)
    damaged_set(bench, oldest, shop, lambda: oldest.query(shop, sql))
    assert named in failures(drill(bench, newest))[check]


def test_a_set_of_a_newer_server_than_the_target_is_an_error_and_no_verdict(
    bench: RestoreBench, servers: dict[int, PostgresServer]
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    bench.backup(newest, make_shop(newest))
    with pytest.raises(PreflightError, match=f"the backup is of PostgreSQL {MAJORS[-1]}, the server is {MAJORS[0]}"):
        drill(bench, oldest)
    assert not list(bench.bench.root.rglob("verified_*"))


def test_a_server_without_the_locale_of_the_source_restores_with_its_own_and_says_so(
    bench: RestoreBench, servers: dict[int, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers[17]
    bench.backup(server, make_shop(server))
    missing = " ENCODING = 'UTF8' LOCALE = 'no_SUCH.UTF-8'"
    monkeypatch.setattr(creating, "_locale", lambda _toc, any_locale: "" if any_locale else missing)
    report = drill(bench, server)
    assert report["verdict"] == "passed"
    (told,) = [one for one in report["findings"] if one["check"] == "locale"]
    assert told["status"] == "warning"
    assert "no_SUCH.UTF-8" in told["message"]
