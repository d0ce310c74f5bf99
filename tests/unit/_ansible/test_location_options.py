"""The options of a location that a user can give are those that a location takes."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATION
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.factory import TYPES, location_type


def test_every_option_of_every_kind_of_location_can_be_given_and_no_other() -> None:
    kinds = [location_type({"type": name}) for name in TYPES]
    taken = {option for kind in kinds if kind is not None for option in kind.options}
    assert set(LOCATION) == taken | {"name", "type"}
