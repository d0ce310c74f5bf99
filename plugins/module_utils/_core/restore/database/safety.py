"""The backup of the target that is made before a restore changes anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...backup.run import parse_request as parse_backup
from ...backup.run import run_pg_backup
from ...errors import ConfigError
from .plan import RestorePlan
from .request import STEP, RestoreRequest

DEFAULTS: Mapping[str, Any] = {
    "labels": {},
    "recipients": (),
    "gnupghome": None,
    "allow_unencrypted": False,
    "signing_key": None,
    "jobs": 1,
    "compress": "auto",
    "tables": (),
    "exports": (),
    "exclude_table_data": (),
    "attachments": (),
    "fingerprint": "marked",
    "min_copies": None,
    "missing_tables": "warn",
    "lock_timeout": 60,
    "if_running": "fail",
    "adopt": None,
}
"""Of the options of ``pg_backup`` that the restore itself has no value for. Its own ``adopt`` is about the set: what is
replaced may be another database, which belongs under another label.
"""


def check_safety(request: RestoreRequest, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters of the backup, checked as far as that goes without touching the world; None for no backup."""
    if request.safety_backup is None:
        return None
    given = {name: value for name, value in request.safety_backup.items() if value is not None}
    names = given.pop("locations", None)
    label = given.pop("label", request.label)
    locations = [one for one in params["locations"] or () if names is None or one["name"] in names]
    if label is None or not locations:
        raise ConfigError(STEP, "safety_backup needs a label and at least one of the locations")
    backup = {
        **params,
        **DEFAULTS,
        **given,
        "kind": "pre_restore",
        "label": label,
        "environment": request.expect_environment or None,
        "locations": locations,
    }
    parse_backup(backup)
    return backup


def make_safety_backup(backup: Mapping[str, Any], plan: RestorePlan) -> dict[str, Any]:
    """Back the target up before it is changed; return the backup's result.

    :return: what pg_backup reports.
    :raises BackupError: there is nothing to back up, or it failed; nothing was changed.
    """
    if plan.target.database is None:
        raise ConfigError(
            "make the safety backup",
            f"there is no database {plan.target.name!r} yet",
            hint="leave safety_backup out: nothing can be lost",
        )
    return run_pg_backup(backup, check_mode=False)
