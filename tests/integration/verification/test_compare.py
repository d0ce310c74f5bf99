"""``backup_compare``: what a database has lost, gained and changed since a set was made."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.comparing_live import (
    Lost,
    run_backup_compare,
)
from ansible_collections.mobul.backup.plugins.modules import backup_compare
from support.backup_bench import LABEL
from support.lab import PostgresServer
from support.module_parameters import parameters
from support.restore_runs import RestoreBench


def compare(bench: RestoreBench, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
    options = {
        **server.login(database),
        "pg_bin_dir": str(server.bin_dir),
        "label": LABEL,
        "locations": [bench.bench.location()],
        "verify_key": [str(bench.bench.keys.verify)],
        **changes,
    }
    found: dict[str, Any] = run_backup_compare(parameters(backup_compare, **options), False)
    return found


def test_what_is_lost_fails_by_name_and_what_is_expected_or_new_is_told(
    bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    bench.backup(postgres17, shop)
    same = compare(bench, postgres17, shop)
    assert (same["verdict"], same["differences"]) == ("passed", [])

    postgres17.query(
        shop,
        "DROP TABLE consents; DROP INDEX orders_by_client; DELETE FROM orders WHERE id <= 10;"
        "INSERT INTO clients VALUES (1000, 'new'); ALTER TABLE clients ADD COLUMN age int;"
        "CREATE VIEW v AS SELECT 1 AS a",
    )
    with pytest.raises(Lost, match="expect it by name in expected_differences: ACL public") as caught:
        compare(bench, postgres17, shop)
    report = caught.value.report or {}
    assert report["verdict"] == "failed"
    assert {change["name"]: change["what"] for change in report["changes"]} == {
        "ACL public.TABLE consents": "lost",
        "CONSTRAINT public.consents consents_pkey": "lost",
        "FK CONSTRAINT public.consents consents_client_fkey": "lost",
        "INDEX public.orders_by_client": "lost",
        "POLICY public.consents own_consents": "lost",
        "ROW SECURITY public.consents": "lost",
        "TABLE public.consents": "lost",
        "TABLE public.orders": "fewer_rows",
        "TABLE public.clients": "more_rows",
        "VIEW public.v": "new",
    }

    expected = ["TABLE public.consents", "INDEX public.*", "TABLE public.orders"]
    key = [str(bench.bench.keys.identity)]
    told = compare(bench, postgres17, shop, expected_differences=expected, identities=key)
    assert told["verdict"] == "passed"
    assert "TABLE public.clients: it is defined otherwise than before" in told["differences"]


def test_a_set_of_another_database_is_not_compared(bench: RestoreBench, postgres17: PostgresServer, shop: str) -> None:
    bench.backup(postgres17, shop)
    with pytest.raises(ConfigError, match="is of database"):
        compare(bench, postgres17, "postgres")
