"""Whoever owns a table cannot have their code run by whoever backs it up, a superuser even (fault 51)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import ExportRequest, export_table
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import connection as connections
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows, fingerprints
from support.backup_bench import Bench
from support.lab import PostgresServer
from support.tenants import Tenant, tenant_of

PLANNED = {
    "index expression": "CREATE INDEX ON @.t ((n + @.told(1)))",
    "index predicate": "CREATE INDEX ON @.t (n) WHERE @.told(true)",
    "statistics": "CREATE STATISTICS @.s ON (n + @.told(1)), n FROM @.t",
    "operator": "CREATE OPERATOR @.+ (LEFTARG = int, RIGHTARG = text, FUNCTION = @.plus);"
    "CREATE INDEX ON @.t ((n OPERATOR(@.+) 'x'), (1 OPERATOR(@.+) 'x'))",
    "domain": "CREATE DOMAIN @.small AS int CHECK (@.told(VALUE) < 10);"
    "CREATE INDEX ON @.t (n, (('{1}'::int[])::@.small[]))",
}


@pytest.fixture
def tenant(postgres: PostgresServer, any_database: str) -> Iterator[Tenant]:
    """The owner of the table ``t`` with three rows."""
    with tenant_of(postgres, any_database) as one:
        one.execute(
            "CREATE TABLE @.t AS SELECT generate_series(1, 3) AS n; CREATE FUNCTION @.plus(int, text) RETURNS int "
            "IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM @.told(1); RETURN $1; END $$"
        )
        yield one


@pytest.mark.sampled(5)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("where", PLANNED)
def test_functions_that_the_planner_would_run_are_not_run_by_counting_and_leave_a_table_without_fingerprint(
    tenant: Tenant, bench: Bench, where: str
) -> None:
    tenant.execute(PLANNED[where])
    tenant.execute("CREATE TABLE @.plain AS SELECT 1 AS n; CREATE INDEX ON @.plain ((n + 1))")
    report = bench.backup(tenant.server, tenant.database, fingerprint="all")
    assert tenant.ran_as == set()
    stored = bench.stored(report)
    assert stored.rows[tenant.name, "t"] == 3
    assert (tenant.name, "plain") in stored.fingerprints
    assert (tenant.name, "t") not in stored.fingerprints
    assert any(f"no fingerprint of {tenant.name}.t" in warning for warning in report["warnings"])


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
def test_a_superusers_function_in_an_index_is_no_reason_to_leave_the_fingerprint_out(
    tenant: Tenant, bench: Bench
) -> None:
    tenant.server.query(
        tenant.database, "CREATE FUNCTION public.one() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'"
    )
    tenant.execute("CREATE INDEX ON @.t ((n + public.one()))")
    stored = bench.stored(bench.backup(tenant.server, tenant.database, fingerprint="all"))
    assert (tenant.name, "t") in stored.fingerprints


@pytest.mark.usefixtures("age")
def test_casts_to_json_are_not_used_by_an_export(tenant: Tenant, bench: Bench) -> None:
    tenant.execute(
        "CREATE TYPE @.mood AS ENUM ('sad', 'ok'); CREATE TYPE @.pair AS (first @.mood, second int);"
        "CREATE DOMAIN @.some AS @.mood;"
        "CREATE FUNCTION @.to_json(@.mood) RETURNS json IMMUTABLE LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN @.told('{}'::json); END $$; CREATE CAST (@.mood AS json) WITH FUNCTION @.to_json(@.mood);"
        "CREATE TABLE @.moods AS SELECT 'ok'::@.mood AS one, ARRAY[ARRAY['ok', NULL]]::@.mood[] AS several,"
        " ROW('sad', 1)::@.pair AS pair, ARRAY[ROW('sad', 1)]::@.pair[] AS pairs, 'ok'::@.some AS domain,"
        " NULL::@.pair AS nothing, ROW(NULL, NULL)::@.pair AS empty"
    )
    name = tenant.sql("@.moods")
    exports = [
        {"name": "table", "table": name, "format": "json", "compress": "none"},
        {"name": "query", "query": f"SELECT *, ROW(one) AS row FROM {name}", "format": "json", "compress": "none"},
    ]
    stored = bench.stored(bench.backup(tenant.server, tenant.database, exports=exports))
    assert tenant.ran_as == set()
    table, query = (json.loads(stored.plain(one)) for one in stored.artifacts("export"))
    assert table == [
        {
            "one": "ok",
            "several": [["ok", None]],
            "pair": {"first": "sad", "second": 1},
            "pairs": ["(sad,1)"],
            "domain": "ok",
            "nothing": None,
            "empty": {"first": None, "second": None},
        }
    ]
    assert query == [{**table[0], "row": "(ok)"}]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("statement", "export", "told"),
    [
        ("CREATE VIEW @.v AS SELECT @.told(n) AS n FROM @.t", {"table": "@.v", "format": "json"}, "is a view of role"),
        ("CREATE VIEW @.v AS SELECT @.told(1) AS n", {"query": "SELECT n FROM @.v"}, "is a view of role"),
        (PLANNED["statistics"], {"table": "@.t"}, "has indexes or statistics with functions of its owner"),
        (PLANNED["index predicate"], {"table": "@.t", "where": "n = 1"}, "has indexes or statistics"),
        (
            "CREATE TABLE @.p (n int) PARTITION BY LIST (n); CREATE TABLE @.p1 PARTITION OF @.p DEFAULT;"
            "CREATE INDEX ON @.p1 ((n + @.told(1)))",
            {"query": "SELECT * FROM @.p", "format": "json"},
            "p1 has indexes or statistics",
        ),
    ],
)
def test_an_export_that_would_run_the_owners_code_is_refused_before_that(
    tenant: Tenant, bench: Bench, statement: str, export: dict[str, str], told: str
) -> None:
    tenant.execute(statement)
    asked = {"name": "asked", **{key: tenant.sql(text) for key, text in export.items()}}
    with pytest.raises(PreflightError, match=told) as raised:
        bench.backup(tenant.server, tenant.database, exports=[asked])
    assert tenant.name in str(raised.value)
    assert tenant.ran_as == set()
    assert bench.files() == set()


@pytest.mark.sampled(1)
def test_the_owner_may_export_what_runs_code_of_their_own(tenant: Tenant, tmp_path: Path) -> None:
    tenant.execute("CREATE VIEW @.v AS SELECT @.told(n) AS n FROM @.t")
    tenant.server.query(tenant.database, f"ALTER ROLE {tenant.name} PASSWORD 'secret'")
    options = ConnectionOptions.parse(tenant.server.login(tenant.database, user=tenant.name, password="secret"))
    result = export_table(
        options, ExportRequest(str(tmp_path / "out"), table=tenant.sql("@.v")), parse_encryption([], gnupghome=None)
    )
    assert result.rows == 3


@pytest.mark.usefixtures("age")
def test_event_triggers_do_not_run_where_the_server_can_be_told(
    tenant: Tenant, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tenant.server.major < 17:
        pytest.skip("no trigger on logins, and no way to switch event triggers off")
    monkeypatch.setattr(connections, "_event_triggers_off", {}, raising=False)
    tenant.execute(
        "CREATE FUNCTION @.on_login() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM @.told(1); END $$"
    )
    tenant.server.query(
        tenant.database,
        f"CREATE EVENT TRIGGER {tenant.name} ON login EXECUTE FUNCTION {tenant.name}.on_login()",
    )
    try:
        name = tenant.sql("@.t")
        bench.backup(tenant.server, tenant.database, jobs=2, fingerprint="all", exports=[{"table": name}])
        assert tenant.ran_as == set()
    finally:
        tenant.server.query("postgres", f"ALTER DATABASE {tenant.database} SET event_triggers = off")
        tenant.server.query(tenant.database, f"DROP EVENT TRIGGER {tenant.name}")


@pytest.mark.sampled(1)
def test_a_table_that_became_a_view_is_not_read_by_a_restore_that_compares(tenant: Tenant) -> None:
    tenant.execute("CREATE VIEW @.v AS SELECT @.told(n) AS n FROM @.t")
    connection = connect(ConnectionOptions.parse(tenant.server.login(tenant.database)))
    connection.cursor().execute("BEGIN")
    for read in (count_rows, fingerprints):
        with pytest.raises(BackupError, match="view"):
            read(connection, [(tenant.name, "v")])
    connection.close()
    assert tenant.ran_as == set()
