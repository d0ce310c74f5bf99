"""A restore of a table that is killed at any of its statements: the old state or the new one, and nothing left over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.session import Session
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.effort import some
from support.postgres import PostgresServer
from support.statement_walk import Walk
from support.stored_sets import contents_of
from support.table_restores import BOXES, LITTER, definitions_of, restore_table

SCHEMA = f"""{BOXES}CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE INSERT ON public.boxes FOR EACH ROW EXECUTE FUNCTION public.touch();
COMMENT ON TABLE public.boxes IS 'boxes';
"""


@pytest.fixture(scope="module")
def made_boxes(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    with backed_up(postgres17, Bench(tmp_path_factory.mktemp("boxes"), keys), SCHEMA, fingerprint="all") as made:
        yield made


@pytest.fixture
def damaged(made_boxes: BackedUp, bench: Bench) -> Iterator[str]:
    """That database, in which a table has lost rows since it was backed up."""
    with made_boxes.anew(bench) as database:
        _lose_rows(made_boxes.server, database)
        yield database


@pytest.mark.parametrize("strategy", ["swap", "merge", "replace"])
def test_a_restore_that_is_killed_at_any_statement_leaves_the_old_state(
    postgres17: PostgresServer, damaged: str, bench: Bench, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    database = damaged
    contents = contents_of(postgres17, database)
    walk = Walk(monkeypatch)
    restore_table(postgres17, database, "boxes", bench=bench, strategy=strategy)
    restore_table(postgres17, database, "boxes", state="finalized")
    commit = walk.statements.index("COMMIT") + 1
    assert commit > 20

    def kill(session: Session) -> None:
        # The client and the server's process die in turn: for the server both are the end of a session.
        if number % 2:
            session.connection.close()
        else:
            postgres17.query("postgres", "SELECT pg_terminate_backend(%s, 5000)", [session.connection.info.backend_pid])

    _lose_rows(postgres17, database)
    before = definitions_of(postgres17, database)
    for number in some(range(1, commit + 1), 5, always=[commit]):
        walk.arm(number, kill)
        with pytest.raises(BackupError):
            restore_table(postgres17, database, "boxes", bench=bench, strategy=strategy)
        assert walk.statement, "the statement was never sent"
        assert definitions_of(postgres17, database) == before, walk.statement
        assert contents_of(postgres17, database) == contents, walk.statement
        assert postgres17.query(database, LITTER) == [], walk.statement
    # Killed only after the commit: everything is there, and the kept table is told by its comment.
    number = commit + 1
    walk.arm(number, kill)
    with pytest.raises(BackupError):
        restore_table(postgres17, database, "boxes", bench=bench, strategy=strategy)
    assert walk.statement.startswith(("ANALYZE", "Composed", "\nSELECT", "\nWITH"))
    assert _restored(postgres17, database)


def _lose_rows(server: PostgresServer, database: str) -> None:
    server.query(database, "DELETE FROM boxes WHERE id > 60")


def _restored(server: PostgresServer, database: str) -> bool:
    return server.query(database, "SELECT count(*) FROM boxes") == [(100,)]
