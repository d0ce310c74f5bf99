"""A set of exports alone: signed, verified and kept like any other, and never taken for a backup."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from support.backup_bench import LABEL, Bench
from support.drill_runs import drill, failures
from support.lab import PostgresServer
from support.restore_runs import RestoreBench
from support.table_restores import restore_table
from support.verify_runs import bad, statuses, verify

TABLES = """
CREATE TABLE audit (id int PRIMARY KEY, at timestamptz, what text);
INSERT INTO audit SELECT i, now() - i * interval '1 day', E'line "' || i || E'"\n,' FROM generate_series(1, 300) i;
CREATE TABLE clients (id int PRIMARY KEY, name text, doc jsonb);
INSERT INTO clients SELECT i, CASE WHEN i > 3 THEN 'client ' || i END, '{"a": [1, "x"]}' FROM generate_series(1, 50) i;
"""
EXPORTS: list[dict[str, Any]] = [
    {"table": "audit", "where": "at > now() - interval '90 days'"},
    {"table": "clients", "format": "json", "compress": "gzip"},
    {"name": "clients_csv", "table": "clients", "compress": "none"},
    {"name": "names", "query": "SELECT id, name FROM public.clients WHERE id < 10"},
]


@pytest.fixture
def shop(postgres17: PostgresServer, database: str) -> str:
    """A database that can be exported."""
    postgres17.psql(database, TABLES)
    return database


def export(bench: Bench, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
    return bench.backup(server, database, kind="export", **{"exports": EXPORTS, **changes})


def test_an_export_holds_what_was_asked_for_and_is_verified_as_a_set(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    planned = export(bench, postgres17, shop, check_mode=True)
    assert planned["id"].startswith("export_")
    assert not bench.files()
    report = export(bench, postgres17, shop)
    assert [one["role"] for one in report["artifacts"]] == ["export"] * 4
    assert report["rows"] == 89 + 50 + 50 + 9
    assert "4 exports, 198 rows" in "\n".join(report["summary"])
    manifest = bench.stored(report).manifest
    assert (manifest["kind"], manifest["tables"], manifest["previous"]) == ("export", [], None)

    options: dict[str, Any] = {
        "label": LABEL,
        "backup": report["id"],
        "locations": [bench.location()],
        "verify_key": [str(bench.keys.verify)],
        "level": "content",
    }
    assert "no key was given" in bad(verify(bench.directory / "cache", **options))["contents"]
    options["identities"] = [str(bench.keys.identity)]
    good = verify(bench.directory / "cache", **options)
    assert bad(good) == {}
    assert statuses(good)["contents", "disk"] == "passed"
    path = bench.root / report["directory"] / report["artifacts"][0]["name"]
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    assert "not what was written" in bad(verify(bench.directory / "cache", **options))["checksum"]


def test_an_export_is_never_the_newest_backup_nor_in_their_chain(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    first = bench.backup(postgres17, shop, kind="daily")
    exported = export(bench, postgres17, shop)
    assert drill(RestoreBench(bench), postgres17)["id"] == first["id"]
    for refused in (drill(RestoreBench(bench), postgres17, backup=exported["id"]),):
        assert any("it is an export: restore_table takes rows from it" in text for text in failures(refused).values())
    with pytest.raises(BackupError, match=r"has no dump .*it is an export"):
        RestoreBench(bench).restore(postgres17, shop, backup=exported["id"])
    whole_seconds = bench.backup(postgres17, shop, kind="daily")
    assert whole_seconds["previous"] == first["id"]


def test_a_table_takes_rows_from_an_export_and_a_part_never_takes_the_place_of_all(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    backup = export(bench, postgres17, shop)["id"]
    before = postgres17.query(shop, "SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM clients c")
    postgres17.psql(shop, "DELETE FROM clients WHERE id > 20; UPDATE clients SET name = 'x' WHERE id = 1")
    with pytest.raises(ConfigError, match="several times: clients, clients_csv"):
        restore_table(postgres17, shop, "clients", bench=bench, backup=backup)
    for source, strategy in (("clients", "swap"), ("clients_csv", "replace")):
        postgres17.psql(shop, "DELETE FROM clients WHERE id > 20")
        report = restore_table(
            postgres17, shop, "clients", bench=bench, backup=backup, source_table=source, strategy=strategy
        )
        assert (report["id"], report["rows"]) == (backup, 50)
        assert postgres17.query(shop, "SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM clients c") == before

    postgres17.psql(shop, "DELETE FROM audit WHERE id BETWEEN 10 AND 12")
    for options in ({"strategy": "swap"}, {"strategy": "replace"}, {"strategy": "merge", "delete_extra": True}):
        with pytest.raises(PreflightError, match="only the rows where at > now"):
            restore_table(postgres17, shop, "audit", bench=bench, backup=backup, **options)
    merged = restore_table(postgres17, shop, "audit", bench=bench, backup=backup, strategy="merge")
    assert (merged["inserted"], merged["deleted"]) == (3, 0)
    with pytest.raises(PreflightError, match="the result of a query"):
        restore_table(postgres17, shop, "clients", bench=bench, backup=backup, source_table="names")
    with pytest.raises(ConfigError, match="it can be one of audit, clients, clients_csv, names"):
        restore_table(postgres17, shop, "audit", bench=bench, backup=backup, source_table="nobody", strategy="merge")


def test_an_export_of_nothing_or_of_what_is_not_there_is_refused(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    # A critical table that is gone is no matter of an export that does not name it.
    gone = [{"name": "vanished", "priority": 1}]
    assert export(bench, postgres17, shop, check_mode=True, tables=gone)["missing_tables"] == []
    with pytest.raises(ConfigError, match=r"exports is empty, and kind is 'export' \(name"):
        export(bench, postgres17, shop, exports=[])
    for missing in ("fail_critical", "fail"):
        with pytest.raises(PreflightError, match=r"no table 'client' in the database .*did you mean"):
            export(bench, postgres17, shop, exports=[{"table": "client"}, *EXPORTS], missing_tables=missing)
    with pytest.raises(PreflightError, match="none of the exports is of a table that is there"):
        export(bench, postgres17, shop, exports=[{"table": "client"}], missing_tables="warn")
    with pytest.raises(ConfigError, match="never written unencrypted: audit"):
        export(bench, postgres17, shop, recipients=[], tables=[{"name": "audit", "personal_data": True}])
    assert not bench.files()
