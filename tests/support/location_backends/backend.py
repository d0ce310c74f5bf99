"""What the suite of all locations needs to know of one kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Backend:
    """A store that stands ready, with an empty place in it.

    :param options: the location of that place, as a user writes it.
    :param missing: a location of the same type whose root (bucket, remote, parent directory) does not exist.
    :param stored: the paths below the root of everything that somebody sees who looks into the store without our
        code, unfinished things included.
    """

    options: dict[str, object]
    missing: dict[str, object]
    stored: Callable[[], set[str]]


Maker = Callable[[pytest.FixtureRequest], AbstractContextManager[Backend]]
"""What a file of this directory lists under a name of its choice in its ``BACKENDS``.

It may ask the request for fixtures of session scope.
"""
