"""A pooler that does not keep sessions is refused before anything is set on sessions that others use (fault 49)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.environment import child_environment_for
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.preflight import check_server
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import Snapshot
from support.lab import PgBouncer, PostgresServer


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused_with_what_to_use(
    postgres17: PostgresServer, database: str, pgbouncer: Path, pool_mode: str
) -> None:
    with PgBouncer(postgres17, pool_mode=pool_mode) as pooler:
        with pytest.raises(PreflightError) as caught:
            connect(ConnectionOptions.parse(pooler.login(database)))
        assert f"{pooler.host}:{pooler.port} is a transaction pooler" in caught.value.message
        assert "5432" in str(caught.value.hint)


def test_sessions_behind_a_refused_pooler_stay_as_they_were(
    postgres17: PostgresServer, database: str, pgbouncer: Path
) -> None:
    with PgBouncer(postgres17) as pooler:
        options = ConnectionOptions.parse(pooler.login(database))
        with pytest.raises(PreflightError):
            connect(options)
        other = psycopg2.connect(
            host=pooler.host,
            port=pooler.port,
            user=options.user,
            password=options.login_password,
            dbname=database,
        )
        with other.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), current_setting('TimeZone')")
            assert cursor.fetchone() == ('"$user", public', "UTC")
        other.close()


def test_a_pooler_that_keeps_sessions_serves_a_snapshot(
    postgres17: PostgresServer, database: str, pgbouncer: Path
) -> None:
    with PgBouncer(postgres17, pool_mode="session") as pooler:
        options = ConnectionOptions.parse(pooler.login(database))
        connection = connect(options)
        facts = check_server(connection, options)
        connection.close()
        assert facts.pooled
        with Snapshot(options) as snapshot:
            snapshot.attach().close()
            snapshot.verify()
            with child_environment_for(snapshot.options) as environment:
                assert "PGOPTIONS" not in environment


@pytest.mark.parametrize("host", ["aws-0-eu-central-1.pooler.supabase.com", "db.abcd.supabase.co"])
def test_the_well_known_port_is_refused_without_a_probe(
    options17: ConnectionOptions, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    # Nothing of Supabase can be reached from a test: a server of ours stands for it, behind the name and the port.
    connecting = psycopg2.connect
    real = f"host={options17.host} port={options17.port}"
    monkeypatch.setattr(psycopg2, "connect", lambda dsn: connecting(f"{dsn} {real}"))
    with pytest.raises(PreflightError, match="transaction pooler") as caught:
        connect(replace(options17, login_host=host, login_port=6543))
    assert "port 5432" in str(caught.value.hint)


def test_a_server_on_that_port_is_just_a_server(options17: ConnectionOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = psycopg2.connect
    monkeypatch.setattr(psycopg2, "connect", lambda dsn: connecting(f"{dsn} port={options17.port}"))
    connect(replace(options17, login_port=6543)).close()
