"""What calls out while rows are loaded calls nobody either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, PreflightError
from support.calling_at_load import EMPTY, heard, make_calling_at_load
from support.lab import PostgresServer
from support.outbound import told
from support.restore_runs import RestoreBench, drop_versions, versions_of
from support.stored_sets import pg_dump

_DEFINITIONS = """
SELECT p.proname, pg_get_functiondef(p.oid), p.proacl::text, obj_description(p.oid) FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def calling(postgres17: PostgresServer) -> Iterator[str]:
    """A database that calls out while it is loaded, which each test leaves as it was; it goes with all its versions."""
    with versions_of(postgres17, make_calling_at_load(postgres17, stored=False)) as name:
        yield name


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_nothing_is_called_while_rows_are_loaded_and_views_are_filled_when_resumed(
    bench: RestoreBench, postgres17: PostgresServer, calling: str, strategy: str
) -> None:
    before = postgres17.query(calling, _DEFINITIONS)
    bench.backup(postgres17, calling)
    heard(postgres17, calling)
    planned = bench.restore(postgres17, calling, strategy=strategy, check_mode=True)
    result = bench.restore(postgres17, calling, strategy=strategy)
    assert heard(postgres17, calling) == []
    assert told(planned) == told(result) == EMPTY
    assert postgres17.query(calling, _DEFINITIONS) == before
    assert postgres17.query(calling, "SELECT * FROM quiet") == [(2,)]
    planned = bench.restore(postgres17, calling, state="resumed", check_mode=True)
    assert heard(postgres17, calling) == []
    resumed = bench.restore(postgres17, calling, state="resumed")
    assert told(planned, "resumed") == told(resumed, "resumed") == EMPTY
    assert {"view", "foreign table"} <= set(heard(postgres17, calling))
    assert postgres17.query(calling, "SELECT * FROM on_it") == [(2,)]


@pytest.mark.parametrize("strategy", ["side_by_side", "in_place"])
def test_a_script_that_has_to_call_out_ends_before_it_does(
    bench: RestoreBench, postgres17: PostgresServer, calling: str, tmp_path: Path, strategy: str
) -> None:
    before = postgres17.query(calling, _DEFINITIONS)
    path = tmp_path / "shop.sql"
    path.write_bytes(pg_dump(postgres17, calling, "--clean", "--if-exists"))
    heard(postgres17, calling)
    with pytest.raises(BackupError, match=r"nothing is sent here, and .* would .*outbound: active"):
        bench.restore(postgres17, calling, label=None, src=path, strategy=strategy)
    for text, why in (
        ("COPY people TO PROGRAM 'cat';", "COPY of a file or a program"),
        ("DO $$ BEGIN PERFORM dblink_exec('x', 'y'); END $$;", "dblink_exec"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;", "SUBSCRIPTION that connects"),
    ):
        path.write_text(text)
        with pytest.raises(PreflightError, match=f"a script that calls out: .*{why}.*nothing was touched.*active"):
            bench.restore(postgres17, calling, label=None, src=path, strategy=strategy)
    assert heard(postgres17, calling) == []
    assert postgres17.query(calling, _DEFINITIONS) == before
    assert postgres17.query(calling, "SELECT count(*) FROM people") == [(2,)]


def test_what_would_store_an_answer_is_refused_by_name(
    bench: RestoreBench, postgres17: PostgresServer, tmp_path: Path
) -> None:
    name = make_calling_at_load(postgres17, stored=True)
    bench.backup(postgres17, name)
    heard(postgres17, name)
    with pytest.raises(PreflightError, match=r"TABLE public\.places.*INDEX public\.by_answer.*INDEX public\.few"):
        bench.restore(postgres17, name, check_mode=True)
    expected = ["TABLE public.places", "INDEX public.by_answer", "INDEX public.few"]
    bench.restore(postgres17, name, expected_differences=expected, strategy="side_by_side")
    assert heard(postgres17, name) == []
    assert postgres17.query(name, "SELECT to_regclass('by_answer'), (SELECT count(*) FROM people)") == [(None, 2)]
    path = tmp_path / "shop.dump"
    path.write_bytes(pg_dump(postgres17, name, "-Fc"))
    with pytest.raises(PreflightError, match=r"a set only.*TABLE public\.people.*outbound: active"):
        bench.restore(postgres17, name, label=None, src=path)
    drop_versions(postgres17, name)
