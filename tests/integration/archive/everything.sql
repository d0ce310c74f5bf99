-- Every kind of object that a dump of one database has, with names that are hard to get right.
-- The roles archive_alice and "archive Bob, (x)" must be there.
CREATE SCHEMA app;
CREATE SCHEMA "Ünï.cödé %s";
CREATE SCHEMA "a.b";
CREATE SCHEMA a;
COMMENT ON SCHEMA app IS 'the application''s own';
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE app.pair AS (x integer, y text);
CREATE DOMAIN app.email AS character varying(254) CHECK (VALUE LIKE '%@%');
CREATE SEQUENCE app.counter START 5 INCREMENT 3;
SELECT count(nextval('app.counter')) FROM generate_series(1, 3);
CREATE TABLE app.clients (
    id serial PRIMARY KEY,
    uid bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    status varchar(10) DEFAULT 'new' CHECK (status IN ('new', 'old', 'it''s, ok')),
    kind varchar CHECK (kind IN ('x', 'y')),
    code char(2) CHECK (code IN ('aa', 'bb')),
    role name CHECK (role IN ('r1', 'r2')),
    mood app.mood DEFAULT 'ok' CHECK (mood IN ('ok', 'happy')),
    mail app.email,
    dims app.pair,
    doubled integer GENERATED ALWAYS AS (length(name) * 2) STORED,
    UNIQUE (uid),
    EXCLUDE USING btree (name WITH =)
);
COMMENT ON TABLE app.clients IS E'two\nlines; and ''quotes''';
COMMENT ON COLUMN app.clients.name IS 'who';
INSERT INTO app.clients (name, kind) SELECT 'client ' || n, 'x' FROM generate_series(1, 500) AS n;
CREATE TABLE app.orders (
    id bigint PRIMARY KEY,
    client integer REFERENCES app.clients ON DELETE CASCADE,
    at timestamptz,
    note text
);
CREATE INDEX orders_note ON app.orders (lower(note) DESC NULLS LAST, client) INCLUDE (at) WHERE note IS NOT NULL;
CREATE INDEX clients_kind ON app.clients (kind) WHERE kind IN ('x', 'y');
ALTER INDEX app.orders_note ALTER COLUMN 1 SET STATISTICS 50;
CREATE STATISTICS app.orders_stats ON client, at FROM app.orders;
ALTER TABLE app.orders ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
INSERT INTO app.orders SELECT n, 1 + n % 500, '2026-01-01', repeat(md5(n::text), 20) FROM generate_series(1, 3000) AS n;
CREATE TABLE app.events (id bigint, at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX ON app.events (id);
INSERT INTO app.events SELECT n, '2025-06-01'::date + n, 'b' FROM generate_series(1, 700) AS n;
CREATE TABLE app.parent (a integer, b text CHECK (b <> ''));
CREATE TABLE app.child (c integer) INHERITS (app.parent);
ALTER TABLE app.parent DROP COLUMN a;
ALTER TABLE app.parent ADD COLUMN d integer DEFAULT 3;
INSERT INTO app.child VALUES ('b', 1, 2);
CREATE VIEW app.active AS SELECT id, name FROM app.clients WHERE kind IN ('x', 'y') AND mood IN ('ok') WITH CHECK OPTION;
CREATE MATERIALIZED VIEW app.totals AS SELECT client, count(*) AS n FROM app.orders GROUP BY client;
CREATE MATERIALIZED VIEW app.never AS SELECT 1 AS one WITH NO DATA;
CREATE UNIQUE INDEX ON app.totals (client);
CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION app.f(text, VARIADIC integer[]) RETURNS text LANGUAGE sql SET search_path = app, pg_temp
    SET work_mem = '8MB' RETURN $1;
CREATE PROCEDURE app.p(INOUT x integer) LANGUAGE plpgsql AS $$ BEGIN x := x + 1; END $$;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON app.clients FOR EACH ROW WHEN (OLD.kind IN ('x', 'y')) EXECUTE FUNCTION app.touch();
ALTER TABLE app.clients DISABLE TRIGGER touched;
CREATE RULE quiet AS ON DELETE TO app.orders WHERE OLD.id < 0 DO INSTEAD NOTHING;
CREATE FUNCTION app.eq(app.pair, app.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.x = $2.x';
CREATE OPERATOR app.=== (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = app.eq);
CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER remote FOREIGN DATA WRAPPER nowhere OPTIONS (host 'h', b 'c', a 'd');
CREATE USER MAPPING FOR PUBLIC SERVER remote OPTIONS (user 'u', password 'geheim''nis');
CREATE FOREIGN TABLE app.far (x integer OPTIONS (k 'v')) SERVER remote;
ALTER TABLE app.clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.clients FORCE ROW LEVEL SECURITY;
CREATE POLICY "some" ON app.clients FOR SELECT TO archive_alice, "archive Bob, (x)" USING (kind IN ('x', 'y'));
CREATE POLICY more ON app.clients AS RESTRICTIVE FOR INSERT TO "archive Bob, (x)", archive_alice WITH CHECK (true);
GRANT SELECT ON app.clients TO archive_alice, "archive Bob, (x)", PUBLIC;
REVOKE ALL ON app.orders FROM postgres;
GRANT SELECT, INSERT ON app.orders TO archive_alice WITH GRANT OPTION;
GRANT ALL ON app.orders TO postgres;
GRANT USAGE ON SCHEMA app TO archive_alice WITH GRANT OPTION;
SET ROLE archive_alice;
GRANT USAGE ON SCHEMA app TO "archive Bob, (x)";
GRANT INSERT, SELECT ON app.orders TO "archive Bob, (x)";
RESET ROLE;
GRANT SELECT (name), UPDATE (name, kind) ON app.clients TO archive_alice;
GRANT SELECT ON app.orders TO PUBLIC;
ALTER TABLE app.events OWNER TO archive_alice;
ALTER FUNCTION app.f(integer) OWNER TO archive_alice;
REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.f(integer) TO "archive Bob, (x)";
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO archive_alice, "archive Bob, (x)";
ALTER DEFAULT PRIVILEGES FOR ROLE archive_alice IN SCHEMA app GRANT SELECT ON TABLES TO "archive Bob, (x)";
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE PUBLICATION pub FOR TABLE app.clients WHERE (id > 3), app.orders (id, note) WITH (publish = 'insert');
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE PUBLICATION whole FOR TABLES IN SCHEMA "a.b";
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER watch DISABLE;
CREATE TABLE "Ünï.cödé %s"."semi; -- ""quoted"" %d
line two" ("a ""b""" integer, "ключ" text);
INSERT INTO "Ünï.cödé %s"."semi; -- ""quoted"" %d
line two" VALUES (1, 'значение');
CREATE TABLE a."b.c" (x integer);
CREATE TABLE "a.b".c (y text);
CREATE TABLE a."-leading" (x integer);
CREATE TABLE a."*" (x integer);
CREATE TABLE a."ab (2)" (x integer);
CREATE TABLE a."日本語の表🐘" (x integer);
CREATE TABLE a."123456789012345678901234567890123456789012345678901234567890abc" (x integer);
CREATE TABLE a.empty ();
CREATE TABLE a.wide (b bytea, t text);
INSERT INTO a.wide SELECT decode(repeat('00ff', 50000), 'hex'), repeat('x', 300000) FROM generate_series(1, 4);
CREATE UNLOGGED TABLE a.fleeting (x integer);
SELECT lo_from_bytea(0, decode(repeat('abcdef', 2000 * n), 'hex')) FROM generate_series(0, 4) AS n;
SELECT count(lo_from_bytea(0, 'small')) FROM generate_series(1, 2100);
SELECT lo_create(3000000000);
SELECT lo_from_bytea(2147483648, 'big'::bytea);
COMMENT ON LARGE OBJECT 3000000000 IS 'empty';
GRANT SELECT ON LARGE OBJECT 3000000000 TO archive_alice;
ALTER DATABASE :"DBNAME" SET work_mem = '8MB';
COMMENT ON DATABASE :"DBNAME" IS 'a comment';
