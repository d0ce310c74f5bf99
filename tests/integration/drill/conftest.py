"""What the tests of drills share: keys, a place for sets, and a database that has something of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, Keys, make_keys
from support.lab import PostgresServer
from support.restore_runs import RestoreBench

SHOP = """
CREATE TABLE clients (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  client int NOT NULL REFERENCES clients,
  paid numeric(10, 2), at timestamptz DEFAULT now(), note text
);
CREATE INDEX orders_by_client ON orders (client);
CREATE TABLE consents (client int PRIMARY KEY REFERENCES clients, given boolean NOT NULL);
ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_consents ON consents USING (client = 1);
CREATE FUNCTION total(c int) RETURNS numeric LANGUAGE sql STABLE
  AS 'SELECT sum(paid) FROM public.orders WHERE client = c';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW totals AS SELECT c.id, c.name, total(c.id) FROM clients c;
CREATE SEQUENCE numbers;
GRANT SELECT ON orders TO PUBLIC;
GRANT SELECT, UPDATE ON consents TO PUBLIC;
INSERT INTO clients SELECT i, 'client ' || i FROM generate_series(1, 100) i;
INSERT INTO orders (client, paid) SELECT 1 + i % 100, i FROM generate_series(1, 2000) i;
INSERT INTO consents SELECT i, i % 3 > 0 FROM generate_series(1, 100) i;
SELECT setval('numbers', 42);
"""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """See :class:`Keys`."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> RestoreBench:
    """See :class:`RestoreBench`; without any set."""
    return RestoreBench(Bench(tmp_path, keys))


def make_shop(server: PostgresServer) -> str:
    """A database with something of everything."""
    name: str = server.create_database()
    server.query(name, SHOP)
    return name


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """The database on a server of version 17."""
    name = make_shop(postgres17)
    yield name
    postgres17.drop_database(name)
