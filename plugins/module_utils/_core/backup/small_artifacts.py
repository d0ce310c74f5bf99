"""The artifacts beside the dump: roles and settings of the server, and the table exports."""

from __future__ import annotations

from dataclasses import dataclass

from ..encryption.cipher import Encryption
from ..postgres.copying import CopyQuery
from ..stream.pipeline import Source
from ..stream.stages import Transform
from ..stream.transforms import Sha256, compressors
from .request import ExportSpec
from .set_writer import SetWriter

_SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True)
class ResolvedExport:
    """An export whose table or query was checked against the database."""

    spec: ExportSpec
    copy: CopyQuery


class SmallArtifact:
    """One small artifact on its way into the locations; use it once.

    :param sealed: whether what *source* gives is encrypted already.
    :param source: its bytes; one with a ``rows`` attribute tells how many rows it had.
    """

    def __init__(
        self,
        stem: str,
        source: Source,
        *,
        role: str,
        data_format: str,
        compression: str,
        encryption: Encryption,
        export: ResolvedExport | None = None,
        sealed: bool = False,
    ) -> None:
        self.name = f"{stem}.{data_format}{_SUFFIXES[compression]}{encryption.suffix}"
        self.role = role
        self.format = "file" if sealed else data_format
        self.compression = compression
        self.export = export
        self.sealed = sealed
        self.plain = Sha256()
        self.hash = Sha256()
        self._source = source
        self._encryption = encryption

    def run(self, writer: SetWriter) -> None:
        """Write the artifact into every location that has not failed."""
        transforms: list[Transform] = []
        if not self.sealed:
            transforms = [self.plain, *compressors(self.compression), *self._encryption.transforms()]
        transforms.append(self.hash)
        writer.write(self.name, self._source, transforms)

    @property
    def rows(self) -> int:
        return int(getattr(self._source, "rows", 0))
