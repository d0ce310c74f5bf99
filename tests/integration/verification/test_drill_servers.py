"""Drills on servers of every version, of older sets too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side import creating
from support.backup_bench import Bench, Keys
from support.drill_runs import SHOP, damaged_set, drill, failures
from support.installations import installations
from support.lab import PostgresServer
from support.programs import PROJECT
from support.restore_runs import RestoreBench

EVERY_TYPE = (PROJECT / "tests" / "integration" / "postgres" / "every_type.sql").read_text()
MAJORS = sorted({15, 17, 18} & installations().keys())
PAIRS = [(one, other) for one in MAJORS for other in MAJORS if one <= other]
Drilled = Callable[[int, int], dict[str, Any]]


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> dict[int, PostgresServer]:
    return {major: request.getfixturevalue(f"postgres{major}") for major in MAJORS}


@pytest.fixture(scope="module")
def drilled(servers: dict[int, PostgresServer], keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    """The report on a set of one version that was drilled on another: of a shop, and of values of every type."""

    @functools.cache
    def made_on(major: int) -> RestoreBench:
        bench, server = RestoreBench(Bench(tmp_path_factory.mktemp("made"), keys)), servers[major]
        with server.database() as name:
            server.query(name, SHOP + EVERY_TYPE)
            # The newest build here cannot read zstd.
            bench.backup(server, name, compress="gzip:1")
        return bench

    return functools.cache(lambda major, other: drill(made_on(major), servers[other]))


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_a_set_of_any_version_passes_its_drill_on_that_or_a_newer_one(
    drilled: Drilled, made_on: int, restored_on: int
) -> None:
    report = drilled(made_on, restored_on)
    assert (report["verdict"], failures(report)) == ("passed", {})
    assert report["drills"][0]["server_version"].startswith(str(restored_on))
    assert not [one for one in report["findings"] if one["check"] == "definitions"]
    assert any("very server that was backed up" in one for one in report["warnings"]) == (made_on == restored_on)


@pytest.mark.parametrize(("made_on", "restored_on"), PAIRS)
def test_values_of_every_type_have_the_same_fingerprint_after_their_restore(
    drilled: Drilled, made_on: int, restored_on: int
) -> None:
    report = drilled(made_on, restored_on)
    assert failures(report) == {}
    assert [one["status"] for one in report["findings"] if one["check"] == "contents"] == ["passed"]


# What does not hide another one is damaged together: a drill of each would tell the same.
@pytest.mark.parametrize(
    "damages",
    [
        [
            ("DROP POLICY own_consents ON consents", "policies", "POLICY public.consents own_consents"),
            ("REVOKE UPDATE ON consents FROM PUBLIC", "grants", "ACL public.TABLE consents"),
            ("ALTER TABLE orders DISABLE TRIGGER touched", "schema", "TRIGGER public.orders touched"),
        ],
        [("ALTER POLICY own_consents ON consents USING (true)", "policies", "POLICY public.consents own_consents")],
    ],
    ids=["a policy, a grant and a trigger", "a changed policy"],
)
def test_what_an_older_servers_set_lacks_is_named_on_a_newer_one(
    bench: RestoreBench, servers: dict[int, PostgresServer], damages: list[tuple[str, str, str]]
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    with oldest.database() as shop:
        oldest.query(shop, SHOP)
        damaged_set(bench, oldest, shop, lambda: oldest.query(shop, ";".join(sql for sql, _check, _name in damages)))
    told = failures(drill(bench, newest))
    for _sql, check, named in damages:
        assert named in told[check]


def test_a_set_of_a_newer_server_than_the_target_is_an_error_and_no_verdict(
    bench: RestoreBench, servers: dict[int, PostgresServer]
) -> None:
    oldest, newest = servers[MAJORS[0]], servers[MAJORS[-1]]
    with newest.database() as name:
        newest.query(name, SHOP)
        bench.backup(newest, name)
    with pytest.raises(PreflightError, match=f"the backup is of PostgreSQL {MAJORS[-1]}, the server is {MAJORS[0]}"):
        drill(bench, oldest)
    assert not list(bench.bench.root.rglob("verified_*"))


def test_a_server_without_the_locale_of_the_source_restores_with_its_own_and_says_so(
    bench: RestoreBench, servers: dict[int, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers[17]
    with server.database() as name:
        server.query(name, SHOP)
        bench.backup(server, name)
    missing = " ENCODING = 'UTF8' LOCALE = 'no_SUCH.UTF-8'"
    monkeypatch.setattr(creating, "_locale", lambda _toc, any_locale: "" if any_locale else missing)
    report = drill(bench, server)
    assert report["verdict"] == "passed"
    (told,) = [one for one in report["findings"] if one["check"] == "locale"]
    assert told["status"] == "warning"
    assert "no_SUCH.UTF-8" in told["message"]
