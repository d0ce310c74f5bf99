"""The laboratory's servers do what its tests rely on."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg2
import pytest
from support.lab import LabError, PostgresServer, installations


def test_a_server_of_each_version_answers_under_its_own_version(postgres: PostgresServer) -> None:
    assert postgres.psql("postgres", "SHOW server_version_num").startswith(str(postgres.major))
    assert postgres.psql("postgres", "SHOW server_encoding; SHOW TimeZone") == "UTF8\nUTC"


def test_a_wrong_password_is_refused_over_tcp_and_over_the_socket(postgres17: PostgresServer) -> None:
    for host in (postgres17.host, str(postgres17.socket_dir)):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(host=host, port=postgres17.port, user="postgres", dbname="postgres", password="wrong")
        psycopg2.connect(
            host=host, port=postgres17.port, user="postgres", dbname="postgres", password=postgres17.password
        ).close()


def test_tls_is_verified_against_the_servers_authority(postgres15: PostgresServer) -> None:
    if postgres15.certificates is None:
        pytest.skip("PostgreSQL 15 is built without TLS here")
    connection = postgres15.connect(sslmode="verify-full", sslrootcert=str(postgres15.certificates.ca))
    assert connection.info.ssl_in_use
    connection.close()


def test_a_fresh_database_is_gone_afterwards(postgres17: PostgresServer) -> None:
    with postgres17.database(encoding="LATIN1") as name:
        assert postgres17.psql(name, "SHOW server_encoding") == "LATIN1"
    assert postgres17.query("postgres", "SELECT 1 FROM pg_database WHERE datname = %s", [name]) == []


def test_a_server_survives_stop_crash_and_restart_on_its_port() -> None:
    with PostgresServer(max(installations())) as server:
        port = server.port
        server.psql("postgres", "CREATE TABLE kept AS SELECT 1 AS n; CHECKPOINT")
        for end in (server.stop, lambda: server.stop(immediate=True), server.kill):
            end()
            with pytest.raises(psycopg2.OperationalError):
                server.connect()
            server.start()
            assert server.port == port
            assert server.query("postgres", "SELECT n FROM kept") == [(1,)]
        pid, directory = server.pid, server.data_dir
    assert not Path(f"/proc/{pid}").exists()
    assert not directory.exists()


def test_servers_of_one_version_are_as_different_as_any(postgres17: PostgresServer) -> None:
    identifier = "SELECT system_identifier FROM pg_control_system()"
    with PostgresServer(17) as other:
        assert other.query("postgres", identifier) != postgres17.query("postgres", identifier)
        other.password = postgres17.password
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            other.connect()


def test_a_failing_statement_is_an_error_with_the_servers_message(postgres17: PostgresServer) -> None:
    with pytest.raises(LabError, match="division by zero"):
        postgres17.psql("postgres", "SELECT 1; SELECT 1/0; SELECT 2")


def test_a_server_does_not_run_as_root(postgres17: PostgresServer) -> None:
    assert os.stat(f"/proc/{postgres17.pid}").st_uid != 0
