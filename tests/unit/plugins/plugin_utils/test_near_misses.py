"""Which names of variables were meant to be others, and whether tags leave anything of a playbook."""

from __future__ import annotations

import string

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils.near_misses import near_misses, selects
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import known_variables, own_names
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("backup_recipient", "backup_recipients"),
        ("backp_environment", "backup_environment"),
        ("bakcup_locations", "backup_locations"),
        ("backup_siging_key", "backup_signing_key"),
        ("backup_job", "backup_jobs"),
        ("restore_bakcup", "restore_backup"),
        ("backup_id", None),
        ("backup_helper", None),
        ("backup_site", None),
        ("backup_login_hosts_of_mine", None),
        ("their_own", None),
    ],
)
def test_a_name_that_is_a_letter_or_two_away_was_meant_to_be_another(name: str, meant: str | None) -> None:
    assert near_misses([name], known_variables()).get(name) == meant


LETTERS = st.sampled_from(string.ascii_lowercase)


@given(st.data())
def test_no_two_mistakes_in_a_long_name_are_overlooked(data: st.DataObject) -> None:
    right = data.draw(st.text(LETTERS, min_size=12, max_size=20).map("backup_{}".format))
    name = right
    # Apart from each other, as what is between two letters that were swapped counts for more.
    for first, last in [(0, 7), (11, 16)][: data.draw(st.integers(1, 2))]:
        place = data.draw(st.integers(first, last))
        one, other, rest = name[place], name[place + 1], name[place + 2 :]
        new = data.draw(LETTERS)
        edited = data.draw(st.sampled_from([other, new + one + other, new + other, other + one]))
        name = name[:place] + edited + rest
    found = near_misses([name], [right])
    assert found == ({} if name == right or "__" in name else {name: right})


def test_no_name_of_the_collections_own_is_a_mistake() -> None:
    assert not near_misses(known_variables() | own_names(), known_variables() | own_names())
    assert {"cleanup_pruned", "cleanup_replicated"} <= own_names()


@pytest.mark.parametrize(
    ("tags", "only", "without", "expected"),
    [
        (["always"], ["all"], [], True),
        (["always"], ["x"], [], False),
        (["always"], ["untagged"], [], True),
        (["always"], ["tagged"], [], False),
        (["always", "site"], ["site"], [], True),
        (["always", "site"], ["tagged"], [], True),
        (["always"], ["all"], ["untagged"], False),
        (["always"], ["all"], ["x"], True),
        (["always", "site"], ["all"], ["site"], False),
        (["always"], ["all"], ["all"], False),
    ],
)
def test_tags_are_taken_as_ansible_takes_them(
    tags: list[str], only: list[str], without: list[str], expected: bool
) -> None:
    assert selects(tags, only, without) is expected
