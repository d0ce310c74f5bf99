"""A table with triggers that call out: its restore calls nobody, and leaves them as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from support.backup_bench import Bench, make_keys
from support.calling_at_load import heard, make_calling_at_load
from support.lab import PostgresServer
from support.outbound import called, make_calling, states
from support.restore_runs import drop_versions
from support.table_restores import restore_table


def test_no_restore_of_a_table_fires_what_is_on_it_or_changes_its_state(
    postgres17: PostgresServer, tmp_path: Path
) -> None:
    name = make_calling(postgres17)
    # An event trigger is the database's, and hears of whatever is altered in it, by whomever.
    postgres17.query(name, "DROP EVENT TRIGGER on_ddl; DROP MATERIALIZED VIEW counted")
    bench = Bench(tmp_path, make_keys(tmp_path))
    before = states(postgres17, name)
    bench.backup(postgres17, name, fingerprint="all")
    called(postgres17, name)
    for strategy in ("swap", "merge", "replace"):
        postgres17.query(name, "SET session_replication_role TO replica; TRUNCATE orders")
        restore_table(postgres17, name, "public.orders", bench=bench, strategy=strategy)
        assert postgres17.query(name, "SELECT id FROM orders ORDER BY 1") == [(1,), (2,)]
        assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    postgres17.query(name, "DROP TABLE orders CASCADE")
    restore_table(postgres17, name, "public.orders", bench=bench)
    assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    drop_versions(postgres17, name)


def test_rows_elsewhere_that_would_follow_keep_a_merge_off(postgres17: PostgresServer, tmp_path: Path) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    with postgres17.database() as name:
        postgres17.query(
            name,
            """
            CREATE TABLE places (id int PRIMARY KEY, code text UNIQUE);
            CREATE TABLE people (id int, place text REFERENCES places (code) ON UPDATE CASCADE);
            CREATE TABLE heard (what text);
            CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql
              AS $$ BEGIN INSERT INTO public.heard VALUES (TG_OP); RETURN NEW; END $$;
            INSERT INTO places VALUES (1, 'old'), (2, 'moved');
            """,
        )
        bench.backup(postgres17, name)
        postgres17.query(
            name,
            """
            UPDATE places SET code = 'new' WHERE id = 2; UPDATE places SET code = 'moved' WHERE id = 1;
            INSERT INTO people VALUES (1, 'moved');
            CREATE TRIGGER hook AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION hook();
            """,
        )
        for strategy in ("merge", "replace"):
            with pytest.raises(PreflightError, match=r"ON UPDATE\): constraint people_place_fkey .*people: 1 rows"):
                restore_table(postgres17, name, "places", bench=bench, strategy=strategy)
        assert postgres17.query(name, "SELECT place, (SELECT count(*) FROM heard) FROM people") == [("moved", 0)]
        restore_table(postgres17, name, "places", bench=bench, strategy="swap")
        assert postgres17.query(name, "SELECT place, (SELECT count(*) FROM heard) FROM people") == [("moved", 0)]


def test_rows_on_another_server_are_not_replaced_with_the_tree_that_they_belong_to(
    postgres17: PostgresServer, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    with postgres17.database() as name, postgres17.database() as far:
        postgres17.query(far, "CREATE TABLE two (a int); INSERT INTO two VALUES (12)")
        postgres17.query(
            name,
            f"""
            CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
              OPTIONS (host '{postgres17.host}', port '{postgres17.port}', dbname '{far}');
            CREATE USER MAPPING FOR PUBLIC SERVER far
              OPTIONS (user '{postgres17.superuser}', password '{postgres17.password}');
            CREATE TABLE tree (a int) PARTITION BY RANGE (a);
            CREATE TABLE one PARTITION OF tree FOR VALUES FROM (0) TO (10);
            CREATE FOREIGN TABLE two PARTITION OF tree FOR VALUES FROM (10) TO (20) SERVER far;
            INSERT INTO one VALUES (1);
            """,
        )
        bench.backup(postgres17, name)
        postgres17.query(name, "DELETE FROM one")
        with pytest.raises(PreflightError, match=r"partitions of public\.tree are foreign tables.*public\.two"):
            restore_table(postgres17, name, "tree", bench=bench, strategy="replace")
        assert postgres17.query(far, "SELECT a FROM two") == [(12,)]
        restore_table(postgres17, name, "one", bench=bench, strategy="replace")
        assert postgres17.query(name, "SELECT a FROM tree ORDER BY 1") == [(1,), (12,)]


def test_rows_are_put_in_without_the_calls_of_what_checks_them(postgres17: PostgresServer, tmp_path: Path) -> None:
    name = make_calling_at_load(postgres17, stored=True)
    bench = Bench(tmp_path, make_keys(tmp_path))
    bench.backup(postgres17, name, fingerprint="all")

    def restore(table: str = "public.people", **options: Any) -> dict[str, Any]:
        report: dict[str, Any] = restore_table(postgres17, name, table, bench=bench, **options)
        return report

    for table, strategy, stored in (("people", "merge", "index by_answer"), ("places", "replace", "column at")):
        with pytest.raises(PreflightError, match=stored):
            restore(f"public.{table}", strategy=strategy)
    postgres17.query(name, "DROP INDEX by_answer, few")
    with pytest.raises(PreflightError, match="materialized view filled"):
        restore(strategy="swap")
    postgres17.query(name, "DROP MATERIALIZED VIEW filled CASCADE")
    bodies = "SELECT proname, prosrc, proowner, proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    before = set(postgres17.query(name, bodies))
    for strategy in ("merge", "replace", "swap"):
        postgres17.query(name, "DELETE FROM people WHERE id = 2")
        heard(postgres17, name)
        planned = restore(strategy=strategy, check=True)
        result = restore(strategy=strategy)
        assert heard(postgres17, name) == []
        assert planned["silenced"] == result["silenced"]
        assert {"constraint known_check", "statistics of_people"} < set(result["silenced"])
        assert postgres17.query(name, "SELECT count(*) FROM people") == [(2,)]
        assert set(postgres17.query(name, bodies)) == before
    bench.backup(postgres17, name, kind="daily")
    postgres17.query(name, "DROP TABLE people CASCADE")
    heard(postgres17, name)
    assert "TABLE public.people" in restore()["silenced"]
    assert heard(postgres17, name) == []
    drop_versions(postgres17, name)
