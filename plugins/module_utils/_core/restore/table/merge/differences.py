"""How the rows of a table differ from those of a backup, which check mode tells."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ....errors import PreflightError
from ..columns import Matching
from ..rights import Needed, check_rights
from ..session import Session
from ..source.sources import Backup
from ..target import Target
from .merge import Counts, Merge


def find_differences(session: Session, target: Target, matching: Matching, backup: Backup) -> Counts | None:
    """Compare them; None where the role may make no temporary table, as the backup's rows are loaded into one.

    :raises BackupError: the rows cannot be loaded.
    """
    try:
        check_rights(session, Needed(in_database=("TEMPORARY",)))
    except PreflightError:
        return None
    merge = Merge(session, target, matching, delete_extra=True, missing_only=False)
    merge.stage(backup)
    return merge.differences()


def report_differences(differences: Counts | None) -> dict[str, Any]:
    """What the module returns of them; nothing where they were not looked for."""
    return {} if differences is None else {"differences": asdict(differences)}


def describe_differences(counts: Counts | None) -> list[str]:
    """One line for a person; none where it is not known."""
    if counts is None:
        return []
    if not counts.changed:
        return ["no row differs from the backup"]
    total = counts.inserted + counts.updated + counts.deleted
    return [
        f"{total} rows differ from the backup: {counts.inserted} are missing, {counts.updated} have other values, "
        f"{counts.deleted} are not in the backup"
    ]
