"""Jobs of pg_cron where the role may not write their table: by the extension's own functions, in the same transaction.

Those functions let everybody have jobs of their own. Jobs of other roles are theirs, and stay. A job that is there as
in the backup keeps its number, the others get new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ....postgres.archive import TocEntry
from ....postgres.types import Composable, Cursor

TABLE = ("cron", "job")
NUMBERS = ("cron", "jobid_seq")
_TEMPORARY = "mobul_jobs"
_COPY = b"COPY cron.job "
_INTO = b"COPY pg_temp.mobul_jobs "
_MAY = """
SELECT pg_catalog.bool_and(coalesce(
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'), false))
FROM (VALUES ('schedule', 2), ('schedule', 3), ('alter_job', 6)) AS needed (name, arguments)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'cron'
LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = name AND p.pronargs = arguments
"""
# As JSON, for older versions of the extension have no names. Whatever is altered counts as new, so that what was
# stopped before the transaction is not taken for what the backup says. A dump has switched policies of rows off.
_PUT_BACK = """
DO LANGUAGE plpgsql $mobul$
DECLARE
  own CONSTANT text[] := ARRAY['jobname', 'schedule', 'command', 'database', 'nodename', 'nodeport'];
  wanted jsonb;
  there jsonb;
  number bigint;
  secured CONSTANT text := pg_catalog.current_setting('row_security');
BEGIN
  PERFORM pg_catalog.set_config('row_security', 'on', true);
  FOR there IN SELECT pg_catalog.to_jsonb(j) FROM cron.job AS j WHERE j.username = current_user ORDER BY j.jobid LOOP
    SELECT pg_catalog.to_jsonb(w) INTO wanted FROM pg_temp.mobul_jobs AS w
      WHERE w.username = current_user AND w.jobid = there ->> 'jobid' AND NOT EXISTS (
        SELECT FROM pg_catalog.unnest(own) AS name
        WHERE there ->> name IS DISTINCT FROM pg_catalog.to_jsonb(w) ->> name);
    IF wanted IS NULL THEN
      PERFORM cron.unschedule((there ->> 'jobid')::bigint);
    ELSE
      PERFORM cron.alter_job(job_id := (there ->> 'jobid')::bigint,
                             active := coalesce((wanted ->> 'active')::boolean, true));
      DELETE FROM pg_temp.mobul_jobs AS w WHERE w.jobid = there ->> 'jobid';
    END IF;
  END LOOP;
  FOR wanted IN SELECT pg_catalog.to_jsonb(w) FROM pg_temp.mobul_jobs AS w
    WHERE w.username = current_user ORDER BY w.jobid::bigint
  LOOP
    IF wanted ->> 'jobname' IS NULL THEN
      number := cron.schedule(wanted ->> 'schedule', wanted ->> 'command');
    ELSE
      number := cron.schedule(wanted ->> 'jobname', wanted ->> 'schedule', wanted ->> 'command');
    END IF;
    IF NOT coalesce((wanted ->> 'active')::boolean, true) THEN
      PERFORM cron.alter_job(job_id := number, active := false);
    END IF;
  END LOOP;
  PERFORM pg_catalog.set_config('row_security', secured, true);
END $mobul$;
"""


@dataclass(frozen=True)
class ScheduledJobs:
    """The jobs of a backup.

    :param entry: of their rows; None where nothing is done about them.
    :param columns: of these.
    """

    entry: TocEntry | None = None
    columns: tuple[str, ...] = ()

    def before(self) -> Iterator[Composable]:
        """The statements to run before the rows are loaded."""
        from psycopg2 import sql

        if self.entry is not None:
            columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in self.columns)
            yield sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP;\n").format(
                sql.Identifier(_TEMPORARY), columns
            )

    def after(self) -> Iterator[Composable]:
        """The statements to run after everything else is restored."""
        from psycopg2 import sql

        if self.entry is not None:
            yield sql.SQL(_PUT_BACK)


NO_JOBS = ScheduledJobs()


def plan_jobs(cursor: Cursor, entry: TocEntry, columns: Sequence[str]) -> ScheduledJobs:
    """Find out whether the role may have jobs by the extension's functions.

    :param entry: of the rows that it may not exchange.
    """
    if (entry.namespace, entry.tag) != TABLE or not {"jobid", "username", "schedule", "command"}.issubset(columns):
        return NO_JOBS
    cursor.execute(_MAY)
    row = cursor.fetchone()
    return ScheduledJobs(entry, tuple(columns)) if row is not None and row[0] else NO_JOBS


class IntoTemporaryTable:
    """Leads the rows of jobs into the table of :meth:`ScheduledJobs.before`, as a transform."""

    name = "jobs"

    def __init__(self) -> None:
        self._head: bytes | None = b""

    def update(self, chunk: bytes) -> bytes:
        """Replace the COPY statement at the beginning of the script; nothing is returned before it is complete."""
        if self._head is None:
            return chunk
        self._head += chunk
        return self.finalize() if _COPY in self._head else b""

    def finalize(self) -> bytes:
        """The beginning of the script, if nothing followed it."""
        head, self._head = self._head or b"", None
        return head.replace(_COPY, _INTO, 1)
