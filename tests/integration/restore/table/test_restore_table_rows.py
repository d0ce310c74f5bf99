"""Merging rows, what is shown of them, and what is refused for the sake of rows elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.swap import swap as swapping
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys, make_keys
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

SCHEMA = """
CREATE TABLE people (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, secret text, boss integer REFERENCES people
);
CREATE TABLE pets (id integer PRIMARY KEY, owner integer REFERENCES people ON DELETE CASCADE);
CREATE TABLE log (what text);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.log VALUES (TG_OP); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER idle AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE people DISABLE TRIGGER idle;
ALTER TABLE people ENABLE ALWAYS TRIGGER noted;
CREATE RULE nothing AS ON DELETE TO people DO INSTEAD NOTHING;
ALTER TABLE people DISABLE RULE nothing;
INSERT INTO people (name, secret, boss)
    SELECT 'name ' || n, 'secret ' || n, NULLIF(n / 2, 0) FROM generate_series(1, 40) AS n;
INSERT INTO pets SELECT n, n FROM generate_series(1, 10) AS n;
TRUNCATE log;
"""


@pytest.fixture(scope="module")
def made_people(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    """A database, backed up with a table of personal data."""
    bench, personal = Bench(tmp_path_factory.mktemp("people"), keys), [{"name": "people", "personal_data": True}]
    with backed_up(postgres17, bench, SCHEMA, fingerprint="all", tables=personal) as made:
        yield made


@pytest.fixture
def people(made_people: BackedUp, bench: Bench) -> Iterator[tuple[Bench, str]]:
    """That database, which a test may change, and its set in the test's own bench."""
    with made_people.anew(bench) as database:
        yield bench, database


@pytest.fixture
def changed(postgres17: PostgresServer, people: tuple[Bench, str]) -> tuple[Bench, str]:
    """The same, and three rows are missing since, two differ, one is new."""
    bench, database = people
    postgres17.psql(
        database,
        "DELETE FROM people WHERE id > 37; UPDATE people SET name = 'other' WHERE id IN (3, 4);"
        "INSERT INTO people (name, secret) VALUES ('a stranger', 'hidden'); TRUNCATE log;",
    )
    return bench, database


def test_check_mode_counts_and_shows_a_masked_sample_and_changes_nothing(
    postgres17: PostgresServer, changed: tuple[Bench, str]
) -> None:
    bench, database = changed
    before, contents = schema_of(postgres17, database), contents_of(postgres17, database)
    options: dict[str, Any] = {"bench": bench, "strategy": "merge", "delete_extra": True}
    planned = restore_table(postgres17, database, "people", check=True, **options)
    assert (planned["inserted"], planned["updated"], planned["deleted"]) == (3, 2, 1)
    shown = planned["diff"]["before"] + planned["diff"]["after"]
    assert "id='38'" in shown
    assert "name" in shown
    assert not any(word in shown for word in ("other", "secret 3", "stranger", "name 3", "hidden"))
    assert planned["diff"]["before"].count("\n") == 3
    assert planned["diff"]["after"].count("\n") == 5
    for strategy in ("swap", "replace"):
        assert restore_table(postgres17, database, "people", bench=bench, strategy=strategy, check=True)["changed"]
    assert (schema_of(postgres17, database), contents_of(postgres17, database)) == (before, contents)
    done = restore_table(postgres17, database, "people", **options)
    assert [done[name] for name in ("inserted", "updated", "deleted")] == [3, 2, 1]
    assert schema_of(postgres17, database) == before
    assert postgres17.query(database, "SELECT count(*) FROM log") == [(0,)]
    assert not restore_table(postgres17, database, "people", **options)["changed"]


def test_only_what_is_missing_comes_back(postgres17: PostgresServer, changed: tuple[Bench, str]) -> None:
    bench, database = changed
    report = restore_table(postgres17, database, "people", bench=bench, strategy="merge", missing_only=True)
    assert (report["inserted"], report["updated"], report["deleted"]) == (3, 0, 0)
    found = postgres17.query(database, "SELECT count(*) FROM people WHERE name IN ('other', 'a stranger') OR id > 37")
    assert found == [(6,)]
    assert postgres17.query(database, "INSERT INTO people (name) VALUES ('next') RETURNING id") == [(42,)]


@pytest.mark.parametrize(("strategy", "options"), [("replace", {}), ("merge", {"delete_extra": True})])
def test_rows_elsewhere_never_lose_what_they_refer_to(
    postgres17: PostgresServer, changed: tuple[Bench, str], strategy: str, options: dict[str, Any]
) -> None:
    bench, database = changed
    postgres17.query(database, "INSERT INTO pets SELECT 100 + n, 41 FROM generate_series(1, 2) AS n")
    contents = contents_of(postgres17, database)
    with pytest.raises(PreflightError, match=r"constraint pets_owner_fkey of public\.pets: 2 rows"):
        restore_table(postgres17, database, "people", bench=bench, strategy=strategy, **options)
    with pytest.raises(BackupError, match="pets_owner_fkey"):
        restore_table(postgres17, database, "people", bench=bench)
    assert contents_of(postgres17, database) == contents


def test_a_table_that_somebody_uses_is_waited_for_and_then_given_up_naming_who(
    postgres17: PostgresServer, changed: tuple[Bench, str]
) -> None:
    bench, database = changed
    contents, before = contents_of(postgres17, database), schema_of(postgres17, database)
    holder = postgres17.connect(database, application_name="a long report")
    cursor = holder.cursor()
    cursor.execute("BEGIN; SELECT count(*) FROM people")
    with pytest.raises(BackupError, match=r"could not be locked within 1 s.*a long report"):
        restore_table(postgres17, database, "people", bench=bench, lock_timeout=1)
    released = threading.Timer(3, holder.close)
    released.start()
    assert (contents_of(postgres17, database), schema_of(postgres17, database)) == (contents, before)
    assert restore_table(postgres17, database, "people", bench=bench, lock_timeout=600)["changed"]
    released.join()


def test_a_view_that_appears_meanwhile_ends_the_swap(
    postgres17: PostgresServer, changed: tuple[Bench, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, database = changed
    contents = contents_of(postgres17, database)
    original = swapping.compare_rows

    def compare(*arguments: Any) -> Any:
        postgres17.query(database, "CREATE VIEW late AS SELECT id FROM people")
        return original(*arguments)

    monkeypatch.setattr(swapping, "compare_rows", compare)
    with pytest.raises(PreflightError, match="meanwhile"):
        restore_table(postgres17, database, "people", bench=bench)
    assert contents_of(postgres17, database) == contents
    assert postgres17.query(database, "SELECT count(*) FROM late") == [(38,)]


def test_what_depends_on_a_table_and_cannot_be_made_again_is_named(
    postgres17: PostgresServer, people: tuple[Bench, str]
) -> None:
    bench, database = people
    postgres17.query(database, "CREATE TABLE holders (one people); CREATE TYPE pair AS (a people, b people)")
    before = schema_of(postgres17, database)
    with pytest.raises(PreflightError, match=r"type public\.pair, table public\.holders"):
        restore_table(postgres17, database, "people", bench=bench)
    assert schema_of(postgres17, database) == before


def test_the_wrong_target_is_refused(postgres17: PostgresServer, people: tuple[Bench, str]) -> None:
    bench, database = people
    with pytest.raises(ConfigError, match="expect_environment is 'production'"):
        restore_table(postgres17, database, "people", bench=bench, expect_environment="production")
    with pytest.raises(ConfigError, match=r"did you mean public\.people"):
        restore_table(postgres17, database, "peolpe", bench=bench)
    password = postgres17.create_role("nobody_special")
    login = postgres17.login(database, user="nobody_special", password=password)
    with pytest.raises(PreflightError, match="belongs to postgres"):
        restore_table(postgres17, database, "people", bench=bench, **login)
    postgres17.query(database, "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.twin (); CREATE TABLE b.twin ()")
    with pytest.raises(ConfigError, match=r"several tables: a\.twin, b\.twin"):
        restore_table(postgres17, database, "twin", bench=bench)
    postgres17.query(database, "DROP SCHEMA a CASCADE; CREATE TABLE loans ()")
    with pytest.raises(ConfigError, match="the backup has no rows"):
        restore_table(postgres17, database, "loans", bench=bench)


def test_an_owner_who_is_no_superuser_restores_his_table(postgres17: PostgresServer, tmp_path: Path) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    password = postgres17.create_role("restoring_owner")
    with postgres17.database(owner="restoring_owner") as database:
        login = postgres17.login(database, user="restoring_owner", password=password)
        postgres17.query(
            database,
            "SET ROLE restoring_owner; CREATE SCHEMA mine; CREATE TABLE mine.items (id serial PRIMARY KEY, x text);"
            "CREATE VIEW mine.seen AS SELECT x FROM mine.items; GRANT SELECT ON mine.seen TO PUBLIC;"
            "INSERT INTO mine.items (x) SELECT 'x' FROM generate_series(1, 9)",
        )
        bench.backup(postgres17, database, fingerprint="all")
        before, contents = schema_of(postgres17, database), contents_of(postgres17, database)
        postgres17.query(database, "DELETE FROM mine.items WHERE id > 3")
        for strategy in ("swap", "merge", "replace"):
            restore_table(postgres17, database, "mine.items", bench=bench, strategy=strategy, **login)
            found = contents_of(postgres17, database)
            assert {one: found[one] for one in contents} == contents
        restore_table(postgres17, database, "mine.items", state="finalized", **login)
        assert schema_of(postgres17, database) == before
