"""The one tree of errors of the product.

Every error names the step that failed, says what is wrong and, where it can, what to do next. None of them
ever carries a secret: whoever raises one puts in only what may be shown to a person and written to a log. Foreign texts
in them are made visible (:func:`texts.visible`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

from .texts import visible

_Located = TypeVar("_Located", bound="LocationError")


class BackupError(Exception):
    """The base class of all errors that end an operation with a message.

    :param step: what was being done, as a person would say it: ``"check the locations"``.
    :param message: what is wrong, naming the object.
    :param hint: what to do next.
    :ivar report: what a module returns beside the message, where there is something to tell.
    :ivar changed: whether something was changed for good before, see :func:`after_change`.
    """

    report: dict[str, Any] | None = None
    changed = False

    def __init__(self, step: str, message: str, *, hint: str | None = None) -> None:
        self.step = visible(step)
        self.message = visible(message)
        self.hint = None if hint is None else visible(hint)
        self._added: list[str] = []
        super().__init__(self.step, self.message, self.hint)

    def __str__(self) -> str:
        text = f"{self.step}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text

    def add(self, text: str) -> None:
        """Say one thing more, which came to light while the failure was dealt with."""
        self._added.append(visible(text))
        self.message = f"{self.message}; {self._added[-1]}"
        self.args = (self.step, self.message, self.hint)

    def explain(self, message: str, hint: str) -> None:
        """Say what the failure comes of, in the place of what it looked like; what was added stays."""
        self.message, self.hint = "; ".join([visible(message), *self._added]), visible(hint)
        self.args = (self.step, self.message, self.hint)


class ReportedError(BackupError):
    """The operation went to its end, and not all is as it was to be.

    :param report: of everything, also of what is right.
    """

    def __init__(self, step: str, message: str, report: dict[str, Any], *, hint: str | None = None) -> None:
        super().__init__(step, message, hint=hint)
        self.report = report


class ConfigError(BackupError):
    """What the caller asked for cannot be right; nothing was touched."""


class PreflightError(BackupError):
    """The world does not allow what was asked; nothing was touched."""


class SourceError(BackupError):
    """The stream of data broke: a server, a program or a file failed while it was read."""


class CryptoError(BackupError):
    """A file is not authentic, not of the format it claims, or no key fits."""


class FormatError(BackupError):
    """Data do not follow the format that they should have."""


class LocationError(BackupError):
    """A location refused or failed.

    :param location: the location's name in the inventory.
    :param transient: whether the same request may succeed later.
    :ivar taken: whether the object's name belongs to somebody else's object, which must be left alone.
    """

    taken = False

    def __init__(
        self, location: str, step: str, message: str, *, hint: str | None = None, transient: bool = False
    ) -> None:
        super().__init__(step, f"location '{location}': {message}", hint=hint)
        self.location = location
        self.transient = transient


def missing_cryptography(step: str, error: ImportError) -> PreflightError:
    """The error of a step that needs the library ``cryptography``, which cannot be imported."""
    return PreflightError(
        step,
        f"the Python library cryptography cannot be imported: {error}",
        hint="install cryptography >= 41 for the Python that runs the module",
    )


def name_taken(error: _Located) -> _Located:
    """*error*, marked as that of a writer whose name belongs to somebody else's object."""
    error.taken = True
    return error


class Cancelled(BackupError):
    """Another part of the same operation failed first; this one was told to stop."""

    def __init__(self, step: str = "pipeline") -> None:
        super().__init__(step, "cancelled because another part of the operation failed")


@contextlib.contextmanager
def after_change(changed: bool = True) -> Iterator[None]:
    """Mark what is raised within the block: something was changed for good before, and stays so.

    :param changed: False for a block before which nothing was.
    """
    try:
        yield
    except BackupError as error:
        error.changed = error.changed or changed
        raise
