"""Whose the sets of a label are: one database's and no other's, unless somebody says that two are the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..backupset.manifest import Database
from ..backupset.naming import SetId
from ..errors import ConfigError
from .all_locations import Catalogue
from .loading import LoadedSet
from .selector import is_ahead

STEP = "check the label"


@dataclass(frozen=True)
class Identity:
    """The identity of a database: the server's system identifier and the database's name.

    :param name: of the database.
    :param system: PostgreSQL's identifier of the cluster, in decimal digits: always a text, as it has more of them than
        a number in JSON keeps everywhere. A standby has its primary's. None where the role may not read it.
    """

    name: str
    system: str | None

    @classmethod
    def of(cls, database: Database) -> Identity:
        """The identity that a manifest records."""
        return cls(database.name, database.system_identifier)

    def is_other(self, than: Identity) -> bool:
        """Whether this is another database; where one of them knows no system identifier, the names decide."""
        known = self.system is not None and than.system is not None
        return self.name != than.name or (known and self.system != than.system)

    @property
    def adopted_as(self) -> str:
        """What ``adopt`` calls it: the system identifier, or the database's name where there is none."""
        return self.system or self.name

    def __str__(self) -> str:
        system = "unknown" if self.system is None else self.system
        return f"{self.name!r} (system identifier {system})"


def is_adopted(identity: Identity, adopt: str | None) -> bool:
    """Whether ``adopt`` names it: then its sets are this database's, too."""
    return adopt is not None and adopt.strip() == identity.adopted_as


def refuse_other(label: str, own: Identity, previous: LoadedSet | None, adopt: str | None) -> list[str]:
    """Refuse to add to the sets of another database.

    :param own: the database that is to be backed up.
    :param previous: the newest set of the label, proven as far as there are keys.
    :return: a warning where the other one's sets are adopted, for the manifest to tell of it.
    :raises ConfigError: the label is another database's.
    """
    if previous is None or not own.is_other(found := Identity.of(previous.manifest.database)):
        return []
    if is_adopted(found, adopt):
        return [f"the label's sets up to {previous.id} are of database {found}, and were adopted"]
    raise ConfigError(
        STEP,
        f"the label '{label}' belongs to another database: its last set, {previous.id}, is of {found}, "
        f"and this is {own}",
        hint="give one of the two another label (backup_label); if they are the same database, after an upgrade, a "
        f"move or a renaming, say so: adopt: '{found.adopted_as}' (backup_adopt)",
    )


@dataclass(frozen=True)
class Row:
    """A run of successive sets that are of one database.

    :param first: the oldest of them, as *last* is the newest.
    """

    identity: Identity
    first: SetId
    last: SetId
    sets: int = 1


def databases_of(catalogue: Catalogue, adopt: str | None = None) -> list[Row]:
    """The databases that a label's sets are of, in the order of time.

    With keys, only proven sets count. Those from the future do not count: a wrong clock has put them there.

    :param adopt: sets of this one are not counted.
    """
    identities = (
        (one.id, Identity(*whose))
        for one in catalogue.finished
        if not is_ahead(one.id)
        for whose in dict.fromkeys(
            (copy.summary.database, copy.summary.system_identifier)
            for copy in one.copies.values()
            if copy.summary is not None
        )
    )
    return rows((set_id, identity) for set_id, identity in identities if not is_adopted(identity, adopt))


def rows(identities: Iterable[tuple[SetId, Identity]]) -> list[Row]:
    """The same of sets, oldest first, and what each of them tells."""
    found: list[Row] = []
    for set_id, identity in identities:
        if not found or identity.is_other(found[-1].identity):
            found.append(Row(identity, set_id, set_id))
            continue
        last = found[-1]
        known = identity if last.identity.system is None else last.identity
        found[-1] = Row(known, last.first, set_id, last.sets + 1)
    return found


@dataclass(frozen=True)
class Mixture:
    """A label in which sets of one database come before and after those of another.

    One change is an upgrade, a move or a renaming; a database that comes back was there all the time.
    """

    before: Row
    between: Row
    after: Row

    def __str__(self) -> str:
        return (
            f"the sets up to {self.before.last} and from {self.after.first} on are of database {self.after.identity}, "
            f"and {self.between.first} is of {self.between.identity}"
        )

    @property
    def remedy(self) -> str:
        """What the user can do about sets of two databases under one label."""
        return (
            "give one of the two another label (backup_label) and move its sets there; if they are the same database, "
            f"which moved there and back, say so: adopt: '{self.between.identity.adopted_as}' (backup_adopt)"
        )


def find_mixture(found: Iterable[Row]) -> Mixture | None:
    """The first case of a database that comes back, among :func:`rows`; None where there is none."""
    ended: dict[str, dict[str | None, Row]] = {}
    last: Row | None = None
    for row in found:
        systems = ended.get(row.identity.name, {})
        if row.identity.system is None:
            before = next(iter(systems.values()), None)
        else:
            before = systems.get(row.identity.system) or systems.get(None)
        if before is not None and last is not None:
            return Mixture(before, last, row)
        if last is not None:
            ended.setdefault(last.identity.name, {})[last.identity.system] = last
        last = row
    return None
