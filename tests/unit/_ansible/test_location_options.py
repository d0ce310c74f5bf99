"""The options of a location that a user can give are those that a location takes."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATION
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local import location as local
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone import location as rclone
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3 import settings as s3


def test_every_option_of_every_kind_of_location_can_be_given_and_no_other() -> None:
    taken = {option for kind in (local, rclone, s3) for option in kind.OPTIONS}
    assert set(LOCATION) == taken | {"name", "type"}
