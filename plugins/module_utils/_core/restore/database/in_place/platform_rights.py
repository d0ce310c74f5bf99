"""What a team has said of the platform's own objects: grants, default privileges, comments.

Such an object stays as it is, and what is said of it becomes what the backup says, as far as the role may do that.
Where the platform has changed the object itself, by another version, what it says of its own roles stays with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from ....platforms.profile import Profile
from ....postgres.archive import Toc, TocEntry, object_digest, object_name
from ....postgres.names import unquote
from ....postgres.types import Composable
from ..globals_script import split_statements

_RIGHTS = ("ACL", "DEFAULT ACL")
_WORDS = ("COMMENT", "SECURITY LABEL")
_NAME = r'"(?:[^"]|"")+"|[^\s";]+'
_BY_ANOTHER = re.compile(rf"RESET SESSION AUTHORIZATION|SET SESSION AUTHORIZATION ({_NAME})")
_GIVEN = re.compile(
    rf"(?P<begin>ALTER DEFAULT PRIVILEGES .*? )?(?P<verb>GRANT|REVOKE) (?P<what>.*) (?:TO|FROM) (?P<whom>{_NAME})"
    r"(?: WITH GRANT OPTION)?",
    re.DOTALL,
)
_EVERYBODY = "PUBLIC"
# All of one object or nothing: a right that was taken away comes back if another cannot be given.
_LENIENTLY = """
DO LANGUAGE plpgsql $mobul$
DECLARE
  one jsonb;
  statement text;
BEGIN
  FOR one IN SELECT pg_catalog.jsonb_array_elements(pg_catalog.current_setting('mobul.rights')::pg_catalog.jsonb) LOOP
    BEGIN
      FOR statement IN SELECT pg_catalog.jsonb_array_elements_text(one) LOOP
        EXECUTE statement;
      END LOOP;
    EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation OR undefined_object THEN
      NULL;
    END;
  END LOOP;
END $mobul$;
"""


@dataclass(frozen=True)
class PlatformRights:
    """What is to be said anew.

    :param entries: of the backup, none of which is carried out with the others.
    :param statements: of one object each.
    """

    entries: tuple[TocEntry, ...] = ()
    statements: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The entries' names in the form of differences."""
        return frozenset(map(object_name, self.entries))

    @property
    def ids(self) -> frozenset[int]:
        """The dump ids of the entries."""
        return frozenset(one.dump_id for one in self.entries)

    def apply(self) -> Iterator[Composable]:
        """The statements to run after all objects are created."""
        from psycopg2 import sql

        if self.statements:
            statements = json.dumps(self.statements, ensure_ascii=False)
            yield sql.SQL("SET LOCAL mobul.rights TO {};\n").format(sql.Literal(statements))
            yield sql.SQL(_LENIENTLY)


NO_RIGHTS = PlatformRights()


def plan_rights(
    profile: Profile, backup: Toc, present: Toc, role: str, lacking: Callable[[Collection[str]], Collection[str]]
) -> PlatformRights:
    """Find out what is said of what is there in another way than in the backup.

    :param present: what the database has.
    :param role: the session's, in whose name alone it can give rights that it has from others.
    :param lacking: those of some roles that the session cannot act for.
    """
    owners = {one.owner for toc in (backup, present) for one in toc.entries if one.desc in _RIGHTS}
    plan = _Rights(profile, backup, present, role, lacking(owners))
    said = [one for one in backup.entries if plan.is_said(one, backup, of_users=True)]
    names = {object_name(one) for one in said}
    gone = [
        one
        for one in present.entries
        if one.desc in _RIGHTS and object_name(one) not in names and plan.is_said(one, present, of_users=False)
    ]
    found = [*map(plan.said, said), *map(plan.unsaid, gone)]
    return PlatformRights(tuple(said), tuple(one for one in found if one))


class _Rights:
    def __init__(self, profile: Profile, backup: Toc, present: Toc, role: str, strange: Collection[str]) -> None:
        self._profile = profile
        self._backup = backup
        self._present = present
        self._role = role
        self._strange = frozenset(strange)
        self._there = {object_name(one): one for one in present.entries}
        self._made = {object_name(one): one for one in backup.entries}

    def is_said(self, entry: TocEntry, toc: Toc, *, of_users: bool) -> bool:
        """Whether it is about an object of the platform that is there, or what users have hung on one."""
        if entry.desc not in (*_RIGHTS, *_WORDS):
            return False
        objects = _objects(entry, toc)
        if of_users and any(map(self._profile.is_on_platform, objects)):
            return entry.desc in _WORDS
        return self._profile.has(entry) and all(object_name(one) in self._there for one in objects)

    def said(self, entry: TocEntry) -> tuple[str, ...]:
        """The statements that give the rights of the dump; empty if they are given already."""
        there = self._there.get(object_name(entry))
        objects = _objects(entry, self._backup)
        if entry.desc in _WORDS:
            anew = any(map(self._profile.is_on_platform, objects))
            same = there is not None and object_digest(there) == object_digest(entry)
            return (entry.defn,) if anew or (not same and self._are_same(objects)) else ()
        if there is not None and object_digest(there) == object_digest(entry):
            return ()
        return self._between(entry, "" if there is None else there.defn, entry.defn, objects)

    def unsaid(self, entry: TocEntry) -> tuple[str, ...]:
        """The same for rights of which the backup has no word."""
        return self._between(entry, entry.defn, "", _objects(entry, self._present))

    def _are_same(self, objects: Sequence[TocEntry]) -> bool:
        """Whether objects are defined in the database as in the backup."""
        pairs = ((self._there.get(name), self._made.get(name)) for name in map(object_name, objects))
        return all(there and made and object_digest(there) == object_digest(made) for there, made in pairs)

    def _between(self, entry: TocEntry, now: str, wanted: str, objects: Sequence[TocEntry]) -> tuple[str, ...]:
        """From what is said of an object to what is wanted; nothing where not all of it is understood."""
        there, backup = self._parsed(now), self._parsed(wanted)
        if there is None or backup is None:
            return ()
        (by_owner, by_role), (wanted_by_owner, wanted_by_role) = there, backup
        if entry.owner in self._strange:
            # What is the owner's it cannot take back, and give only to roles of the users', in its own name.
            given = {one[0] for one in by_owner}
            before = by_role
            after = [one for one in wanted_by_owner if self._is_users(one) and one[0] not in given]
            after = [one for one in after if one["verb"] == "GRANT"] + wanted_by_role
        else:
            before, after = by_owner + by_role, wanted_by_owner + wanted_by_role
        if not self._are_same(objects):
            before, after = ([one for one in rights if self._is_users(one)] for rights in (before, after))
        kept = {one[0] for one in after}
        if {one[0] for one in before} == kept:
            return ()
        return (*(_undo(one) for one in reversed(before) if one[0] not in kept), *(one[0] for one in after))

    def _parsed(self, text: str) -> tuple[list[re.Match[str]], list[re.Match[str]]] | None:
        """The statements by the object's owner, and those by this role; None where one is not understood."""
        by_owner: list[re.Match[str]] = []
        by_role: list[re.Match[str]] = []
        grantor = None
        for statement in split_statements(text):
            match = _GIVEN.fullmatch(statement)
            if by := _BY_ANOTHER.fullmatch(statement):
                grantor = None if by[1] is None else unquote(by[1])
            elif match is None:
                return None
            elif grantor in (None, self._role):
                (by_owner if grantor is None else by_role).append(match)
        return by_owner, by_role

    def _is_users(self, statement: re.Match[str]) -> bool:
        whom = statement["whom"]
        return whom != _EVERYBODY and not self._profile.is_reserved(unquote(whom))


def _undo(statement: re.Match[str]) -> str:
    begin, what, whom = statement["begin"] or "", statement["what"], statement["whom"]
    if statement["verb"] == "GRANT":
        return f"{begin}REVOKE {what} FROM {whom} CASCADE"
    return f"{begin}GRANT {what} TO {whom}"


def _objects(entry: TocEntry, toc: Toc) -> Sequence[TocEntry]:
    return [toc.by_id[dump_id] for dump_id in entry.dependencies if dump_id in toc.by_id]
