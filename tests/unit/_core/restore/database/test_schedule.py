"""In which order the pieces of a restore are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import Section, Toc, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.side_by_side.schedule import (
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
    entry(13, "TABLE", "partitioned"),
    entry(20, "TABLE DATA", "big", 10),
    entry(21, "TABLE DATA", "small", 11),
    entry(22, "TABLE DATA", "tiny", 12),
    entry(23, "BLOBS", "BLOBS"),
    entry(24, "SEQUENCE SET", "numbers", 9),
    entry(30, "INDEX", "big_a", 10),
    entry(31, "CONSTRAINT", "big big_pkey", 10),
    entry(32, "INDEX", "big_b", 10),
    entry(33, "INDEX", "tiny_a", 12),
    entry(34, "CONSTRAINT", "small small_pkey", 11),
    entry(35, "INDEX", "big_attached", 10, 30),
    entry(36, "FK CONSTRAINT", "big fk", 10, 11, 34),
    entry(37, "FK CONSTRAINT", "big fk2", 10, 11, 34),
    entry(38, "FK CONSTRAINT", "partitioned fk", 13, 11, 34),
    entry(39, "FK CONSTRAINT", "tiny fk", 12),
    entry(40, "COMMENT", "INDEX big_a", 30),
    entry(41, "ACL", "TABLE big", 10),
]
SIZES = {20: 1000, 21: 300, 22: 5, 23: 5}
BIG, SMALL, TINY = range(3)


def test_large_tables_come_one_by_one_and_the_others_together() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    assert schedule.before == (1, 10, 11, 12, 13)
    assert [(piece.entries, piece.size) for piece in schedule.loads] == [((20,), 1000), ((21,), 300), ((22, 23), 10)]
    assert schedule.tables == {BIG: (10,), SMALL: (11,), TINY: (12,)}


def test_many_tables_of_one_size_are_loaded_in_as_many_streams_as_keep_every_job_busy() -> None:
    entries = [entry(1000 + n, "TABLE", f"t{n}") for n in range(500)]
    entries += [entry(2000 + n, "TABLE DATA", f"t{n}", 1000 + n) for n in range(500)]
    loads = plan_schedule(toc(entries), {2000 + n: 7 for n in range(500)}, jobs=4).loads
    assert {len(piece.entries) for piece in loads} == {10}


def test_what_needs_only_one_group_is_built_early_and_constraints_first() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    assert [(piece.entries, piece.exclusive) for piece in schedule.builds[BIG]] == [
        ((31,), True),
        ((30,), False),
        ((32,), False),
    ]
    assert [piece.entries for piece in schedule.builds[TINY]] == [(33,)]
    assert schedule.after == (24, 35, 38, 40, 41)


def test_foreign_keys_between_the_same_tables_are_made_together_and_those_of_partitioned_ones_at_the_end() -> None:
    links = plan_schedule(toc(ENTRIES), SIZES, jobs=2).links
    assert [(piece.entries, piece.groups) for piece in links] == [((36, 37), {BIG, SMALL}), ((39,), {TINY})]


def test_with_one_job_everything_comes_in_one_stream_and_nothing_early() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=1)
    assert [piece.entries for piece in schedule.loads] == [(20, 21, 22, 23)]
    assert not (schedule.builds or schedule.links or schedule.tables)
    assert set(schedule.after) == {24, *range(30, 42)}


@given(
    sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=12),
    indexes=st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=20),
    keys=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20),
    jobs=st.integers(1, 4),
)
def test_every_entry_is_restored_exactly_once_and_in_time(
    sizes: list[int], indexes: list[tuple[int, bool]], keys: list[tuple[int, int]], jobs: int
) -> None:
    entries = [entry(100 + number, "TABLE", f"t{number}") for number in range(len(sizes))]
    entries += [entry(200 + number, "TABLE DATA", f"t{number}", 100 + number) for number in range(len(sizes))]
    entries += [
        entry(300 + number, "CONSTRAINT" if unique else "INDEX", f"i{number}", 100 + table % len(sizes))
        for number, (table, unique) in enumerate(indexes)
    ]
    ends = [{100 + one % len(sizes), 100 + other % len(sizes)} for one, other in keys]
    entries += [entry(400 + number, "FK CONSTRAINT", f"f{number}", *tables) for number, tables in enumerate(ends)]
    schedule = plan_schedule(toc(entries), {200 + number: size for number, size in enumerate(sizes)}, jobs)
    pieces = [*schedule.loads, *schedule.links, *(piece for built in schedule.builds.values() for piece in built)]
    found = [*schedule.before, *schedule.after, *(dump_id for piece in pieces for dump_id in piece.entries)]
    assert sorted(found) == sorted(one.dump_id for one in entries)
    check_order(schedule, jobs)


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


def check_order(schedule: Schedule, jobs: int) -> None:
    """What every order must keep to, whatever the schedule."""
    early = [piece for pieces in schedule.builds.values() for piece in pieces]
    ended: set[Piece] = set()
    running: list[Piece] = []
    for event, piece in work_off(schedule, jobs):
        if event == "end":
            running.remove(piece)
            ended.add(piece)
            continue
        others = [one for one in running if one.groups & piece.groups]
        running.append(piece)
        assert {schedule.loads[group] for group in piece.groups} <= ended
        if piece.work is Work.FINISH:
            assert piece.entries == schedule.after
            assert {*schedule.loads, *early, *schedule.links} <= ended
        elif piece.work is Work.CHECK or piece in schedule.links:
            assert not others
            assert {build for group in piece.groups for build in schedule.builds.get(group, ())} <= ended
        elif piece.work is Work.BUILD and others:
            assert not (piece.exclusive or any(one.exclusive or one.work is Work.CHECK for one in others))
    settled = [group for piece in ended if piece.work is Work.CHECK for group in piece.groups]
    assert sorted(settled) == sorted(group for group, tables in schedule.tables.items() if tables)
    assert {*schedule.loads, *early, *schedule.links} <= ended


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
def test_everything_waits_for_what_it_needs_and_has_its_tables_for_itself_where_it_must(jobs: int) -> None:
    check_order(plan_schedule(toc(ENTRIES), SIZES, jobs=2), jobs)


def test_foreign_keys_of_what_is_there_are_made_while_the_largest_table_loads() -> None:
    schedule = plan_schedule(toc(ENTRIES), SIZES, jobs=2)
    queue = Queue(schedule)
    largest = queue.take()
    assert largest == schedule.loads[BIG]
    seen = []
    while (piece := queue.take()) is not None:
        seen.append(piece)
        queue.done(piece)
    assert [piece.entries for piece in seen if piece.work is not Work.LOAD] == [(34,), (33,), (39,), (11,), (12,)]
