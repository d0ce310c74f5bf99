"""What a set says of tables whose rows it was made without, on purpose."""

from __future__ import annotations

from collections.abc import Collection

from ..backupset.manifest import Manifest
from ..errors import PreflightError
from ..postgres.names import TableName, display_name
from ..texts import bounded_list


def describe_left_out(manifest: Manifest) -> str:
    """Which tables these are, for a person; "" where there are none."""
    names = list(map(display_name, manifest.left_out))
    return f"made without the rows of {bounded_list(names)}, on purpose" if names else ""


def refuse_left_out(manifest: Manifest, tables: Collection[TableName], step: str) -> None:
    """Refuse to take rows of *tables* from a set that was made without some of them.

    :raises PreflightError: naming them.
    """
    names = [display_name(table) for table in manifest.left_out if table in tables]
    if names:
        raise PreflightError(
            step,
            f"{manifest.id} was made without the rows of {bounded_list(names)}, on purpose",
            hint="take a set from before exclude_table_data had them; nothing was touched",
        )
