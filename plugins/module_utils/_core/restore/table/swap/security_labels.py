"""Security labels: a server takes one only while the library of its provider is loaded, which pg_dump does not need."""

from __future__ import annotations

import re

from ....errors import PreflightError, SourceError
from ....postgres.names import IDENTIFIER
from ..session import LockedError, Session
from ..target import Target
from .dependents import Dependents
from .statements import split_statements

STEP = "check the security labels"
_LABEL = "SECURITY LABEL"
_PROVIDER = re.compile(rf"SECURITY LABEL FOR ({IDENTIFIER}) ON ")


def check_labels(session: Session, plan: Dependents, target: Target) -> None:
    """Set every label that is carried over once more where it is, and undo that.

    :raises PreflightError: the server does not take one.
    """
    for entry in plan.carried:
        if entry.desc == _LABEL:
            for statement in split_statements(entry.defn):
                _check(session, statement, entry.tag, target)


def _check(session: Session, statement: str, labelled: str, target: Target) -> None:
    session.execute("SAVEPOINT mobul_label")
    try:
        with session.at(STEP):
            session.execute(statement)
    except LockedError:
        raise
    except SourceError as error:
        match = _PROVIDER.match(statement)
        provider = match[1] if match else "an unknown provider"
        raise PreflightError(
            STEP,
            f"strategy swap cannot carry over the security label for {provider} on {labelled}, which is or depends on "
            f"{target.name}: {error.message}",
            hint=f"load the library of {provider} in the sessions of this role (session_preload_libraries), or use "
            "strategy: merge or replace; nothing was touched",
        ) from None
    session.execute("ROLLBACK TO SAVEPOINT mobul_label")
    session.execute("RELEASE SAVEPOINT mobul_label")
