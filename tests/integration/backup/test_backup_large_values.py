"""Values of 60 MB come back as they were, and the module does not hold one in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.backup_bench import Bench
from support.backup_runs import ModuleProcess
from support.lab import PostgresServer
from support.stored_sets import assert_same_contents

MIB = 1024 * 1024

# Sixty pieces of 1 MB, no two alike, stored as they are: compressing them would take the server seconds.
LARGE = r"""
CREATE TABLE large (id int PRIMARY KEY, value text, raw bytea);
ALTER TABLE large ALTER value SET STORAGE EXTERNAL, ALTER raw SET STORAGE EXTERNAL;
CREATE TEMPORARY TABLE piece AS
    SELECT string_agg(md5(i::text), '') || E'\\ \\N \\. "quoted" it''s, \n\r\t' AS text,
           decode('00ff5c0a', 'hex') || decode(string_agg(md5(i::text) || md5((-i)::text), ''), 'hex') AS bytes
    FROM generate_series(1, 1 << 15) i;
INSERT INTO large SELECT 1, string_agg(i || text, 'ü'), NULL FROM piece, generate_series(1, 60) i;
INSERT INTO large SELECT 2, NULL, string_agg(bytes, int4send(i)) FROM piece, generate_series(1, 60) i;
INSERT INTO large VALUES (3, 'small', '\x00');
"""


@pytest.mark.usefixtures("age")
def test_values_of_sixty_megabytes_are_restored_as_they_were(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(database, LARGE)
    [sizes] = postgres17.query(database, "SELECT max(octet_length(value)), max(octet_length(raw)) FROM large")
    assert min(sizes) > 60_000_000
    with ModuleProcess(tmp_path, bench.options(postgres17, database, fingerprint="all")) as module:
        report = module.result()
    assert not report.get("failed"), report
    assert module.peak_memory < 100 * MIB
    stored = bench.stored(report)
    assert set(stored.fingerprints) == {("public", "large")}
    with stored.restored(postgres17) as restored:
        assert_same_contents(stored, postgres17, restored)
        [exact] = postgres17.query(restored, "SELECT max(octet_length(value)), max(octet_length(raw)) FROM large")
        assert exact == sizes


@pytest.mark.usefixtures("age")
def test_definitions_longer_than_anybody_keeps_stop_no_backup_and_are_compared_by_their_digest(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(
        database,
        """CREATE TABLE t AS SELECT 1 AS n; CREATE SCHEMA tenant; CREATE TABLE tenant.t ();
        DO $$ BEGIN
          EXECUTE format('COMMENT ON TABLE tenant.t IS %L', repeat('seventy ', 9 << 20));
          EXECUTE format('CREATE FUNCTION tenant.f() RETURNS int LANGUAGE sql AS %L',
                         '/*' || repeat('seventy ', 9 << 20) || '*/ SELECT 1');
        END $$""",
    )
    with ModuleProcess(tmp_path, bench.options(postgres17, database)) as module:
        report = module.result()
    assert not report.get("failed"), report
    assert module.peak_memory < 150 * MIB
    stored = bench.stored(report)
    with stored.restored(postgres17) as restored:
        postgres17.query(restored, "COMMENT ON TABLE tenant.t IS 'another'")
        objects = stored.manifest["schema"]["objects"]
        other = bench.stored(bench.backup(postgres17, restored)).manifest["schema"]["objects"]
        assert other.keys() == objects.keys()
        # The function is as long as the comment was.
        assert {name for name, digest in other.items() if digest != objects[name]} == {"COMMENT tenant.TABLE t"}
