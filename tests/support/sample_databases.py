"""Databases to back up: one that has something of everything, and some that are large."""

from __future__ import annotations

from .postgres_client import PostgresClient

EVERYTHING = r"""
CREATE SCHEMA crm;
CREATE TYPE crm.address AS (street text, numbers int[], since date);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, born date, mood mood DEFAULT 'ok',
    shouted text GENERATED ALWAYS AS (upper(name)) STORED, home crm.address, past crm.address[]);
CREATE TABLE crm.orders (
    id serial PRIMARY KEY, person bigint REFERENCES people, amount numeric, quantity posint, tags text[],
    paid timestamptz, doc jsonb);
CREATE TABLE numbers (f float8, r real, n numeric, i interval, t timestamp, d date, m money);
CREATE TABLE bytes (id int PRIMARY KEY, b bytea, bits bit varying, u uuid);
CREATE TABLE large (id int PRIMARY KEY, value text, raw bytea);
CREATE TABLE empty ();
CREATE TABLE measurements (at date NOT NULL, value real) PARTITION BY RANGE (at);
CREATE TABLE measurements_2025 PARTITION OF measurements FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measurements_2026 PARTITION OF measurements FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE ancestor (a int);
CREATE TABLE descendant (b int) INHERITS (ancestor);
CREATE UNLOGGED TABLE unlogged (a int);
CREATE TABLE dropped (a int, b int, c int);
INSERT INTO dropped SELECT i, i, i FROM generate_series(1, 10) i;
ALTER TABLE dropped DROP COLUMN b;
CREATE VIEW crm.totals AS SELECT person, sum(amount) AS total FROM crm.orders GROUP BY person;
CREATE MATERIALIZED VIEW crm.stored AS SELECT count(*) AS people FROM people;
CREATE INDEX people_born ON people (born);
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON people USING (true);

INSERT INTO people (name, born, mood, home, past)
SELECT 'Pérsön ' || i, '1970-01-01'::date + i, (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood,
       ROW('Straße "' || i || '", \x', ARRAY[i, NULL, -i], '2020-02-29')::crm.address,
       ARRAY[ROW(NULL, '{}', NULL), NULL, ROW('a,b', '{{1},{2}}', 'infinity')]::crm.address[]
FROM generate_series(1, 500) i;
INSERT INTO crm.orders (person, amount, quantity, tags, paid, doc)
SELECT 1 + i % 500, i * 1.10, i, ARRAY['x', NULL, 'with "quotes"', E'tab\tnewline\n'],
       '2026-03-29 00:59:59+00'::timestamptz + i * interval '1 hour', jsonb_build_object('n', i, 'ü', ARRAY[i])
FROM generate_series(1, 2000) i;
INSERT INTO numbers VALUES
    ('NaN', 'NaN', 'NaN', '1 mon -3 days 04:05:06.789', 'infinity', '-infinity', '$1,234.56'),
    ('infinity', '-infinity', 1e-200, '-1 year', '-infinity', 'infinity', '-$0.01'),
    (0.1::float8 + 0.2, 1.17549435e-38, 12345678901234567890.123456789, '0', '2026-02-28 23:59:59.999999',
     '0044-03-15 BC', NULL),
    ('-0', 1e38, -0.0, NULL, NULL, NULL, NULL);
INSERT INTO bytes SELECT i, decode(repeat(lpad(to_hex(i), 2, '0'), i), 'hex'), repeat('10', i)::bit varying,
                         md5(i::text)::uuid FROM generate_series(0, 255) i;
INSERT INTO bytes VALUES (256, NULL, NULL, NULL), (257, '', '', NULL);
INSERT INTO measurements SELECT '2025-06-01'::date + i, i FROM generate_series(1, 400) i;
INSERT INTO ancestor VALUES (1), (2), (NULL);
INSERT INTO descendant VALUES (3, 4);
INSERT INTO unlogged VALUES (1);
INSERT INTO large SELECT 1, string_agg(md5(i::text), ''), NULL FROM generate_series(1, 35000) i;
INSERT INTO large SELECT 2, NULL, decode(repeat('00ff5c0a', 25000), 'hex');
REFRESH MATERIALIZED VIEW crm.stored;
SELECT lo_from_bytea(700001, decode(repeat('00ff', 20000), 'hex'));
SELECT lo_from_bytea(700002, '');
SELECT lo_from_bytea(4000000001, 'an OID above 2^31');
"""
"""Types, tables and values that a backup could spoil (one of 1.1 MB), views, partitions and large objects."""

HUGE = """
INSERT INTO large SELECT 3, string_agg(md5(i::text), ''), NULL FROM generate_series(1, 700000) i;
INSERT INTO large SELECT 4, NULL, decode(repeat('00ff5c0a', 500000), 'hex');
"""
"""Beside it, a value of 22 MB and one of 2 MB: larger than any buffer, and dear to compare again and again."""


def fill(server: PostgresClient, database: str, megabytes: int, table: str = "filling") -> None:
    """Make a table of about that size, of text that hardly compresses below half of it."""
    server.query(
        database,
        f"CREATE TABLE {table} (id int, text text);"
        f"INSERT INTO {table} SELECT i, repeat(md5(i::text), 4) || md5((-i)::text) || md5((i + 0.5)::text) || "
        f"md5((i + 0.25)::text) || md5((i + 0.75)::text) FROM generate_series(1, {megabytes} * 3600) i",
    )
