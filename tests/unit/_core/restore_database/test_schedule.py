"""In which order the pieces of a restore are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.archive import Section, Toc, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.schedule import (
    Piece,
    Queue,
    Schedule,
    Work,
    plan_schedule,
)
from hypothesis import given
from hypothesis import strategies as st

SECTIONS = {"TABLE": Section.PRE_DATA, "TABLE DATA": Section.DATA, "BLOBS": Section.DATA, "SEQUENCE SET": Section.DATA}


def entry(dump_id: int, desc: str, tag: str, *dependencies: int) -> TocEntry:
    section = SECTIONS.get(desc, Section.NONE if desc in ("COMMENT", "ACL", "ENCODING") else Section.POST_DATA)
    return TocEntry(
        dump_id=dump_id,
        had_dumper=desc in ("TABLE DATA", "BLOBS"),
        table_oid=0,
        oid=0,
        tag=tag,
        desc=desc,
        section=section,
        defn="",
        drop_stmt="",
        copy_stmt="",
        namespace="public",
        tablespace="",
        tableam="",
        relkind="",
        owner="",
        dependencies=dependencies,
        data_offset=None,
        position=0,
        size=0,
    )


def toc(entries: Sequence[TocEntry]) -> Toc:
    return Toc((1, 16, 0), 4, 8, "none", None, datetime(2026, 1, 1), "shop", "17", "17", 0, 0, tuple(entries))


ENTRIES = [
    entry(1, "ENCODING", "ENCODING"),
    entry(10, "TABLE", "big"),
    entry(11, "TABLE", "small"),
    entry(12, "TABLE", "tiny"),
    entry(20, "TABLE DATA", "big", 10),
    entry(21, "TABLE DATA", "small", 11),
    entry(22, "TABLE DATA", "tiny", 12),
    entry(23, "BLOBS", "BLOBS"),
    entry(24, "SEQUENCE SET", "numbers", 9),
    entry(30, "INDEX", "big_a", 10),
    entry(31, "CONSTRAINT", "big big_pkey", 10),
    entry(32, "INDEX", "big_b", 10),
    entry(33, "INDEX", "tiny_a", 12),
    entry(34, "FK CONSTRAINT", "big fk", 10, 11),
    entry(35, "INDEX", "big_attached", 10, 30),
    entry(40, "COMMENT", "INDEX big_a", 30),
    entry(41, "ACL", "TABLE big", 10),
]
SIZES = {20: 1000, 21: 300, 22: 5, 23: 5}


def test_large_tables_come_one_by_one_and_the_others_in_one_stream() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    assert schedule.before == (1, 10, 11, 12)
    assert [(piece.entries, piece.size, piece.table) for piece in schedule.loads] == [
        ((20,), 1000, 10),
        ((21,), 300, 11),
        ((22, 23), 10, None),
    ]


def test_what_needs_only_a_large_table_is_built_early_and_constraints_first() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    assert [(piece.entries, piece.exclusive) for piece in schedule.builds[10]] == [
        ((31,), True),
        ((30,), False),
        ((32,), False),
    ]
    assert schedule.after == (24, 33, 34, 35, 40, 41)


def test_with_one_job_everything_comes_in_one_stream_and_nothing_early() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=1)
    assert [piece.entries for piece in schedule.loads] == [(20, 21, 22, 23)]
    assert not schedule.builds
    assert set(schedule.after) == {24, 30, 31, 32, 33, 34, 35, 40, 41}


@given(
    sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=12),
    indexes=st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=20),
    jobs=st.integers(1, 4),
)
def test_every_entry_is_restored_exactly_once(sizes: list[int], indexes: list[tuple[int, bool]], jobs: int) -> None:
    entries = [entry(100 + number, "TABLE", f"t{number}") for number in range(len(sizes))]
    entries += [entry(200 + number, "TABLE DATA", f"t{number}", 100 + number) for number in range(len(sizes))]
    entries += [
        entry(300 + number, "CONSTRAINT" if unique else "INDEX", f"i{number}", 100 + table % len(sizes))
        for number, (table, unique) in enumerate(indexes)
    ]
    schedule = plan_schedule(toc(entries), {200 + number: size for number, size in enumerate(sizes)}, jobs)
    pieces = [*schedule.loads, *(piece for built in schedule.builds.values() for piece in built)]
    found = [*schedule.before, *schedule.after, *(dump_id for piece in pieces for dump_id in piece.entries)]
    assert sorted(found) == sorted(one.dump_id for one in entries)


def work_off(schedule: Schedule, jobs: int) -> list[tuple[str, Piece]]:
    """What begins and ends in which order, with as much at a time as there are jobs; the oldest piece ends first."""
    queue, running, events = Queue(schedule), [], []
    while not queue.finished:
        while len(running) < jobs and (piece := queue.take()) is not None:
            running.append(piece)
            events.append(("begin", piece))
        assert running, "nothing can begin, nothing runs, and not all is done"
        piece = running.pop(0)
        queue.done(piece)
        events.append(("end", piece))
    return events


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
def test_nothing_is_built_before_its_table_is_loaded_and_a_constraint_has_the_table_for_itself(jobs: int) -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    loaded: set[int | None] = set()
    busy: list[Piece] = []
    for event, piece in work_off(schedule, jobs):
        if event == "end":
            if piece.work is Work.LOAD:
                loaded.add(piece.table)
            elif piece.work is not Work.FINISH:
                busy.remove(piece)
            continue
        if piece.work in (Work.LOAD, Work.FINISH):
            continue
        assert piece.table in loaded
        others = [one for one in busy if one.table == piece.table]
        assert not others or not (piece.exclusive or any(one.exclusive or one.work is Work.SETTLE for one in others))
        busy.append(piece)


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
def test_the_rest_comes_once_when_all_data_are_there_and_all_early_indexes_built(jobs: int) -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    events = work_off(schedule, jobs)
    ended: list[tuple[int, ...]] = []
    finishes = 0
    for event, piece in events:
        if piece.work is Work.FINISH and event == "begin":
            finishes += 1
            assert piece.entries == schedule.after
            assert {(20,), (21,), (22, 23), (30,), (31,), (32,)} <= set(ended)
        if event == "end":
            ended.append(piece.entries)
    assert finishes == 1


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_every_large_table_is_settled_once_when_it_is_complete(jobs: int) -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    events = work_off(schedule, jobs)
    begun = [piece for event, piece in events if event == "begin"]
    assert sorted(piece.table or 0 for piece in begun if piece.work is Work.SETTLE) == [10, 11]
    position = next(n for n, (event, piece) in enumerate(events) if piece.work is Work.SETTLE and piece.table == 10)
    ended = {piece.entries for event, piece in events[:position] if event == "end"}
    assert {(20,), (30,), (31,), (32,)} <= ended
