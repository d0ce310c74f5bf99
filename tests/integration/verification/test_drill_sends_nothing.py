"""A drill sends nothing, and tells what would."""

from __future__ import annotations

from support.calling_at_load import EMPTY, heard, make_calling_at_load
from support.drill_runs import drill, failures
from support.lab import PostgresServer
from support.outbound import called, make_calling
from support.restore_runs import RestoreBench, drop_versions


def test_a_drill_on_a_server_calls_nobody_and_names_what_would(bench: RestoreBench, postgres17: PostgresServer) -> None:
    name = make_calling(postgres17)
    # What runs behind the event triggers in a dump, and what is done around it: grants, and a view that is filled.
    postgres17.query(name, "GRANT SELECT ON orders TO PUBLIC; CREATE MATERIALIZED VIEW filled AS SELECT 1 AS a")
    called(postgres17, name)
    bench.backup(postgres17, name)
    report = drill(bench, postgres17, checks=[{"name": "calls", "query": "SELECT send('query')", "expect": {"min": 0}}])
    assert called(postgres17, name) == []
    assert failures(report) == {"query": failures(report)["query"]}
    (told,) = [one for one in report["findings"] if one["check"] == "outbound"]
    assert told["status"] == "passed"
    assert "event trigger on_ddl" in told["message"]
    drop_versions(postgres17, name)


def test_a_drill_loads_what_calls_out_without_its_calls_and_compares_everything_else(
    bench: RestoreBench, postgres17: PostgresServer
) -> None:
    name = make_calling_at_load(postgres17, stored=True)
    bench.backup(postgres17, name)
    heard(postgres17, name)
    report = drill(bench, postgres17)
    assert heard(postgres17, name) == []
    assert (report["verdict"], failures(report)) == ("passed", {})
    messages = "\n".join(one["message"] for one in report["findings"] if one["check"] == "outbound")
    names = [" ".join(one) for one in EMPTY]
    names += ["DOMAIN public.known", "TABLE public.people", "TABLE public.places", "INDEX public.by_answer"]
    assert [one for one in names if one not in messages] == []
    drop_versions(postgres17, name)
