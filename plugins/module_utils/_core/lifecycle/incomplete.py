"""What was done in some of a set's locations, and failed in others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backupset.naming import SetId
from ..errors import BackupError, ReportedError


class LocationsFailed(ReportedError):
    """Not all locations could be dealt with; the others were."""


def refuse_incomplete(
    step: str, set_id: SetId, errors: Sequence[BackupError | None], report: dict[str, Any], *, check_mode: bool
) -> None:
    """Raise :class:`LocationsFailed` where a location failed.

    :param errors: one for each location; None where nothing went wrong.
    """
    failed = [error for error in errors if error is not None]
    if failed:
        done = "" if check_mode else "the others are done and nothing is lost; "
        raise LocationsFailed(
            step,
            f"{len(failed)} of {len(errors)} locations failed: {'; '.join(map(str, failed))}",
            report,
            hint=f"{done}run it again with backup: {set_id} to finish",
        )
