"""Jobs of a real pg_cron: a restored database runs none before it is told to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import Section, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, connect
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.in_place.scheduled_jobs import (
    plan_jobs,
)
from support.installations import with_pg_cron
from support.lab import PostgresServer
from support.outbound import comment, told
from support.programs import wait_until
from support.restore_runs import RestoreBench

_SETTINGS = {
    "shared_preload_libraries": "pg_cron",
    "cron.database_name": "shop",
    "cron.use_background_workers": "on",
    "jit": "off",
}
_JOBS = """
CREATE EXTENSION pg_cron;
CREATE TABLE runs (job text);
SELECT cron.schedule('writes', '@reboot', 'INSERT INTO runs VALUES (''writes'')');
SELECT cron.schedule('rests', '@reboot', 'INSERT INTO runs VALUES (''rests'')');
UPDATE cron.job SET active = false WHERE jobname = 'rests';
"""


class _WithPgCron(PostgresServer):
    """A server whose programs are a copy that has the extension."""

    def _server_programs(self) -> Path:
        return with_pg_cron() or self.bin_dir


@pytest.fixture(scope="module")
def scheduled() -> Iterator[PostgresServer]:
    """A server whose pg_cron works in the database ``shop``, in which one job is active and one is not."""
    if with_pg_cron() is None:
        pytest.skip("there is no pg_cron: `make tools` found no way to get it")
    with _WithPgCron(15, settings=_SETTINGS) as server:
        server.query("postgres", "CREATE DATABASE shop")
        server.query("shop", _JOBS)
        yield server


def _runs_after_restart(server: PostgresServer) -> set[str]:
    """Who has written when a job that was made for that has."""
    server.query(
        "shop", "TRUNCATE runs; SELECT cron.schedule('looks', '@reboot', 'INSERT INTO runs VALUES (''looks'')')"
    )
    server.restart()
    wait_until(lambda: ("looks",) in server.query("shop", "SELECT job FROM runs"), what="pg_cron")
    server.query("shop", "SELECT cron.unschedule('looks')")
    return {job for (job,) in server.query("shop", "SELECT job FROM runs")} - {"looks"}


def test_jobs_go_on_if_a_restore_fails(bench: RestoreBench, scheduled: PostgresServer) -> None:
    bench.backup(scheduled, "shop")
    # What came later cannot be made again around what the backup has.
    scheduled.query("shop", "ALTER TABLE runs ADD COLUMN more int; CREATE VIEW later AS SELECT more FROM runs")
    active = scheduled.query("shop", "SELECT jobid, active, xmin::text FROM cron.job ORDER BY 1")
    with pytest.raises(BackupError, match="as it was before"):
        bench.restore(scheduled, "shop", strategy="in_place")
    after = scheduled.query("shop", "SELECT jobid, active, xmin::text FROM cron.job ORDER BY 1")
    assert [row[:2] for row in after] == [row[:2] for row in active]
    assert after[0] != active[0], "the job was stopped meanwhile"
    assert comment(scheduled, "shop") is None
    scheduled.query("shop", "DROP VIEW later; ALTER TABLE runs DROP COLUMN more")


def test_no_job_runs_in_a_restored_database_until_it_is_resumed(bench: RestoreBench, scheduled: PostgresServer) -> None:
    bench.backup(scheduled, "shop")
    active = scheduled.query("shop", "SELECT jobid, active FROM cron.job ORDER BY 1")
    # What is scheduled since then is gone with the rows of the extension.
    scheduled.query("shop", "SELECT cron.schedule('since', '@reboot', 'INSERT INTO runs VALUES (''since'')')")
    result = bench.restore(scheduled, "shop", strategy="in_place")
    assert told(result) == {("job", "1 on cron.job")}
    assert _runs_after_restart(scheduled) == set()
    resumed = bench.restore(scheduled, "shop", state="resumed")
    assert told(resumed, "resumed") == {("job", "1 on cron.job")}
    assert scheduled.query("shop", "SELECT jobid, active FROM cron.job ORDER BY 1") == active
    assert _runs_after_restart(scheduled) == {"writes"}


def test_who_may_not_write_the_table_of_jobs_has_its_own_back(scheduled: PostgresServer) -> None:
    scheduled.query(
        "shop",
        """
        CREATE ROLE app LOGIN PASSWORD 'app'; GRANT TEMPORARY ON DATABASE shop TO app;
        GRANT USAGE ON SCHEMA cron TO app; GRANT EXECUTE ON FUNCTION cron.alter_job TO app;
        SET SESSION AUTHORIZATION app;
        SELECT cron.schedule('stays', '0 3 * * *', 'SELECT 1'), cron.schedule('0 4 * * *', 'SELECT 5'),
               cron.schedule('goes', '0 5 * * *', 'SELECT 2');
        SELECT cron.alter_job(cron.schedule('sleeps', '0 6 * * *', 'SELECT 3'), active := false);
        """,
    )
    jobs = "SELECT username, jobname, schedule, command, active FROM cron.job ORDER BY 1, 2"
    columns = ("jobid", "schedule", "command", "nodename", "nodeport", "database", "username", "active", "jobname")
    rows = scheduled.query("shop", f"SELECT {', '.join(columns)} FROM cron.job")
    before = scheduled.query("shop", jobs)
    number = scheduled.query("shop", "SELECT jobid FROM cron.job WHERE jobname = 'stays'")
    scheduled.query(
        "shop",
        """
        SET SESSION AUTHORIZATION app;
        SELECT cron.unschedule('goes'), cron.schedule('late', '0 7 * * *', 'SELECT 4');
        SELECT cron.alter_job(jobid, active := true) FROM cron.job WHERE jobname = 'sleeps';
        """,
    )
    login = {**scheduled.login("shop"), "login_user": "app", "login_password": "app"}
    with contextlib.closing(connect(ConnectionOptions.parse(login))) as connection, connection.cursor() as cursor:
        entry = TocEntry(
            dump_id=1, had_dumper=True, table_oid=0, oid=0, tag="job", desc="TABLE DATA", section=Section.DATA, defn="",
            drop_stmt="", copy_stmt="", namespace="cron", tablespace="", tableam="", relkind="", owner="postgres",
            dependencies=(), data_offset=None, position=0, size=0,
        )  # fmt: skip
        found = plan_jobs(cursor, entry, columns)
        cursor.execute("BEGIN; SET LOCAL row_security = off")
        for statement in found.before():
            cursor.execute(statement)
        for row in rows:
            cursor.execute(f"INSERT INTO pg_temp.mobul_jobs VALUES ({', '.join(['%s'] * len(columns))})", row)
        for statement in found.after():
            cursor.execute(statement)
        cursor.execute("COMMIT")
    assert scheduled.query("shop", jobs) == before
    assert scheduled.query("shop", "SELECT jobid FROM cron.job WHERE jobname = 'stays'") == number
