"""A table or a query becomes one local file, compressed and encrypted on its way."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..encryption.cipher import Encryption
from ..encryption.recipients import parse_encryption
from ..errors import ConfigError, PreflightError
from ..postgres.activity import activity_reported
from ..postgres.blockers import blockers_named
from ..postgres.connection import ConnectionOptions, connect
from ..postgres.copying import TableSource, prepare_copy
from ..postgres.limits import check_lock_timeout
from ..postgres.names import from_text
from ..postgres.selection import Selection
from ..postgres.standby import conflicts_named, in_recovery
from ..progress import stage
from ..stream.files import PRIVATE_MODE, RegularFile, ReplacingFileSink, file_digest
from ..stream.pipeline import PassingSink, Pipeline, Sink
from ..stream.stages import Transform
from ..stream.transforms import COMPRESSIONS, Sha256, compressors
from .export_name import check_cipher, resolve_format

STEP = "export the table"


@dataclass(frozen=True)
class ExportRequest(Selection):
    """What is to be exported, and where to.

    :param dest: path of the file; its directory exists.
    :param personal_data: whether it may never be written unencrypted.
    :param lock_timeout: seconds to wait for a table that somebody has locked.
    """

    dest: str
    compress: str = "none"
    personal_data: bool = False
    lock_timeout: int = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compress not in COMPRESSIONS:
            raise ConfigError(STEP, f"compress is {self.compress!r}", hint="none, gzip or zstd")
        check_lock_timeout(self.lock_timeout, STEP)

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> ExportRequest:
        """Make a request of the module's parameters; raise :class:`ConfigError` if they cannot be right."""
        names = {"format": "data_format"}
        data_format, compress = resolve_format(
            parameters["dest"], parameters.get("format"), parameters.get("compress"), STEP
        )
        parameters = {**parameters, "format": data_format, "compress": compress}
        known = {item.name for item in fields(cls)}
        given = {names.get(name, name): value for name, value in parameters.items() if value is not None}
        given = {
            name: tuple(map(from_text, value)) if name == "columns" else value
            for name, value in given.items()
            if name in known
        }
        return cls(**given)


@dataclass(frozen=True)
class ExportResult:
    """What was written, or would have been.

    :param changed: whether the file is another than before. An encrypted one always is, as no two encryptions of
        the same are alike.
    :param rows: None where check mode needed none of them; so are *size* (bytes of the file) and *sha256* (of the
        file, hexadecimal).
    """

    changed: bool
    name: str
    rows: int | None = None
    size: int | None = None
    sha256: str | None = None


def export_table(
    options: ConnectionOptions, request: ExportRequest, encryption: Encryption, *, check_mode: bool = False
) -> ExportResult:
    """Write the rows of one table or query into one local file.

    Everything is checked before the file is touched; the file is replaced only when the export is complete, and left
    alone when it would be the same again.

    :param check_mode: write nothing; read the rows only if nothing else tells whether the file would change.
    :raises BackupError: nothing was changed.
    """
    if request.personal_data and not encryption.enabled:
        raise ConfigError(
            STEP, "recipients is empty, but personal data is never written unencrypted", hint="give a recipient"
        )
    comparable = _comparable(request.dest) and not encryption.enabled
    connection = connect(options, lock_timeout=request.lock_timeout)
    with connection.cursor() as cursor:
        standby = in_recovery(cursor)
    with (
        contextlib.closing(connection),
        conflicts_named(options, in_recovery=standby),
        blockers_named(connection),
        activity_reported(options),
    ):
        query = prepare_copy(connection, request)
        # An encrypted file is never the same twice.
        present = _digest(request.dest) if comparable else None
        if check_mode and present is None:
            _check_writable(request.dest)
            return ExportResult(True, query.name)
        source = TableSource(lambda: connect(options, lock_timeout=request.lock_timeout), query, look=connection)
        return _write(source, request, encryption, present, check_mode)


def run_table_export(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Carry out ``table_export`` and return its result."""
    request = ExportRequest.parse(params)
    encryption = parse_encryption(params.get("recipients") or [], gnupghome=params.get("gnupghome"))
    try:
        check_cipher(request.dest, encryption.scheme, STEP)
        result = export_table(ConnectionOptions.parse(params), request, encryption, check_mode=check_mode)
    finally:
        encryption.close()
    known = {"rows": result.rows, "size": result.size, "sha256": result.sha256}
    return {
        "changed": result.changed,
        "dest": request.dest,
        "source": result.name,
        "format": request.data_format,
        "compress": request.compress,
        "encryption": encryption.scheme,
        "recipients": list(encryption.recipients),
        "warnings": list(encryption.warnings),
        **{name: value for name, value in known.items() if value is not None},
    }


def _write(
    source: TableSource, request: ExportRequest, encryption: Encryption, present: str | None, check_mode: bool
) -> ExportResult:
    digest = Sha256()
    transforms: Sequence[Transform] = [*compressors(request.compress), *encryption.transforms(), digest]
    sink = None if check_mode else _UnlessSame(ReplacingFileSink(request.dest, step=STEP), digest, present)
    sinks: list[Sink] = [] if sink is None else [sink]
    with stage(STEP):
        Pipeline(source, transforms, sinks, counted=True).run_apart()
    changed = digest.hexdigest() != present
    return ExportResult(changed, source.name, source.rows, digest.size, digest.hexdigest())


class _UnlessSame(PassingSink):
    """A sink that leaves the file alone when it holds these very bytes already."""

    def __init__(self, sink: ReplacingFileSink, digest: Sha256, present: str | None) -> None:
        super().__init__(sink)
        self._digest = digest
        self._present = present

    def commit(self) -> None:
        """See :class:`Sink`."""
        if self._digest.hexdigest() == self._present:
            self.abort()
        else:
            super().commit()


def _comparable(dest: str) -> bool:
    """Whether a file is there that could stay as it is: not where others may read it. Refuses what is no file."""
    if not os.path.basename(dest) or os.path.isdir(dest):
        raise ConfigError(STEP, f"dest {dest!r} is a directory", hint="the path of a file")
    if not os.path.isdir(os.path.dirname(dest) or "."):
        raise ConfigError(STEP, f"the directory of dest {dest!r} does not exist", hint="make it first, with mode 0700")
    if not os.path.lexists(dest):
        return False
    if not stat.S_ISREG(os.lstat(dest).st_mode):
        raise ConfigError(STEP, f"dest {dest!r} is not a regular file", hint="name another, or remove it")
    return stat.S_IMODE(os.lstat(dest).st_mode) == PRIVATE_MODE


def _digest(path: str) -> str:
    with RegularFile(path, step=STEP) as file:
        return file_digest(file)


def _check_writable(dest: str) -> None:
    directory = os.path.dirname(dest) or "."
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PreflightError(STEP, f"cannot write into {directory}", hint="check its owner and mode")
