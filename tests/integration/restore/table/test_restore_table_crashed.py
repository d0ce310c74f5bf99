"""A server that dies during a restore of a table: after its restart the table is the old one or the new one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.session import Session
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.effort import some
from support.postgres import PostgresServer
from support.statement_walk import Walk
from support.stored_sets import contents_of
from support.table_restores import BOXES, LITTER, restore_table, schema_of

# A moment of the restore, told by a statement that is not carried out any more.
STEPS = {
    "swap": [
        "CREATE SCHEMA", "CREATE TABLE", "CREATE INDEX", "ANALYZE", "ACCESS EXCLUSIVE", "DROP VIEW", " RENAME TO ",
        " SET SCHEMA ", "CREATE VIEW", "REFRESH MATERIALIZED VIEW", "setval", "COMMENT ON TABLE", "DROP SCHEMA",
        "RELEASE SAVEPOINT", "COMMIT", "after the end", "compare",
    ],
    "merge": ["INSERT INTO", "COMMIT", "after the end"],
    "replace": ["DELETE FROM|TRUNCATE", "COMMIT", "after the end"],
}  # fmt: skip
NEW = {"after the end": 1, "compare": 2}
"""Steps behind the commit, and how many statements."""


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    # What was committed is there after a crash, as on servers that people have.
    with PostgresServer(17, settings={"synchronous_commit": "on"}) as server:
        yield server


@pytest.fixture(scope="module")
def made_boxes(own_server: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(own_server, Bench(tmp_path_factory.mktemp("boxes"), keys), BOXES, fingerprint="all") as made:
        yield made


@pytest.fixture
def boxes(made_boxes: BackedUp, bench: Bench) -> Iterator[BackedUp]:
    with made_boxes.anew(bench):
        yield made_boxes


@pytest.mark.parametrize("strategy", STEPS)
def test_after_a_crash_the_table_is_the_old_one_or_the_new_one_and_the_next_run_restores_it(
    own_server: PostgresServer, boxes: BackedUp, bench: Bench, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    database, before, whole = boxes.name, boxes.schema, boxes.contents
    walk = Walk(monkeypatch)
    damage(own_server, database)
    damaged = contents_of(own_server, database)
    restore_table(own_server, database, "boxes", bench=bench, strategy=strategy)
    statements = list(walk.statements)
    for step in some(STEPS[strategy], 3, always=["COMMIT"]):
        number = STEPS[strategy].index(step)
        settle(own_server, database)
        damage(own_server, database)
        walk.arm(place_of(step, statements), lambda session, kill=number % 2 == 0: crash(own_server, session, kill))
        with pytest.raises(BackupError) as caught:
            restore_table(own_server, database, "boxes", bench=bench, strategy=strategy)
        assert ("everything was changed or nothing" in str(caught.value)) == (step == "COMMIT"), step
        assert ("public.boxes was restored, but" in str(caught.value)) == (step == "compare"), step
        own_server.start()
        walk.arm()
        found = contents_of(own_server, database)
        if step in NEW:
            assert {one: found[one] for one in whole} == whole, step
        else:
            assert found == damaged, step
            assert own_server.query(database, LITTER) == [], step
            assert schema_of(own_server, database) == before, step
        restore_table(own_server, database, "boxes", bench=bench, strategy=strategy)
        settle(own_server, database)
        assert contents_of(own_server, database) == whole, step
        assert schema_of(own_server, database) == before, step
        assert own_server.query(database, LITTER) == [], step


def damage(server: PostgresServer, database: str) -> None:
    server.query(database, "DELETE FROM boxes WHERE id > 60")


def settle(server: PostgresServer, database: str) -> None:
    restore_table(server, database, "boxes", state="finalized")


def place_of(step: str, statements: list[str]) -> int:
    """The number of the statement that tells a step."""
    if step == "COMMIT" or step in NEW:
        return statements.index("COMMIT") + 1 + NEW.get(step, 0)
    return next(n for n, text in enumerate(statements, 1) if any(one in text for one in step.split("|")))


def crash(server: PostgresServer, session: Session, kill: bool) -> None:
    """End the server as a lack of memory would, or as an administrator in a hurry does."""
    if not kill:
        server.stop(immediate=True)
        return
    server.kill()
    # Its children end when they notice, which one that waits for something does.
    with pytest.raises(psycopg2.OperationalError):
        session.connection.cursor().execute("SELECT pg_catalog.pg_sleep(20)")
