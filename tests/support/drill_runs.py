"""Drills as tests start them, and sets whose dump is another than their manifest tells of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import load_signing_key
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.run import run_restore_drill
from ansible_collections.mobul.backup.plugins.modules import restore_drill

from .module_parameters import parameters
from .postgres import PostgresServer
from .restore_runs import ENVIRONMENT, RestoreBench

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


def make_shop(server: PostgresServer) -> str:
    """Make a database with objects of every kind."""
    name: str = server.create_database()
    server.query(name, SHOP)
    return name


def drill(bench: RestoreBench, server: PostgresServer, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    """Run one on *server* in this process and return its report, whatever its verdict; *changes* replace or add."""
    login = {name: value for name, value in server.login("postgres").items() if name != "login_db"}
    options = {
        **login,
        "target": "server",
        "pg_bin_dir": str(server.bin_dir),
        "label": bench.bench.label(),
        "locations": [bench.bench.location()],
        "identities": [str(bench.bench.keys.identity)],
        "verify_key": [str(bench.bench.keys.verify)],
        "expect_environment": ENVIRONMENT,
        "fail": False,
        **changes,
    }
    return run_restore_drill(parameters(restore_drill, **options), check_mode)


def failures(report: Mapping[str, Any]) -> dict[str, str]:
    """A mapping from the name of each failed check to its message."""
    return {one["check"]: one["message"] for one in report["findings"] if one["status"] == "failed"}


def damaged_set(
    bench: RestoreBench, server: PostgresServer, database: str, damage: Callable[[], None], **changes: Any
) -> str:
    """A set that is whole and signed, whose dump was made after *damage*, and whose manifest before it."""
    before = _manifest(bench, bench.backup(server, database, **changes))
    damage()
    path, after = _manifest(bench, bench.backup(server, database, **changes))
    told = replace(
        after,
        tables=before[1].tables,
        schema=before[1].schema,
        large_objects=before[1].large_objects,
        large_object_contents=before[1].large_object_contents,
        large_object_rights=before[1].large_object_rights,
    )
    data = told.to_bytes()
    path.write_bytes(data)
    key = load_signing_key(str(bench.bench.keys.signing))
    path.with_name("manifest.json.sig").write_bytes(key.sign(data))
    return str(after.id)


def _manifest(bench: RestoreBench, report: Mapping[str, Any]) -> tuple[Path, Manifest]:
    path = bench.bench.root / report["directory"] / "manifest.json"
    return path, Manifest.parse(path.read_bytes())


def record(bench: RestoreBench, report: Mapping[str, Any], location: str = "disk") -> dict[str, Any]:
    """The one record that was written beside the set in a location."""
    (path,) = (bench.bench.directory / location).rglob(f"{report['id']}/verified_*.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
