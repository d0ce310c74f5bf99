"""What a backup has with a table that is there, and the database has not."""

from __future__ import annotations

from ...postgres.archive import Toc
from ...texts import bounded_list
from .dropped.lost_objects import Present, missing_around
from .source.sources import Backup
from .target import Target


def describe_missing(backup: Backup, target: Target, present: Toc) -> list[str]:
    """A warning where the backup has more with the table: it may have been dropped, and made anew without that.

    :param present: what the database has.
    """
    if backup.toc is None:
        return []
    missing = missing_around(backup.toc, target.table, Present(present, loose=True))
    if not missing:
        return []
    message = f"{backup.name} has with {target.name} what the database has not, and a swap does not make: "
    return [f"{message}{bounded_list(missing)} (to bring it back, rename the table and run again)"]
