"""The laboratory's pooler is one."""

from __future__ import annotations

from pathlib import Path

import psycopg2
from support.lab import PgBouncer, PostgresServer


def test_a_transaction_pooler_changes_the_server_process_between_transactions(
    postgres17: PostgresServer, database: str, pgbouncer: Path
) -> None:
    with PgBouncer(postgres17) as pooler:
        connections = [
            psycopg2.connect(
                host=pooler.host,
                port=pooler.port,
                user=postgres17.superuser,
                password=postgres17.password,
                dbname=database,
            )
            for _number in range(2)
        ]
        first, second = (connection.cursor() for connection in connections)
        first.execute("SELECT pg_backend_pid()")
        pid = first.fetchone()
        connections[0].commit()
        second.execute("SELECT pg_backend_pid()")
        assert second.fetchone() == pid
        first.execute("SELECT pg_backend_pid()")
        assert first.fetchone() != pid
        for connection in connections:
            connection.close()
