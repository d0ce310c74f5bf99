"""What counts as calling out, and that pausing and resuming give exactly the catalogue that was there before."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import ArchiveWalker, Toc
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, connect
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.types import Connection, Cursor
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.outbound.forecast import foresee
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.outbound.of_table import find_table_calls
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.outbound.paused_objects import (
    comment_with_paused,
    paused_in_comment,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.outbound.pausing import pause
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.outbound.resuming import resume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.lab import PostgresServer
from support.outbound import comment, states

_BODIES = {
    # Calls out, by itself or by another function.
    "net.http_post('https://example.com')": True,
    "net . \"http_get\" ( 'x' )": True,
    "NET.HTTP_DELETE('x')": True,
    "supabase_functions.http_request()": True,
    "extensions.http(('GET', 'x', NULL, NULL, NULL)::extensions.http_request)": True,
    "http_get('x')": True,
    "aws_lambda.invoke('x', '{}')": True,
    "cron.schedule('x', '* * * * *', 'SELECT 1')": True,
    "dblink_exec('x', 'y')": True,
    "lo_export(1, '/tmp/x')": True,
    "called_by_others(1)": True,
    'public."Quoted (odd) name"(1)': True,
    "atomic()": True,
    "count(*) FROM away": True,
    "count(*) FROM elsewhere.shared": True,
    "count(*) FROM seen_from_here": True,
    "'SELECT net.http_post($1)'": True,
    # Does not.
    "now()": False,
    "pg_notify('a', 'b')": False,
    "other.called_by_others(1)": False,
    "not_called_by_others(1)": False,
    "count(*) FROM shared": False,
    "count(*) FROM gone_away": False,
    "'copy that'": False,
    "'a.http_headers'": False,
}
_STATEMENTS = {
    "COPY orders TO PROGRAM 'curl x'": True,
    "COPY (SELECT 1) TO '/tmp/x'": True,
    "INSERT INTO net.http_request_queue (url) VALUES ('x')": True,
    "INSERT INTO away VALUES (1)": True,
    "INSERT INTO orders VALUES (1)": False,
    "NOTIFY a": False,
}
_WORLD = r"""
CREATE TABLE orders (id int);
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA elsewhere; CREATE SCHEMA other;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE away (id int) SERVER far;
CREATE FOREIGN TABLE elsewhere.shared (id int) SERVER far;
CREATE TABLE shared (id int);
CREATE VIEW seen_from_here AS SELECT * FROM away;
CREATE FUNCTION called_by_others(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN net.http_post(a::text); END';
CREATE FUNCTION other.called_by_others(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION not_called_by_others(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION "Quoted (odd) name"(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN called_by_others(a); END';
CREATE FUNCTION atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT called_by_others(1); END;
"""
_SWITCHES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


@contextlib.contextmanager
def _session(server: PostgresServer, database: str) -> Iterator[Connection]:
    with contextlib.closing(connect(ConnectionOptions.parse(server.login(database)))) as connection:
        yield connection


def _toc(server: PostgresServer, database: str) -> Toc:
    argv = [server.bin_dir / "pg_dump", "--format=custom"]
    dump = subprocess.run(argv, env=server.environment(database), check=True, capture_output=True).stdout
    walker = ArchiveWalker()
    walker.update(dump)
    walker.finalize()
    return walker.toc


def _trigger(number: int, body: str) -> str:
    return (
        f"CREATE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN NEW; END $f$;"
        f"CREATE TRIGGER t{number} AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f{number}();"
    )


def test_what_calls_out_is_told_from_what_does_not(any_database: str, postgres: PostgresServer) -> None:
    bodies = {f"PERFORM {call}": expected for call, expected in _BODIES.items()} | _STATEMENTS
    script = "".join(_trigger(number, body) for number, body in enumerate(bodies))
    postgres.query(any_database, f"SET check_function_bodies TO off; {_WORLD}{script}")
    postgres.query(
        any_database,
        "CREATE SCHEMA supabase_functions; CREATE FUNCTION supabase_functions.http_request() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER webhook AFTER INSERT ON orders"
        " FOR EACH ROW EXECUTE FUNCTION supabase_functions.http_request('https://example.com', 'POST', '{}')",
    )
    forecast = foresee(_toc(postgres, any_database))
    with _session(postgres, any_database) as connection:
        paused = pause(connection).paused
    for found in ({one.name for one in paused}, {one.name for one in forecast.paused}):
        assert "webhook" in found
        assert {body: f"t{number}" in found for number, body in enumerate(bodies)} == bodies
    assert {str(one) for one in paused} == {str(one) for one in forecast.paused}


def test_a_dump_tells_what_would_call_out_while_it_is_loaded(database: str, postgres17: PostgresServer) -> None:
    postgres17.query(
        database,
        "SET check_function_bodies TO off;"
        + _WORLD.replace("int LANGUAGE", "int IMMUTABLE LANGUAGE")
        + "CREATE EXTENSION dblink; CREATE SCHEMA net;"
        "CREATE FUNCTION net.http_post(a text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION other.quiet(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';"
        "CREATE DOMAIN checked AS int CHECK (called_by_others(1) > 0); CREATE DOMAIN plain AS int CHECK (VALUE > 0);"
        "CREATE TABLE of_domain (a checked); CREATE TABLE of_plain (a plain DEFAULT other.quiet(1));"
        'CREATE TABLE computed (a int, b int GENERATED ALWAYS AS ("Quoted (odd) name"(a)) STORED, c plain);'
        "CREATE TABLE beside (a int CHECK (called_by_others(a) > 0),"
        " b int GENERATED ALWAYS AS (other.quiet(a)) STORED);"
        "CREATE TABLE parts (a int) PARTITION BY RANGE (called_by_others(a));"
        "CREATE INDEX by_it ON shared (called_by_others(id)); CREATE INDEX by_other ON shared (other.quiet(id));"
        "CREATE INDEX few ON shared (id) WHERE atomic() > id; CREATE INDEX of_beside ON beside (a);"
        "CREATE STATISTICS about (ndistinct) ON id, (called_by_others(id)) FROM shared;"
        "CREATE MATERIALIZED VIEW linked AS SELECT * FROM dblink('x', 'y') AS d (a int) WITH NO DATA;"
        "CREATE VIEW between_them AS SELECT id FROM seen_from_here;"
        "CREATE MATERIALIZED VIEW fetched AS SELECT * FROM between_them WITH NO DATA;"
        "CREATE MATERIALIZED VIEW on_it AS SELECT * FROM fetched WITH NO DATA; CREATE INDEX on_view ON on_it (id);"
        "CREATE MATERIALIZED VIEW own AS SELECT * FROM shared; CREATE INDEX on_own ON own (id);"
        "CREATE TABLE private (a int); CREATE POLICY asks ON private USING (called_by_others(a) > 0);"
        "CREATE TABLE tree (a int) PARTITION BY LIST (a);"
        "CREATE TABLE part PARTITION OF tree DEFAULT PARTITION BY LIST (a);"
        "CREATE FOREIGN TABLE leaf PARTITION OF part DEFAULT SERVER far; CREATE INDEX on_tree ON ONLY tree (a);"
        "CREATE MATERIALIZED VIEW of_tree AS SELECT * FROM tree WITH NO DATA;"
        "CREATE MATERIALIZED VIEW allowed AS SELECT * FROM private WITH NO DATA;",
    )
    forecast = foresee(_toc(postgres17, database))
    assert set(forecast.checked) == {
        "DOMAIN public.checked",
        "TABLE public.of_domain",
        "TABLE public.beside",
        "STATISTICS public.about",
    }
    assert set(forecast.stored) == {
        "TABLE public.computed",
        "TABLE public.parts",
        "INDEX public.by_it",
        "INDEX public.few",
    }
    assert {name for _schema, name in forecast.views} == {"linked", "fetched", "on_it", "allowed", "of_tree"}
    assert forecast.unanalyzed == {("public", "shared")}
    assert forecast.paused == ()


def test_what_cannot_be_switched_off_is_named(database: str, postgres17: PostgresServer) -> None:
    postgres17.query(
        database,
        f"{_WORLD}CREATE VIEW seen AS SELECT 1 AS a;"
        "CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM net.http_post(1); RETURN NEW; END';"
        "CREATE TRIGGER put INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION put();"
        "CREATE TABLE checked (a int DEFAULT called_by_others(1), CONSTRAINT c CHECK (called_by_others(a) > 0))",
    )
    with _session(postgres17, database) as connection:
        found = pause(connection)
    assert found.paused == ()
    assert {str(one) for one in found.awake} == {
        "trigger put on public.seen",
        "default for public.checked.a",
        "constraint c on public.checked",
    }


def test_the_rows_of_a_scheduler_are_paused_unless_that_ran_code_of_its_owner(
    database: str, postgres17: PostgresServer
) -> None:
    postgres17.query(
        database,
        "CREATE SCHEMA timetable; CREATE TABLE timetable.chain (chain_id int, chain_name text, live bool);"
        "INSERT INTO timetable.chain VALUES (1, 'nightly', true), (2, 'never', false);"
        "CREATE FUNCTION code() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''run''; END'",
    )
    rows = "SELECT chain_id, live FROM timetable.chain ORDER BY 1"
    with _session(postgres17, database) as connection:
        (paused,) = pause(connection).paused
        assert (str(paused), paused.why) == ("job 1 on timetable.chain", "a scheduler runs nightly")
        assert postgres17.query(database, rows) == [(1, False), (2, False)]
        told = comment_with_paused(None, [paused])
        trigger = "TRIGGER code BEFORE UPDATE ON timetable.chain"
        postgres17.query(database, f"CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION code()")
        assert resume(connection, told).gone == (paused,)
        postgres17.query(database, "DROP TRIGGER code ON timetable.chain")
        assert resume(connection, told).resumed == (paused,)
        assert postgres17.query(database, rows) == [(1, True), (2, False)]
        postgres17.query(database, f"CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION code()")
        assert [str(one) for one in pause(connection).awake] == ["job 1 on timetable.chain"]
        # A table that only looks like an extension's is nobody's jobs.
        postgres17.query(database, "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid int, active bool)")
        postgres17.query(database, "INSERT INTO cron.job VALUES (1, true)")
        assert not any("cron" in str(one) for one in pause(connection).paused)


@pytest.fixture(scope="module")
def switched(postgres17: PostgresServer) -> Iterator[str]:
    """A database with triggers and event triggers of odd names that call out."""
    with postgres17.database() as name:
        tables = "".join(f'CREATE TABLE "{table}" (a int);' for table in _TABLES)
        triggers = "".join(
            f'CREATE TRIGGER "{trigger}" AFTER INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION hook();'
            for table in _TABLES
            for trigger in _TRIGGERS
        )
        events = "".join(
            f'CREATE EVENT TRIGGER "{event}" ON ddl_command_end EXECUTE FUNCTION ddl();' for event in _EVENTS
        )
        postgres17.query(
            name,
            "CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF false THEN PERFORM net.http_post(1);"
            f" END IF; RETURN NEW; END'; {tables}{triggers}"
            "CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF false THEN PERFORM"
            f" net.http_post(1); END IF; END'; {events}",
        )
        yield name


_TABLES = ("t", "o''dd \\ \"\"one")
_TRIGGERS = ("plain", "new\nline ALTER", "é '; DROP TABLE t")
_EVENTS = ("on ddl", 'at "" last')


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.sampled_from(sorted(_SWITCHES)), min_size=8, max_size=8))
def test_resuming_gives_exactly_what_was_there_before(
    switched: str, postgres17: PostgresServer, wanted: list[str]
) -> None:
    objects = [f'ALTER TABLE "{table}" {{}} TRIGGER "{one}"' for table in _TABLES for one in _TRIGGERS]
    objects += [f'ALTER EVENT TRIGGER "{one}" {{}}' for one in _EVENTS]
    postgres17.query(
        switched, ";".join(one.format(_SWITCHES[state]) for one, state in zip(objects, wanted, strict=True))
    )
    before = states(postgres17, switched)
    with _session(postgres17, switched) as connection:
        paused = pause(connection).paused
        assert {state for _kind, _name, state in states(postgres17, switched)} == {"D"}
        assert len(paused) == sum(state != "D" for state in wanted)
        told = comment_with_paused('It\'s \\ a "comment"', paused)
        assert paused_in_comment(told) == paused
        assert len(resume(connection, told).resumed) == len(paused)
    assert states(postgres17, switched) == before
    if paused:
        assert comment(postgres17, switched) == 'It\'s \\ a "comment"'


_OF_TABLES = r"""
CREATE EXTENSION dblink;
CREATE FUNCTION send(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM dblink_exec('x', 'y'); RETURN 1; END $$;
CREATE FUNCTION alias(text, text) RETURNS text IMMUTABLE AS '$libdir/dblink', 'dblink_exec' LANGUAGE c;
CREATE DOMAIN known AS int CHECK (send(VALUE) > 0);
CREATE DOMAIN of_known AS known;
CREATE TYPE composite AS (a known);
CREATE TYPE span AS RANGE (subtype = known);
CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT send($1) > 0';
CREATE OPERATOR === (FUNCTION = same, LEFTARG = int, RIGHTARG = int);
CREATE FUNCTION compares(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM send($1); RETURN btint4cmp($1, $2); END';
CREATE OPERATOR CLASS calling FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=,
  OPERATOR 5 >, FUNCTION 1 compares(int, int);
CREATE TABLE domains (a of_known);
CREATE TABLE arrays (a known[]);
CREATE TABLE composites (a composite[]);
CREATE TABLE ranges (a span);
CREATE TABLE several_ranges (a span_multirange);
CREATE TABLE operators (a int, CONSTRAINT by_operator CHECK (a === 1));
CREATE TABLE classes (a int);
CREATE INDEX by_class ON classes (a calling);
CREATE TABLE keys (a int) PARTITION BY LIST (send(a));
CREATE TABLE key PARTITION OF keys FOR VALUES IN (1);
CREATE TABLE linked (a text, CONSTRAINT by_alias CHECK (alias(a, a) <> ''));
CREATE TABLE silent (a int[], b text, c int4range, CHECK (b <> ''));
"""
_FOUND_IN_TABLES = {
    **{name: ["constraint known_check"] for name in ("domains", "arrays", "composites", "ranges", "several_ranges")},
    "operators": ["constraint by_operator"],
    "classes": ["index by_class"],
    "keys": ["partition key of keys"],
    "key": ["partition key of keys"],
    "linked": ["constraint by_alias"],
    "silent": [],
}


def test_what_a_table_calls_is_found_through_types_operators_and_keys(postgres17: PostgresServer) -> None:
    found = {}
    with postgres17.database() as name:
        postgres17.query(name, _OF_TABLES)
        with _session(postgres17, name) as connection, connection.cursor() as cursor:

            def execute(statement: str) -> Cursor:
                cursor.execute(statement)
                return cursor

            for table in _FOUND_IN_TABLES:
                ((oid,),) = postgres17.query(name, f"SELECT '{table}'::regclass::oid")
                execute("BEGIN")
                found[table] = find_table_calls(execute, oid).names
                execute("COMMIT")
        assert "TABLE public.linked" in foresee(_toc(postgres17, name)).called_at_load
    assert found == _FOUND_IN_TABLES
