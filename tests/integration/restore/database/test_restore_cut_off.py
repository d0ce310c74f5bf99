"""Whatever is killed at whatever step, the database is the old one or the restored one as a whole."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.in_place import in_place
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side import (
    loading,
    new_database,
    side_by_side,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side import (
    rename as exchanging,
)
from support.effort import some
from support.lab import PostgresServer, wait_until
from support.module_runs import ForkedModule
from support.restore_runs import SHOP, RestoreBench, databases

OLD, RESTORED = (3, 0), (1000, 1)
STATE = """
SELECT (SELECT count(*)::int FROM orders),
       (SELECT count(*)::int FROM pg_class WHERE relname = 'orders_paid' AND relkind = 'i')
"""


@pytest.fixture(scope="module")
def statements() -> str:
    return f"{SHOP}; CREATE INDEX orders_paid ON orders (md5(paid))"


@pytest.fixture
def damaged(postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]) -> str:
    """A database that lacks rows and an index of its backup."""
    postgres17.query(shop, "DELETE FROM orders WHERE id > 3; DROP INDEX orders_paid")
    return shop


def state_of(server: PostgresServer, database: str) -> tuple[int, int]:
    """Rows and index: :data:`OLD`, :data:`RESTORED`, or a mixture that must never be."""
    found: list[tuple[int, int]] = []

    def reached() -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            found[:] = server.query(database, STATE)
        return bool(found)

    wait_until(reached, what="the database to be reached")
    return found[0]


class Cut:
    """Ends all sessions of the restore at one moment."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.done = False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self.server.query(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mobul.backup'",
            )
            time.sleep(0.1)


def around(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, cut: Callable[[], None], *, after: bool) -> None:
    """Call *cut* right before or right after one function."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*arguments: object, **options: object) -> object:
        if not after:
            cut()
        result = original(*arguments, **options)
        if after:
            cut()
        return result

    monkeypatch.setattr(owner, name, wrapper)


SIDE_BY_SIDE = [
    (new_database, "create_database"),
    (loading.SetLoader, "_define"),
    (loading.SetLoader, "_carry_out"),
    (new_database, "schema_of"),
    (side_by_side, "refuse_differences"),
    (side_by_side, "rename_databases"),
]
MOMENTS = [False, True]
"""Before a step, and after it."""


def damage_again(server: PostgresServer, database: str) -> None:
    """Let a database be as :func:`damaged` left it, without other versions of it."""
    for one in databases(server, database) - {database}:
        server.drop_database(one)
    server.query(database, "DELETE FROM orders WHERE id > 3; DROP INDEX IF EXISTS orders_paid")


def test_ending_all_sessions_at_a_step_of_a_restore_beside_leaves_the_old_or_the_new_state(
    bench: RestoreBench, postgres17: PostgresServer, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {name: owner for owner, name in SIDE_BY_SIDE}
    for name, after in some([*itertools.product(owners, MOMENTS)], 4, always=[("rename_databases", True)]):
        cut = Cut(postgres17)
        outcome = RESTORED
        with monkeypatch.context() as patch:
            around(patch, owners[name], name, cut, after=after)
            try:
                bench.restore(postgres17, damaged, jobs=2)
            except BackupError:
                outcome = OLD
        assert cut.done, (name, after)
        assert state_of(postgres17, damaged) == outcome, (name, after)
        assert not [one for one in databases(postgres17, damaged) if "_new_" in one], (name, after)
        damage_again(postgres17, damaged)


class CutCursor:
    """Statements of the exchange, one of which is the last that reaches the server."""

    def __init__(self, last: int, server: PostgresServer) -> None:
        self.left = last
        self.cut = Cut(server)

    def statements(
        self, plan: exchanging.DatabaseRename, original: Callable[[exchanging.DatabaseRename], Iterator[object]]
    ):
        for statement in original(plan):
            if self.left == 0:
                self.cut()
            self.left -= 1
            yield statement
        if self.left == 0:
            self.cut()


def test_ending_the_session_between_two_statements_of_the_exchange_leaves_the_old_state(
    bench: RestoreBench, postgres17: PostgresServer, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = exchanging.DatabaseRename.statements
    for number in some(range(8), 3):
        cutter = CutCursor(number, postgres17)
        with monkeypatch.context() as patch:
            patch.setattr(
                exchanging.DatabaseRename,
                "statements",
                lambda plan, cutter=cutter: cutter.statements(plan, original),
            )
            with contextlib.suppress(BackupError):
                bench.restore(postgres17, damaged)
        assert state_of(postgres17, damaged) == (OLD if cutter.cut.done else RESTORED), number
        expected = 1 if cutter.cut.done else 2
        assert len(databases(postgres17, damaged)) == expected, number
        damage_again(postgres17, damaged)


KILL_DELAYS = (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_killing_the_client_at_any_time_leaves_the_old_or_the_new_state(
    bench: RestoreBench, postgres17: PostgresServer, damaged: str, strategy: str
) -> None:
    options = bench.options(postgres17, damaged, strategy=strategy, jobs=2)
    seen = set()
    # On a busy machine it is noticed late that the restore has begun: then again, until it was in time once.
    delays = some(KILL_DELAYS, 3, always=[0])
    for number, delay in enumerate(itertools.chain(delays, itertools.repeat(0, 40))):
        if number >= len(delays) and OLD in seen:
            break
        process = ForkedModule("restore_database", options)
        wait_until(lambda: not is_quiet(postgres17), what="the restore to begin")
        time.sleep(delay)
        process.kill()
        process.communicate()
        # A database that is being dropped or exchanged by what the client had still sent is settled first.
        wait_until(functools.partial(is_quiet, postgres17), what="the sessions to end")
        state = state_of(postgres17, damaged)
        seen.add(state)
        assert state in (OLD, RESTORED)
        postgres17.query(damaged, "DELETE FROM orders WHERE id > 3; DROP INDEX IF EXISTS orders_paid")
    result = bench.restore(postgres17, damaged)
    assert result["strategy"] == "side_by_side"
    assert state_of(postgres17, damaged) == RESTORED
    assert not [one for one in databases(postgres17, damaged) if "_new_" in one]
    assert OLD in seen


def is_quiet(server: PostgresServer) -> bool:
    """Whether no session of a restore is left."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mobul.backup'"
    return server.query("postgres", query) == [(0,)]


IN_PLACE = [
    (in_place, "begin_script"),
    (in_place._Transaction, "write"),
    (in_place._Transaction, "commit"),
    (in_place, "schema_of"),
]


def test_ending_all_sessions_at_a_step_of_a_restore_in_place_leaves_the_old_or_the_new_state(
    bench: RestoreBench, postgres17: PostgresServer, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {name: owner for owner, name in IN_PLACE}
    for name, after in some([*itertools.product(owners, MOMENTS)], 2, always=[("commit", False), ("commit", True)]):
        cut = Cut(postgres17)
        with monkeypatch.context() as patch, contextlib.suppress(BackupError):
            around(patch, owners[name], name, cut, after=after)
            bench.restore(postgres17, damaged, strategy="in_place")
        assert cut.done, (name, after)
        committed = name == "schema_of" or (name == "commit" and after)
        assert state_of(postgres17, damaged) in ((RESTORED,) if committed else (OLD, RESTORED)), (name, after)
        damage_again(postgres17, damaged)


def test_the_server_that_is_killed_in_the_middle_of_an_exchange_comes_back_with_the_old_database(
    bench: RestoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresServer(17, settings={"fsync": "on", "synchronous_commit": "on"}) as server:
        shop = server.create_database("shop")
        server.query(shop, "CREATE TABLE orders (id int, paid text); INSERT INTO orders VALUES (1), (2), (3), (4)")
        bench.backup(server, shop)
        server.query(shop, "DELETE FROM orders WHERE id > 3")
        original = exchanging.DatabaseRename.statements

        def killing(plan: exchanging.DatabaseRename) -> Iterator[object]:
            yield from original(plan)
            server.kill()

        monkeypatch.setattr(exchanging.DatabaseRename, "statements", killing)
        with pytest.raises(BackupError):
            bench.restore(server, shop)
        monkeypatch.undo()
        server.start()
        assert server.query(shop, "SELECT count(*) FROM orders") == [(3,)]
        result = bench.restore(server, shop)
        assert len(result["reaped"]) == 1
        assert server.query(shop, "SELECT count(*) FROM orders") == [(4,)]


def test_a_program_that_is_killed_in_the_middle_of_a_load_fails_the_restore(
    bench: RestoreBench, postgres17: PostgresServer, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loading.Child.feed

    def killing(child: loading.Child, chunk: bytes) -> None:
        child._process.kill()
        os.waitid(os.P_PID, child._process.pid, os.WEXITED | os.WNOWAIT)
        original(child, chunk)

    monkeypatch.setattr(loading.Child, "feed", killing)
    with pytest.raises(BackupError, match="pg_restore was ended by signal SIGKILL"):
        bench.restore(postgres17, damaged, jobs=2)
    assert state_of(postgres17, damaged) == OLD
    assert databases(postgres17, damaged) == {damaged}
