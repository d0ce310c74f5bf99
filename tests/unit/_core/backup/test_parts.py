"""Promises of how tables are spread over pg_dump processes."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.backup.parts import plan_parts
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.dictionaries(st.tuples(st.just("public"), st.text(min_size=1, max_size=3)), st.integers(0, 10**12)).map(
    lambda sizes: sorted(sizes.items())
)


@given(SIZES, st.integers(1, 8))
def test_every_table_is_dumped_by_exactly_one_part(sizes: list[tuple[tuple[str, str], int]], jobs: int) -> None:
    first, *others = plan_parts(sizes, jobs)
    named = [table for part in others for table in part.tables]
    assert len(named) == len(set(named))
    assert sorted(first.elsewhere) == sorted(named)
    assert set(named) <= {table for table, _ in sizes}
    assert first.tables == ()
    assert all(part.tables and not part.elsewhere for part in others)
    assert [part.number for part in (first, *others)] == list(range(1, len(others) + 2))
    assert 1 + len(others) <= jobs


@given(SIZES, st.integers(1, 8))
def test_no_part_is_heavier_than_a_fair_share_and_the_largest_table(
    sizes: list[tuple[tuple[str, str], int]], jobs: int
) -> None:
    total = sum(size for _, size in sizes)
    largest = max((size for _, size in sizes), default=0)
    weight = dict(sizes)
    _, *others = plan_parts(sizes, jobs)
    loads = [sum(weight[table] for table in part.tables) for part in others]
    # What stays unnamed in the first part may weigh up to a hundredth a table; the named ones balance around it.
    unnamed = [size for table, size in sizes if size < max(1, int(total * 0.01))]
    loads.append(total - sum(loads))
    assert max(loads) <= total / jobs + largest + sum(unnamed)


@given(SIZES, st.integers(1, 8))
def test_the_sizes_of_the_parts_are_those_of_their_tables(sizes: list[tuple[tuple[str, str], int]], jobs: int) -> None:
    weight = dict(sizes)
    parts = plan_parts(sizes, jobs)
    assert [part.size for part in parts[1:]] == [sum(weight[table] for table in part.tables) for part in parts[1:]]
    assert sum(part.size for part in parts) == sum(weight.values())


def test_one_job_names_no_table() -> None:
    assert plan_parts([(("public", "events"), 10**9)], 1)[0].elsewhere == ()
