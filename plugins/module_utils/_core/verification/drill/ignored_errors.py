"""Which errors of pg_restore do no harm in a scratch database: known ones by name, never all of a kind.

A role that is no superuser owns neither the schema public nor the extensions that the server itself brought into a
new database, so that it cannot comment on them; and a dump of an older server makes the schema public, which every
new database has.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ...postgres.archive import Toc, object_name

_ENTRY = re.compile(r"^pg_restore: (?:while|from) TOC entry (\d+);", re.MULTILINE)
_ERROR = re.compile(r"^pg_restore: error: (?!could not execute query)|ERROR: +(?P<message>[^\n]*)", re.MULTILINE)
_IGNORED = re.compile(r"^pg_restore: warning: errors ignored on restore: (\d+)$", re.MULTILINE)
_HARMLESS = (
    (re.compile(r"SCHEMA public"), re.compile(r'schema "public" already exists')),
    (re.compile(r"COMMENT SCHEMA public"), re.compile(r"must be owner of schema public")),
    (re.compile(r"COMMENT EXTENSION .*", re.DOTALL), re.compile(r"must be owner of extension .*")),
)
"""What an entry is called, and what the server says of it."""


@dataclass(frozen=True)
class Forgiven:
    """An error that was overlooked.

    :param name: the object as the manifest names it.
    :param message: what the server said.
    """

    name: str
    message: str


class Forgiving:
    """Judges what pg_restore complained of; safe for threads.

    :param expects: whether the object of a name may fail to be restored.
    :ivar forgiven: what was overlooked.
    """

    def __init__(self, toc: Toc, expects: Callable[[str], bool]) -> None:
        self.forgiven: list[Forgiven] = []
        self._toc = toc
        self._expects = expects
        self._lock = threading.Lock()

    @classmethod
    def if_needed(
        cls, toc: Toc, expects: Callable[[str], bool], *, superuser: bool, expecting: bool
    ) -> Forgiving | None:
        """One where there may be something to forgive; otherwise a restore is quicker, and stops at its first error.

        :param superuser: whether the role of the restore is one.
        :param expecting: whether *expects* is true of anything.
        """
        makes_public = any(object_name(one) == "SCHEMA public" and "CREATE" in one.defn for one in toc.entries)
        return cls(toc, expects) if expecting or makes_public or not superuser else None

    def __call__(self, stderr: str) -> bool:
        """Whether every single one of its errors may be overlooked.

        :param stderr: all that one run of pg_restore wrote.
        """
        found = self._read(stderr)
        if found is None or not all(self._harmless(one) for one in found):
            return False
        with self._lock:
            self.forgiven += found
        return True

    def _read(self, stderr: str) -> list[Forgiven] | None:
        """The errors with their objects; None where some cannot be told apart."""
        ignored = _IGNORED.search(stderr)
        marks = list(_ENTRY.finditer(stderr))
        found = []
        for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(stderr)], strict=False):
            entry = self._toc.by_id.get(int(mark[1]))
            errors = list(_ERROR.finditer(stderr, mark.end(), end))
            if entry is None or any(error["message"] is None for error in errors):
                return None
            found += [Forgiven(object_name(entry), error["message"]) for error in errors]
        before = _ERROR.search(stderr, 0, marks[0].start() if marks else len(stderr))
        return found if ignored and before is None and len(found) == int(ignored[1]) else None

    def _harmless(self, one: Forgiven) -> bool:
        if self._expects(one.name):
            return True
        return any(name.fullmatch(one.name) and error.fullmatch(one.message) for name, error in _HARMLESS)
