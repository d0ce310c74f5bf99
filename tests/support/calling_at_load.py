"""A database that calls out while its rows are loaded, in every way that needs no trigger."""

from __future__ import annotations

from .outbound import called
from .postgres import PostgresServer

_HEARING = """
CREATE TABLE heard (what text);
CREATE FUNCTION note() RETURNS int LANGUAGE sql AS $$ INSERT INTO public.heard VALUES ('foreign table') RETURNING 1 $$;
CREATE VIEW asked AS SELECT note() AS a;
"""
_CHECKED = """
CREATE EXTENSION dblink;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
  OPTIONS (host '{host}', port '{port}', dbname '{name}_heard', use_remote_estimate 'true');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user '{user}', password '{password}');
CREATE FOREIGN TABLE away (a int) SERVER far OPTIONS (table_name 'asked');
CREATE FUNCTION send(what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  PERFORM public.dblink_exec('host={host} port={port} user={user} password={password} dbname={name}_heard',
                             pg_catalog.format('INSERT INTO heard VALUES (%L)', what));
  RETURN 1;
END $$;
CREATE FUNCTION asks(what text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT public.send(what)';
CREATE FUNCTION runs() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  COPY (SELECT 'program') TO PROGRAM 'cat >> ran_{name}'; RETURN 1; END $$;
CREATE DOMAIN known AS text CHECK (asks('domain') > 0);
CREATE TABLE people (id int PRIMARY KEY, name text CHECK (asks('check') > 0), kind known, CHECK (runs() > 0));
INSERT INTO people VALUES (1, 'Ann', 'x'), (2, 'Bob', 'y');
CREATE STATISTICS of_people ON (asks('statistics')), id FROM people;
CREATE VIEW seen AS SELECT id, asks('view') FROM people;
CREATE MATERIALIZED VIEW filled AS SELECT * FROM seen;
CREATE MATERIALIZED VIEW on_it AS SELECT count(*) FROM filled;
CREATE UNIQUE INDEX ON filled (id);
CREATE MATERIALIZED VIEW fetched AS SELECT * FROM away;
CREATE MATERIALIZED VIEW quiet AS SELECT count(*) FROM people;
GRANT SELECT ON people TO PUBLIC;
COMMENT ON FUNCTION send IS 'sends';
"""
_STORED = """
CREATE TABLE places (id int PRIMARY KEY, at int GENERATED ALWAYS AS (asks('column')) STORED);
INSERT INTO places VALUES (1);
CREATE INDEX by_answer ON people (asks('index'));
CREATE INDEX few ON people (id) WHERE asks('predicate') > 0;
"""
EMPTY = {("materialized view", f"public.{name}") for name in ("filled", "on_it", "fetched")}
"""What of it can be filled by calling out only."""


def make_calling_at_load(server: PostgresServer, *, stored: bool) -> str:
    """Such a database; ``<name>_heard`` and a file of the server hear what it calls.

    :param stored: whether some of the answers are in columns and indexes, too.
    """
    name = server.create_database()
    server.query("postgres", f"CREATE DATABASE {name}_heard")
    server.query(f"{name}_heard", _HEARING)
    script = _CHECKED + (_STORED if stored else "")
    values = {"host": server.host, "port": server.port, "user": server.superuser, "password": server.password}
    for word, value in {**values, "name": name}.items():
        script = script.replace(f"{{{word}}}", str(value))
    server.query(name, script)
    assert {"check", "domain", "view", "foreign table", "program"} <= set(heard(server, name))
    return name


def heard(server: PostgresServer, name: str) -> list[str]:
    """The calls since the last time this was called."""
    ran = server.query("postgres", f"SELECT 1 FROM pg_stat_file('ran_{name}', true) AS f WHERE f.size > 0")
    server.query("postgres", f"COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -f ran_{name}'")
    return [*called(server, name), *["program" for _row in ran]]
