"""Supabase's names.

Sources: the lists of its command line tool (supabase/cli, ``db dump``) and the migrations of supabase/postgres. Other
than that tool's, a backup has the definitions of the platform's schemas, and ``supabase_migrations`` is the user's: a
project without its history of migrations would run all of them again.
"""

from __future__ import annotations

from ..profile import Profile

SUPABASE = Profile(
    name="supabase",
    title="Supabase",
    database="postgres",
    role="postgres",
    schemas=(
        "_analytics", "_realtime", "_supavisor", "_timescaledb_*", "auth", "cron", "dbdev", "etl", "extensions",
        "graphql", "graphql_public", "net", "pgbouncer", "pgmq", "pgsodium", "pgsodium_masks", "pgtle", "realtime",
        "repack", "storage", "supabase_functions", "tiger", "tiger_data", "timescaledb_*", "topology", "vault",
    ),
    rows_kept=frozenset({"auth", "cron", "dbdev", "net", "pgmq", "storage", "supabase_functions"}),
    rows_left=frozenset(
        {("auth", "schema_migrations"), ("storage", "migrations"), ("supabase_functions", "migrations")}
    ),
    secret=frozenset({"pgsodium", "pgsodium_masks", "vault"}),
    roles=(
        "anon", "authenticated", "authenticator", "cli_login_*", "dashboard_user", "pgbouncer", "pgsodium_keyholder",
        "pgsodium_keyiduser", "pgsodium_keymaker", "pgtle_admin", "postgres", "service_role", "supabase_*",
    ),
    publications=("supabase_realtime*",),
    calling=frozenset({"supabase_functions"}),
)  # fmt: skip
