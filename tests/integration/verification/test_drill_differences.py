"""A drill fails for whatever is not as it was when the backup was made, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.drill_runs import damaged_set, drill, failures, record
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, databases

# What does not hide another one is damaged together: a drill of each would tell the same.
DAMAGES: list[dict[str, tuple[str, str, str]]] = [
    {
        "one row changed": ("UPDATE orders SET note = 'x' WHERE id = 7", "contents", "public.orders"),
        "one policy dropped": (
            "DROP POLICY own_consents ON consents",
            "policies",
            "POLICY public.consents own_consents",
        ),
        "one grant gone": ("REVOKE UPDATE ON consents FROM PUBLIC", "grants", "ACL public.TABLE consents"),
        "one index gone": ("DROP INDEX orders_by_client", "schema", "INDEX public.orders_by_client"),
        "a function's body changed": (
            "CREATE OR REPLACE FUNCTION total(c int) RETURNS numeric LANGUAGE sql STABLE "
            "AS 'SELECT max(paid) FROM public.orders WHERE client = c'",
            "schema",
            "FUNCTION public.total(integer)",
        ),
        "a sequence set back": ("SELECT setval('numbers', 41)", "sequences", "SEQUENCE SET public.numbers"),
        "a default gone": ("ALTER TABLE orders ALTER at DROP DEFAULT", "schema", "TABLE public.orders"),
        "a large object gone": ("SELECT lo_unlink(4711)", "large_objects", "0 large objects instead of 1"),
    },
    {
        "one row missing": ("DELETE FROM orders WHERE id = 7", "rows", "public.orders has 1999 rows instead of 2000"),
        "row level security off": (
            "ALTER TABLE consents DISABLE ROW LEVEL SECURITY",
            "policies",
            "ROW SECURITY public.consents",
        ),
        "all grants gone": ("REVOKE ALL ON orders FROM PUBLIC", "grants", "ACL public.TABLE orders"),
        "a trigger disabled": ("ALTER TABLE orders DISABLE TRIGGER touched", "schema", "TRIGGER public.orders touched"),
        "a foreign key gone": (
            "ALTER TABLE orders DROP CONSTRAINT orders_client_fkey",
            "schema",
            "FK CONSTRAINT public.orders orders_client_fkey",
        ),
        "a view changed": (
            "CREATE OR REPLACE VIEW totals AS SELECT id, name, 0.0 AS total FROM clients",
            "schema",
            "totals",
        ),
        "a byte of a large object": ("SELECT lo_put(4711, 1048577, 'x')", "large_objects", "have other contents"),
    },
    {
        "one table missing": ("DROP TABLE consents", "rows", "public.consents is missing"),
        "a grant on a large object": (
            "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC",
            "grants",
            "other owners or grants",
        ),
    },
]


@pytest.mark.parametrize("damages", DAMAGES, ids=["small ones", "others", "a whole table"])
def test_a_drill_fails_and_names_what_is_not_as_it_was(
    bench: RestoreBench, postgres17: PostgresServer, shop: str, damages: dict[str, tuple[str, str, str]]
) -> None:
    postgres17.query(shop, "SELECT lo_from_bytea(4711, convert_to(repeat('large', 250000), 'UTF8'))")

    def damage() -> None:
        for sql, _check, _named in damages.values():
            postgres17.query(shop, sql)

    damaged_set(bench, postgres17, shop, damage)
    report = drill(bench, postgres17)
    assert report["verdict"] == "failed"
    told = failures(report)
    for name, (_sql, check, named) in damages.items():
        assert named in told.get(check, ""), name
    assert record(bench, report)["verdict"] == "failed"
    assert not databases(postgres17, "drill_")


def test_a_drill_of_a_good_set_passes_every_check_and_leaves_a_record(
    bench: RestoreBench, postgres17: PostgresServer, made: Path
) -> None:
    assert made.exists()
    report = drill(bench, postgres17, report_dir=str(bench.bench.directory / "reports"))
    assert (report["verdict"], failures(report)) == ("passed", {})
    passed = {one["check"] for one in report["findings"] if one["status"] == "passed"}
    assert passed >= {"source", "restore", "rows", "contents", "sequences", "policies", "grants", "schema"}
    assert record(bench, report)["verdict"] == "passed"
    assert record(bench, report)["manifest"] == report["drills"][0]["manifest_sha256"]
    assert not databases(postgres17, "drill_")
