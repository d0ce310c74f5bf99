"""The kinds of objects that a restore can pause, as the comment of a database and the results of modules call them."""

from __future__ import annotations

SUBSCRIPTION, JOB, TRIGGER, EVENT_TRIGGER, RULE = "subscription", "job", "trigger", "event trigger", "rule"
MATERIALIZED_VIEW = "materialized view"
FILLED = "filled"
"""The state of a materialized view before."""
STATES = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""``pg_trigger.tgenabled`` and the like of what acts -> the words of ALTER that make it so."""
SCHEDULERS = {
    ("cron", "job"): ("jobid", "jobname", "active", "pg_cron"),
    ("pgagent", "pga_job"): ("jobid", "jobname", "jobenabled", "pgagent"),
    ("timetable", "chain"): ("chain_id", "chain_name", "live", None),
}
"""Tables whose rows are jobs -> number, title, whether it is active, and the extension; pg_timetable is none."""
