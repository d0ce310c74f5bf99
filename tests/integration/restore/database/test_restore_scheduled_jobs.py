"""Jobs of a real pg_cron: a restored database runs none before it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
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
    wait_until(lambda: ("looks",) in server.query("shop", "SELECT job FROM runs"), what="pg_cron", seconds=30)
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
