"""Documents of procedures as they are at their beginning."""

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.checklists import Wanted
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.document import Custody, Procedure
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.running import begin

NOW = datetime(2026, 11, 26, 21, 0, tzinfo=timezone.utc)


def begun(procedure: str, state: str | None, wanted: Wanted, *, check_mode: bool = False) -> Procedure:
    """One of which nothing is done yet."""
    return begin(
        procedure,
        state,
        host="shop",
        label="shop",
        environment="test",
        reference="v1.2",
        wanted=wanted,
        custody=Custody(user="ops", host="runner", job=None, by=None),
        check_mode=check_mode,
        now=NOW,
    )
