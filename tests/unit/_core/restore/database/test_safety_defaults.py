"""The safety backup of a restore is asked for as any other: no option of ``pg_backup`` is forgotten."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.safety import DEFAULTS
from ansible_collections.mobul.backup.plugins.modules import pg_backup, restore_database
from support.module_parameters import argument_spec


def test_every_option_of_a_backup_has_a_value_in_the_one_that_a_restore_makes() -> None:
    given = {*DEFAULTS, *argument_spec(restore_database), "kind"}
    assert set(argument_spec(pg_backup)) - given == set()
    assert set(DEFAULTS) <= set(argument_spec(pg_backup))
