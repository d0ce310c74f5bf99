"""A small shop with a table on which much depends, to be dropped."""

from __future__ import annotations

from .postgres import PostgresServer

SHOP = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE app.clients (id serial PRIMARY KEY, name text NOT NULL, mood app.mood DEFAULT 'sad');
CREATE FUNCTION app.known(integer) RETURNS boolean LANGUAGE sql BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM app.clients WHERE id = $1); END;
CREATE TABLE app.orders (
    id integer PRIMARY KEY, client integer REFERENCES app.clients,
    number integer DEFAULT nextval('app.clients_id_seq'::regclass) NOT NULL,
    note text DEFAULT 'a, (b) DEFAULT 1', CONSTRAINT known CHECK (app.known(client))
);
CREATE TRIGGER touched BEFORE UPDATE ON app.clients FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE VIEW app.names AS SELECT id, name FROM app.clients;
CREATE VIEW app.bills AS SELECT o.id, c.name FROM app.orders AS o JOIN app.clients AS c ON c.id = o.client;
CREATE MATERIALIZED VIEW app.counted AS SELECT count(*) AS n FROM app.names;
GRANT SELECT ON app.clients TO pg_monitor;
INSERT INTO app.clients (name) SELECT 'client ' || n FROM generate_series(1, 30) AS n;
INSERT INTO app.orders (id, client) SELECT n, n FROM generate_series(1, 20) AS n;
REFRESH MATERIALIZED VIEW app.counted;
"""


def drop(server: PostgresServer, database: str, *tables: str) -> None:
    """Drop tables and all objects that depend on them."""
    server.psql(database, f"DROP TABLE {', '.join(tables)} CASCADE")
