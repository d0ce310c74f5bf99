"""The templates of roles as Ansible reads them, in the test's own process."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mobul.backup.plugins.filter.switch import switch


@functools.cache
def load(path: Path) -> Any:
    """What a file of a role or a playbook says, read once for all tests; nothing where there is no such file."""
    return DataLoader().load_from_file(str(path), trusted_as_template=True) if path.exists() else {}


def role_templar(variables: Mapping[str, Any]) -> Templar:
    """One that knows the filter of the collection, which Ansible does not look for where its plugins are imported."""
    templar = Templar(loader=DataLoader(), variables=dict(variables))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        templar.environment.filters["mobul.backup.switch"] = switch
    return templar
