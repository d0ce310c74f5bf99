"""The planner knows a table that was exchanged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.session import Session
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.table_restores import restore_table

TABLES = """
CREATE TABLE plain (id int PRIMARY KEY, x int);
CREATE TABLE correlated (id int PRIMARY KEY, x int, y int);
CREATE STATISTICS both_columns (dependencies) ON x, y FROM correlated;
INSERT INTO plain SELECT g, g % 10 FROM generate_series(1, 1000) g;
INSERT INTO correlated SELECT g, g % 10, g % 10 FROM generate_series(1, 1000) g;
"""


@pytest.fixture(scope="module")
def made(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(postgres17, Bench(tmp_path_factory.mktemp("planned"), keys), TABLES) as found:
        yield found


@pytest.mark.parametrize("table", ["plain", "correlated"])
def test_statistics_are_there_as_soon_as_a_swap_has_ended(
    made: BackedUp, bench: Bench, postgres17: PostgresServer, table: str
) -> None:
    with made.anew(bench) as database:
        restore_table(postgres17, database, table, bench=bench, strategy="swap")
        columns = "SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND tablename = %s"
        assert postgres17.query(database, columns, [table]) == [(2 if table == "plain" else 3,)]
        rows = "SELECT reltuples::int FROM pg_class WHERE oid = %s::regclass"
        assert postgres17.query(database, rows, [table]) == [(1000,)]
        several = "SELECT dependencies IS NOT NULL FROM pg_stats_ext WHERE statistics_name = 'both_columns'"
        if table == "correlated":
            assert postgres17.query(database, several) == [(True,)]


@pytest.mark.parametrize("strategy", ["swap", "replace"])
def test_a_connection_that_is_lost_behind_the_commit_does_not_hide_that_it_was_made(
    made: BackedUp, bench: Bench, postgres17: PostgresServer, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    def commit(session: Session) -> None:
        session.execute("COMMIT")
        session.connection.close()

    with made.anew(bench) as database:
        postgres17.query(database, "DELETE FROM plain")
        monkeypatch.setattr(Session, "commit", commit)
        with pytest.raises(SourceError, match="plain was restored, which stays so, but not analyzed") as error:
            restore_table(postgres17, database, "plain", bench=bench, strategy=strategy)
        assert error.value.hint
        assert postgres17.query(database, "SELECT count(*) FROM plain") == [(1000,)]
