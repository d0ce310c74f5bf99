"""Which names of variables were meant to be others, and whether tags leave anything of a playbook."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils.near_misses import near_misses, selects
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import known_variables, own_names


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
