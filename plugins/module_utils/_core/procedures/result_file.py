"""The file that a procedure's document is written to: checked before anything is done, and replaced as a whole."""

from __future__ import annotations

import os
import stat

from ..backupset.naming import signature_of
from ..backupset.signing import SigningKey
from ..documents.strict_json import MAX_UNPROVEN_BYTES
from ..errors import BackupError, ConfigError
from ..stream.files import RegularFile, ReplacingFileSink
from .document import Procedure

_CHECK_STEP = "check the options"
_STEP = "write the result"


def result_path(given: str, procedure: str, host: str, hosts: int) -> str | None:
    """Where the document of one database goes; None where nobody asked for a file.

    :param given: a file; or a directory, in which each database has a file of its own.
    :param hosts: how many databases the run has.
    :raises ConfigError: several databases would write into one file, or it cannot be written.
    """
    if not given:
        return None
    path = os.path.abspath(os.path.expanduser(given))
    if given.endswith("/") or os.path.isdir(path):
        path = os.path.join(path, f"{procedure}_{host.replace('/', '_')}.json")
    elif hosts > 1:
        raise _refused(given, f"is one file, and there are {hosts} databases", "give a directory, or one by --limit")
    _check_writable(path, given)
    return path


def _check_writable(path: str, given: str) -> None:
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise _refused(given, f"cannot be written: there is no directory {directory}", "make it, or give another path")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _refused(given, f"cannot be written: {directory} is not yours to write to", "give another path")
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(given, f"cannot be written: {error.strerror}", "give another path") from None
    if not stat.S_ISREG(status.st_mode):
        raise _refused(given, "is no regular file", "give another path")
    # Empty is what mktemp makes; of anything else only an older document gives way.
    if status.st_size and not _is_document(path):
        raise _refused(given, "is there already, and is no procedure's document", "give another path, or remove it")


def _is_document(path: str) -> bool:
    try:
        with RegularFile(path, step=_CHECK_STEP) as file:
            Procedure.parse(file.read_at(0, MAX_UNPROVEN_BYTES + 1))
    except BackupError:
        return False
    return True


def _refused(given: str, message: str, hint: str) -> ConfigError:
    return ConfigError(_CHECK_STEP, f"procedure_result_path {given!r} {message}", hint=hint)


def write_result(path: str, document: Procedure, key: SigningKey | None = None) -> None:
    """Put *document* in the place of the one before; at every moment a whole one is there.

    :param key: whose signature is put beside it, under its name with ``.sig``.
    :raises BackupError: it cannot be written.
    """
    data = document.to_bytes()
    if key is not None:
        _replace(signature_of(path), key.sign(data))
    _replace(path, data)


def _replace(path: str, data: bytes) -> None:
    sink = ReplacingFileSink(path, step=_STEP)
    try:
        sink.write(data)
        sink.commit()
    except BaseException:
        sink.abort()
        raise
