"""Restores of single tables as tests start them, in this process, and what they look at before and after."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import DECRYPTION
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.run import run_restore_table

from .backup_bench import ENVIRONMENT, Bench
from .module_parameters import defaults
from .postgres import PostgresServer

_RESTRICT = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)
"""A random word in each dump."""

BOXES = """
CREATE TABLE public.boxes (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, kept serial);
CREATE TABLE public.things (id integer PRIMARY KEY, box integer REFERENCES public.boxes);
CREATE INDEX boxes_name ON public.boxes (name);
CREATE VIEW public.named AS SELECT name FROM public.boxes;
CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) AS n FROM public.boxes;
GRANT SELECT ON public.boxes TO PUBLIC;
INSERT INTO public.boxes (name) SELECT 'box ' || n FROM generate_series(1, 100) AS n;
INSERT INTO public.things SELECT n, n FROM generate_series(1, 50) AS n;
"""
"""A table with what may belong to one, and one that refers to it."""
LITTER = """
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mobul%'
UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'mobul%' OR relname LIKE '%%\\_old\\_%%'
"""
"""What no restore leaves behind, but for a table that is kept until it is finalized."""

DEFAULTS: dict[str, Any] = {
    **defaults(DECRYPTION),
    "verify_key": [],
    "locations": [],
    "expect_environment": ENVIRONMENT,
}


def restore_table(
    server: PostgresServer,
    database: str,
    table: str,
    *,
    bench: Bench | None = None,
    check: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Restore one table, out of the newest set of *bench* if one is given; returns the report or raises the error."""
    given: dict[str, Any] = {**DEFAULTS, **server.login(database), "pg_bin_dir": str(server.bin_dir), "table": table}
    if bench is not None:
        given |= {
            "label": bench.label(database),
            "locations": [bench.location()],
            "identities": [str(bench.keys.identity)],
            "verify_key": [str(bench.keys.verify)],
        }
    return run_restore_table({**given, **options}, check)


def definitions_of(server: PostgresServer, database: str) -> tuple[Any, ...]:
    """A digest of the very rows of the catalogues: another one even if something was changed and put back.

    Cheaper than :func:`schema_of`, which is the same for two databases that are alike.
    """
    catalogues = server.query(
        database,
        "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
        " AND NOT relisshared AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject')",
    )
    # A session that makes something temporary leaves its empty schema.
    rows = " UNION ALL ".join(
        f"SELECT '{name}', ctid::text, xmin::text FROM pg_catalog.{name}"
        + (" WHERE nspname NOT LIKE 'pg\\_t%'" if name == "pg_namespace" else "")
        for (name,) in catalogues
    )
    (found,) = server.query(
        database, f"SELECT count(*), sum(hashtextextended(concat_ws(' ', a, b, c), 0)) FROM ({rows}) AS one (a, b, c)"
    )
    return found


def schema_of(server: PostgresServer, database: str, *, without: Sequence[str] = ()) -> str:
    """The output of ``pg_dump --schema-only``, without some tables (patterns)."""
    excluded = [f"--exclude-table={pattern}" for pattern in without]
    result = subprocess.run(
        [server.bin_dir / "pg_dump", "--no-sync", "--schema-only", *excluded, database],
        capture_output=True,
        check=True,
        env=server.environment(),
    )
    return _RESTRICT.sub("", result.stdout.decode())
