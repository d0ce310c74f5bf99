"""Scripts of SQL that call out: what they do by themselves is found, what they make is silent until all of it is there.

Nobody can say beforehand what a script's statements make the server do. So each function is muted before a statement
that may call it, and is its own again where the script says something about functions, and at its end. What cannot do
without a call raises an error then, which ends the restore.
"""

from __future__ import annotations

import re

from ...errors import BackupError
from ..outbound.forecast import how_it_calls, is_callable_out
from ..outbound.muting import giving_back_script, muting_script
from .script_statements import ScriptStatements

HINT = "outbound: active (restore_outbound) allows all calls"
_DEFINING = re.compile(
    r"(?:CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|EXTENSION)|ALTER (?:FUNCTION|PROCEDURE|ROUTINE|EXTENSION)|DROP)\b"
)
_CALLING_NOBODY = re.compile(
    r"(?:SET|RESET|SHOW|COMMENT|GRANT|REVOKE|SECURITY|BEGIN|START|COMMIT|END|ROLLBACK|ABORT|LOCK"
    r"|ALTER (?:SCHEMA|TYPE|SEQUENCE|VIEW|DEFAULT|PUBLICATION|SERVER|AGGREGATE|OPERATOR|DATABASE|POLICY)"
    r"|CREATE (?:OR REPLACE )?(?:SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|AGGREGATE|OPERATOR|CAST|COLLATION|SERVER|USER|FOREIGN"
    r"|PUBLICATION|SUBSCRIPTION|TRIGGER|RULE|POLICY|TEXT))\b"
)
_ACTING = re.compile(r"(?:CALL|COPY|DELETE|DO|EXECUTE|EXPLAIN|INSERT|MERGE|PREPARE|SELECT|UPDATE|VALUES|WITH)\b")
_SUBSCRIPTION = "CREATE SUBSCRIPTION"
_UNCONNECTED = re.compile(r"\bconnect\s*=\s*'?(?:false|off|no|0)\b")
_REFUSED = ("nothing is sent here", "access to non-system foreign table")
"""With which the server tells of a call that is not made."""
# Whoever hears of definitions does not hear of these; only a superuser has such triggers, who may set it.
_UNHEARD = """
DO LANGUAGE plpgsql $mobul$ BEGIN
  PERFORM pg_catalog.set_config('mobul.replication', pg_catalog.current_setting('session_replication_role'), true),
          pg_catalog.set_config('session_replication_role', 'replica', true);
EXCEPTION WHEN insufficient_privilege THEN NULL; END $mobul$;
"""
_HEARD = """
DO LANGUAGE plpgsql $mobul$ BEGIN
  IF pg_catalog.current_setting('mobul.replication', true) <> '' THEN
    PERFORM pg_catalog.set_config('session_replication_role', pg_catalog.current_setting('mobul.replication'), true);
  END IF;
END $mobul$;
"""
# The script may end transactions; what is muted is remembered beyond them.
_MUTE = f"""{_UNHEARD}{muting_script(raising=True, needed=())}
SELECT pg_catalog.set_config('mobul.kept', pg_catalog.current_setting('mobul.muted'), false);{_HEARD}"""
_GIVE_BACK = f"""{_UNHEARD}
SELECT pg_catalog.set_config('mobul.muted', pg_catalog.current_setting('mobul.kept'), true);{giving_back_script()}
SELECT pg_catalog.set_config('mobul.kept', '', false);{_HEARD}"""


class ActsOfScript(ScriptStatements):
    """Finds the statements that call out when they are executed.

    :ivar found: how they do, each once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def after(self, head: str, text: bytes) -> None:
        """See :meth:`ScriptStatements.after`."""
        why = None
        if head.startswith(_SUBSCRIPTION):
            connects = not _UNCONNECTED.search(text.decode("latin-1").lower())
            why = f"{_SUBSCRIPTION} that connects to its publisher" if connects else None
        elif _ACTING.match(head):
            why = how_it_calls(text.decode("latin-1"))
        if why is not None and why not in self.found:
            self.found.append(why)


class QuietScript(ScriptStatements):
    """Puts between a script's statements what keeps all functions from calling out, as a transform.

    :param within: whether a transaction is there from the beginning, which the script does not end.
    """

    name = "calls"

    def __init__(self, *, within: bool) -> None:
        super().__init__()
        self._within_transaction = within
        # A new database has none at the beginning.
        self._calling = within
        self._muted = False

    def before(self, head: str) -> bytes:
        """See :meth:`ScriptStatements.before`."""
        if _DEFINING.match(head):
            return self._given_back()
        if self._muted or not self._calling or _CALLING_NOBODY.match(head):
            return b""
        self._muted = True
        return self._in_transaction(_MUTE)

    def after(self, head: str, text: bytes) -> None:
        """See :meth:`ScriptStatements.after`."""
        first = head.partition(" ")[0]
        if first in ("BEGIN", "START"):
            self._within_transaction = True
        elif first in ("ABORT", "COMMIT", "END") or (first == "ROLLBACK" and " TO" not in head):
            self._within_transaction = False
        elif not self._calling and _DEFINING.match(head):
            self._calling = is_callable_out(text.decode("latin-1"))

    def finalize(self) -> bytes:
        """See :meth:`ScriptStatements.finalize`."""
        # The last statement may have no end.
        return super().finalize() + (b"\n;\n" if self._muted else b"") + self._given_back()

    def _given_back(self) -> bytes:
        if not self._muted:
            return b""
        self._muted = False
        return self._in_transaction(_GIVE_BACK)

    def _in_transaction(self, statements: str) -> bytes:
        # In one line, so that what psql says of lines is right.
        whole = statements if self._within_transaction else f"BEGIN;{statements}COMMIT;"
        return whole.replace("\n", " ").encode()


def explained(error: BackupError) -> BackupError:
    """The error of a script with what to do where it is about a call."""
    if any(words in error.message for words in _REFUSED):
        error.hint = f"it would call out while it is loaded: {HINT}"
    return error
