"""A restore puts nothing of one database in the place of another's, unless that is said."""

from __future__ import annotations

from ..backupset.manifest import Manifest
from ..catalogue.identity import STEP, Identity, is_adopted
from ..errors import ConfigError


def refuse_other(
    manifest: Manifest, there: Identity, adopt: str | None, *, any_name: bool = False, missing: str | None = None
) -> list[str]:
    """Refuse a set of another database than the one that is connected to.

    :param adopt: the system identifier of the server that the set is of, where another one is meant.
    :param any_name: the caller has looked at the names.
    :param missing: what is not there, so that nothing is replaced and a set of any server will do.
    :return: a warning where it is another one, and meant.
    :raises ConfigError: it is another one; nothing was touched.
    """
    origin = Identity.of(manifest.database)
    here = Identity(origin.name if any_name else there.name, there.system if missing is None else None)
    if not origin.is_other(here):
        return []
    message = f"{manifest.id} is of database {origin}, and this is {there}"
    if is_adopted(origin, adopt):
        return [message]
    if missing is not None:
        message = f"there is no {missing} in the database {there.name!r}, and the backup is of {origin.name!r}"
    raise ConfigError(
        STEP,
        message,
        hint="nothing was touched; are the label, the host and login_db right? If this set is meant all the same, "
        f"after an upgrade or a move for example, say adopt: '{origin.adopted_as}' (backup_adopt)",
    )
