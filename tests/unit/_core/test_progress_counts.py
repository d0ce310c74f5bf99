"""The work tells how far it is, whoever looks."""

from __future__ import annotations

import threading

from ansible_collections.mobul.backup.plugins.module_utils._core import progress


def test_what_passes_counts_into_the_stage_that_the_work_is_at() -> None:
    assert progress.snapshot() is None
    with progress.stage("outer", 10):
        progress.advance(3)
        with progress.stage("inner", estimated=True):
            progress.expect(7)
            progress.advance(5)
            progress.expect_tables(2)
            progress.at_table("public.t")
            inner = progress.snapshot()
        outer = progress.snapshot()
    assert inner is not None and outer is not None
    assert (inner["name"], inner["total"], inner["estimated"], inner["done"]) == ("inner", 7, True, 5)
    assert (inner["table"], inner["tables"], inner["tables_total"]) == ("public.t", 1, 2)
    assert (outer["name"], outer["total"], outer["done"], outer["tables_total"]) == ("outer", 10, 3, None)
    assert progress.snapshot() is None


def test_what_is_at_no_stage_is_counted_nowhere() -> None:
    progress.advance(3)
    progress.expect(3)
    progress.expect_tables(1)
    progress.at_table("t")
    assert progress.snapshot() is None


def test_a_stage_of_no_particular_work_counts_nothing_and_says_what_is_done() -> None:
    with progress.stage("at work", counting=False):
        progress.expect(3)
        progress.advance(3)
        progress.expect_tables(1)
        progress.at_table("t")
        progress.doing("waits")
        found = progress.snapshot()
    assert found is not None
    assert (found["done"], found["total"], found["table"], found["tables_total"]) == (0, None, "", None)
    assert found["doing"] == "waits"


def test_nothing_is_lost_where_several_threads_count() -> None:
    def count() -> None:
        for _time in range(1000):
            progress.advance(1)

    with progress.stage("read"):
        threads = [threading.Thread(target=count) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = progress.snapshot()
    assert found is not None and found["done"] == 4000
