"""Something done at one statement of a restore of a table: for walks through all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.session import Session

Action = Callable[[Session], None]


class Walk:
    """Does something just before one statement of each run.

    :ivar statements: those of the run, as far as it has come.
    :ivar statement: the one before which it was done.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.statement = ""
        self._at: int | None = None
        self._action: Action | None = None
        original = Session.execute

        def execute(session: Session, statement: Any, parameters: Any = None) -> Any:
            self.statements.append(str(statement))
            if len(self.statements) == self._at and self._action is not None:
                action, self._action, self.statement = self._action, None, str(statement)
                action(session)
            return original(session, statement, parameters)

        monkeypatch.setattr(Session, "execute", execute)

    def arm(self, at: int | None = None, action: Action | None = None) -> None:
        """Begin to count anew, and do *action* before the statement *at*, the first being 1."""
        self.statements, self.statement, self._at, self._action = [], "", at, action
