"""What pg_restore complains of: which errors do no harm, known by name and never all of a kind; what the others say.

A role that is no superuser owns neither the schema public nor the extensions that the server itself brought into a
new database, so that it cannot comment on them; a dump of an older server makes the schema public, which every
new database has; and a pg_restore that is newer than the server switches off timeouts that the server does not have.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ...errors import BackupError
from ...postgres.archive import Toc, object_name
from ...postgres.known_settings import without_unknown_errors
from ...postgres.messages import without_values
from ...texts import bounded_list
from .comparing import Difference
from .expected_differences import without_data

_ENTRY = re.compile(r"^pg_restore: (?:while|from) TOC entry (\d+);", re.MULTILINE)
_ERROR = re.compile(
    r'^pg_restore: error: (?!could not execute query|COPY failed for table "[^"\n]*": ERROR: )'
    r"|ERROR: +(?P<message>[^\n]*)",
    re.MULTILINE,
)
_IGNORED = re.compile(r"^pg_restore: warning: errors ignored on restore: (\d+)$", re.MULTILINE)
_HARMLESS = (
    (re.compile(r"SCHEMA public"), re.compile(r'schema "public" already exists')),
    (re.compile(r"COMMENT SCHEMA public"), re.compile(r"must be owner of schema public")),
    (re.compile(r"COMMENT EXTENSION .*", re.DOTALL), re.compile(r"must be owner of extension .*")),
)
"""What an entry is called, and what the server says of it."""
_NOT_FOUND = re.compile(r"(?:function|operator|relation|type|schema) .* does not exist")
_NO_EXTENSION = re.compile(r'extension "[^"]*" is not available|could not open extension control file')


class ReplayError(BackupError):
    """An object of the backup cannot be made again from what pg_dump wrote of it: another backup would be no better."""


@dataclass(frozen=True)
class Complaint:
    """One error message of pg_restore, with the object that it is about.

    :param name: the object as the manifest names it.
    :param message: what the server said.
    """

    name: str
    message: str


class Complaints:
    """Judges what pg_restore complained of; safe for threads.

    :param expects: whether the object of a name may fail to be restored.
    :param unknown: settings that pg_restore switches off, and the server does not have.
    :param tolerant: whether anything at all may be overlooked; otherwise a restore is quicker, and stops at its first
        error.
    :ivar tolerated: what was overlooked.
    """

    def __init__(
        self, toc: Toc, expects: Callable[[str], bool], *, unknown: Collection[str] = (), tolerant: bool = True
    ) -> None:
        self.tolerated: list[Complaint] = []
        self.tolerant = tolerant
        self._toc = toc
        self._expects = expects
        self._unknown = unknown
        self._lock = threading.Lock()

    @classmethod
    def about(
        cls, toc: Toc, expected: Callable[[str], bool] | None, *, superuser: bool, unknown: Collection[str]
    ) -> Complaints:
        """What may be overlooked in a restore.

        :param expected: None where the caller expects nothing.
        :param superuser: whether the role of the restore is one.
        """
        makes_public = any(object_name(one) == "SCHEMA public" and "CREATE" in one.defn for one in toc.entries)
        tolerant = expected is not None or makes_public or not superuser or bool(unknown)
        return cls(toc, expected or _nothing, unknown=unknown, tolerant=tolerant)

    def tolerates(self, stderr: str) -> bool:
        """Whether all errors of one run of pg_restore may be ignored.

        :param stderr: all that one run of ``pg_restore --verbose`` wrote.
        """
        if not self.tolerant:
            return False
        stderr, unknown = self._without_unknown(stderr)
        found = self._read(stderr)
        ignored = _IGNORED.search(stderr)
        if found is None or ignored is None or len(found) + unknown != int(ignored[1]):
            return False
        if not all(self._harmless(one) for one in found):
            return False
        with self._lock:
            self.tolerated += found
        return True

    def explain(self, step: str, stderr: str) -> ReplayError | None:
        """What could not be restored, by name, and what to do about it; None where that cannot be told."""
        stderr, _unknown = self._without_unknown(stderr)
        found = [one for one in self._read(stderr) or () if not self._harmless(one)]
        if not found:
            return None
        messages = [f"{one.name}: {without_values(one.message)}" for one in found]
        return ReplayError(step, bounded_list(messages, limit=4), hint=_advice(found[0]))

    def _without_unknown(self, stderr: str) -> tuple[str, int]:
        """Without what comes of settings, which is before any entry: what is quoted behind that is the archive's."""
        first = _ENTRY.search(stderr)
        end = len(stderr) if first is None else first.start()
        before, count = without_unknown_errors(stderr[:end], self._unknown)
        return before + stderr[end:], count

    def _read(self, stderr: str) -> list[Complaint] | None:
        """The errors with their objects; None where some cannot be told apart."""
        marks = list(_ENTRY.finditer(stderr))
        found = []
        for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(stderr)], strict=False):
            entry = self._toc.by_id.get(int(mark[1]))
            errors = list(_ERROR.finditer(stderr, mark.end(), end))
            if entry is None or any(error["message"] is None for error in errors):
                return None
            found += [Complaint(object_name(entry), error["message"]) for error in errors]
        return found if _ERROR.search(stderr, 0, marks[0].start() if marks else len(stderr)) is None else None

    def _harmless(self, one: Complaint) -> bool:
        if self._expects(one.name):
            return True
        return any(name.fullmatch(one.name) and error.fullmatch(one.message) for name, error in _HARMLESS)


def divide(
    differences: Sequence[Difference], expects: Callable[[str], bool], tolerated: Sequence[Complaint]
) -> tuple[list[Difference], list[Difference]]:
    """Those that nobody expects, and those that are expected or come of an error that was overlooked."""
    names = {name for one in tolerated for name in (one.name, without_data(one.name))}
    known = [one for one in differences if one.name in names or expects(one.name)]
    return [one for one in differences if one not in known], known


def _nothing(_name: str) -> bool:
    return False


def _advice(one: Complaint) -> str:
    expected = f"expected_differences: ['{one.name}'] restores everything else"
    if _NO_EXTENSION.search(one.message):
        return f"install the extension on this server; or {expected}"
    if "nothing is sent here" in one.message:
        return f"outbound: active allows the call; or {expected}"
    if _NOT_FOUND.search(one.message):
        return (
            "if the database has it, it is found by a search_path only, which a dump does not set: "
            f"entry_search_path: {{'{without_data(one.name)}': [public]}} gives it one, {expected}; "
            "for later backups ALTER FUNCTION ... SET search_path at the source"
        )
    return f"{expected}; restore-by-hand.md says how to make the object"
