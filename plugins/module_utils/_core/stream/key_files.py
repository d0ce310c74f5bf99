"""Keys that are given as text or as the path of a file: which of both it is, without showing what may be a secret."""

from __future__ import annotations

import os
import re

from ..errors import ConfigError
from .files import RegularFile

MAX_BYTES = 1024 * 1024
"""Of a file with keys no more is read."""

# Neither base64 nor the alphabets of keys have a dot, and in none of them does a text begin with a name that is a
# directory's here.
_PATH = re.compile(r"(?:~[^/]*|\.{0,2})/(?:.*/)?[^/]+\.[A-Za-z][A-Za-z0-9_-]{0,15}")
_BEGINNING = re.compile(r"(?:\.{0,2}/)?[^/]{3,}/")
_LONGEST = 4096


def path_of(given: str) -> str | None:
    """The path that *given* is; None for what might as well be a key, which nobody may be shown.

    A path is what is there, what begins with a directory that is there, and what is rooted and ends as files' names
    do: ``/root/keys/ops.agekey``.
    """
    text = given.strip()
    path = os.path.expanduser(text)
    if not path or len(path) > _LONGEST or not text.isprintable():
        return None
    if os.path.lexists(path) or _PATH.fullmatch(text):
        return path
    beginning = _BEGINNING.match(path)
    return path if beginning and os.path.isdir(beginning[0]) else None


def read_key_file(path: str, step: str, what: str) -> bytes:
    """The first :data:`MAX_BYTES` of the file.

    :param what: was given as *path*, for errors.
    :raises ConfigError: says which part of the path is not there, or what keeps the file from being read.
    """
    try:
        with RegularFile(path, step=step) as file:
            return file.read_at(0, MAX_BYTES)
    except ConfigError as error:
        missing = _missing(path)
        if missing is None:
            readable = "let the user that runs the module read it, and nobody else"
            message, hint = error.message, readable if os.path.isfile(path) else "give the path of the key's file"
        else:
            message = f"there is no file {path}" + ("" if missing == path else f": {missing} is not there")
            hint = "correct the path, which is one on the host that runs the module"
        raise ConfigError(step, f"{what}: {message}", hint=hint) from error


def _missing(path: str) -> str | None:
    """The first part of *path* that is not there; None where all of it is."""
    parts = os.path.abspath(path).split(os.sep)
    for count in range(2, len(parts) + 1):
        if not os.path.exists(found := os.sep.join(parts[:count])):
            return path if count == len(parts) else found
    return None
