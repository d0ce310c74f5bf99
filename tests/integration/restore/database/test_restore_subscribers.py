"""Subscriptions of a restored database: they take nothing, and cost the publisher nothing, before they are resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.lab import PostgresServer
from support.outbound import told
from support.programs import wait_until
from support.restore_runs import RestoreBench, databases

_SLOT = "SELECT slot_name FROM pg_replication_slots"
_ENABLED = """
SELECT subenabled FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()
"""
_ROWS = "SELECT a FROM sent ORDER BY a"


@dataclass(frozen=True)
class Replicated:
    """A database that subscribes to another server's."""

    publisher: PostgresServer
    subscriber: PostgresServer
    database: str

    def publish(self, value: int) -> None:
        """Send a row."""
        self.publisher.query("postgres", f"INSERT INTO sent VALUES ({value})")

    def wait_for(self, value: int) -> None:
        """Until it has arrived."""
        arrived = lambda: (value,) in self.subscriber.query(self.database, _ROWS)  # noqa: E731
        wait_until(arrived, what="the subscriber")


@pytest.fixture(scope="module")
def publisher() -> Iterator[PostgresServer]:
    with PostgresServer(17, settings={"wal_level": "logical"}) as server:
        server.query("postgres", "CREATE TABLE sent (a int); CREATE PUBLICATION pub FOR TABLE sent")
        yield server


@pytest.fixture
def replicated(publisher: PostgresServer, postgres17: PostgresServer) -> Iterator[Replicated]:
    publisher.query("postgres", "TRUNCATE sent; INSERT INTO sent VALUES (1)")
    name = postgres17.create_database()
    way = f"host={publisher.host} port={publisher.port} user={publisher.superuser} password={publisher.password}"
    postgres17.query(name, "CREATE TABLE sent (a int)")
    postgres17.query(name, f"CREATE SUBSCRIPTION sub CONNECTION '{way} dbname=postgres' PUBLICATION pub")
    found = Replicated(publisher, postgres17, name)
    found.wait_for(1)
    yield found
    for one in databases(postgres17, name):
        for statement in ("DISABLE", "SET (slot_name = NONE)") if postgres17.query(one, _ENABLED) else ():
            postgres17.query(one, f"ALTER SUBSCRIPTION sub {statement}")
        postgres17.query(one, "DROP SUBSCRIPTION IF EXISTS sub")
        postgres17.drop_database(one)
    publisher.query("postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def test_a_subscription_that_stays_takes_nothing_until_it_is_resumed(
    bench: RestoreBench, replicated: Replicated
) -> None:
    server, name = replicated.subscriber, replicated.database
    bench.backup(server, name)
    replicated.publish(2)
    replicated.wait_for(2)
    result = bench.restore(server, name, strategy="in_place")
    assert told(result) == {("subscription", "sub")}
    replicated.publish(3)
    assert server.query(name, _ENABLED) == [(False,)]
    assert server.query(name, "SELECT pid FROM pg_stat_subscription") == [(None,)]
    assert server.query(name, _ROWS) == [(1,)]
    assert replicated.publisher.query("postgres", _SLOT) == [("sub",)]
    resumed = bench.restore(server, name, state="resumed")
    assert told(resumed, "resumed") == {("subscription", "sub")}
    assert any("TRUNCATE" in one for one in resumed["warnings"])
    server.query(name, "TRUNCATE sent")
    server.query(name, "ALTER SUBSCRIPTION sub REFRESH PUBLICATION")
    replicated.wait_for(3)
    assert server.query(name, _ROWS) == [(1,), (2,), (3,)]


def test_a_subscription_that_a_dump_makes_stays_disabled_and_leaves_the_slot(
    bench: RestoreBench, replicated: Replicated
) -> None:
    server, name = replicated.subscriber, replicated.database
    bench.backup(server, name)
    result = bench.restore(server, name, strategy="side_by_side")
    assert told(result) == {("subscription", "sub")}
    assert server.query(name, _ENABLED) == [(False,)]
    resumed = bench.restore(server, name, state="resumed")
    assert (resumed["changed"], resumed["resumed"]) == (False, [])
    assert any("'sub' is disabled" in one and "slot 'sub'" in one for one in resumed["warnings"])
    assert server.query(name, _ENABLED) == [(False,)]
    assert replicated.publisher.query("postgres", _SLOT) == [("sub",)]
    for statement in ("TRUNCATE sent", "ALTER SUBSCRIPTION sub ENABLE", "ALTER SUBSCRIPTION sub REFRESH PUBLICATION"):
        server.query(name, statement)
    replicated.publish(2)
    replicated.wait_for(2)
    assert server.query(name, _ROWS) == [(1,), (2,)]


def test_it_is_told_who_gets_what_is_restored_as_changes(bench: RestoreBench, publisher: PostgresServer) -> None:
    with publisher.database() as name:
        publisher.query(name, "SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
        bench.backup(publisher, name)
        for strategy, words in (
            ("in_place", "gets what is restored as changes: reader"),
            ("side_by_side", "stay with"),
        ):
            planned = bench.restore(publisher, name, strategy=strategy, check_mode=True)
            assert any(words in one for one in planned["warnings"])
        publisher.query(name, "SELECT pg_drop_replication_slot('reader')")
