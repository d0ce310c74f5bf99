"""The templates of roles as Ansible reads them, in the test's own process."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mobul.backup.plugins.filter.switch import switch


def role_templar(variables: Mapping[str, Any]) -> Templar:
    """One that knows the filter of the collection, which Ansible does not look for where its plugins are imported."""
    templar = Templar(loader=DataLoader(), variables=dict(variables))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        templar.environment.filters["mobul.backup.switch"] = switch
    return templar
