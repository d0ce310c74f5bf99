"""What is to be restored, opened and proven: a set in one of the locations, or a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...backupset.manifest import Manifest
from ...catalogue.good_set import GoodSet, find_good_set
from ...encryption.identities import Decryption
from ...errors import ConfigError, FormatError
from ...postgres.archive import Toc
from ...reading.access import Access
from ...reading.left_out import describe_left_out
from ...reading.legacy_file import STEP as FILE_STEP
from ...reading.plain import open_plain
from ...reading.set_archive import SetArchive, open_set_archive
from ...stream.files import RegularFile
from ..environments import unknown_environment
from .expected_rows import ExpectedRows, expected_rows
from .file_contents import FileContents
from .request import RestoreRequest

_MAX_GLOBALS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Contents:
    """Something that can be restored; all of it is authentic as far as its kind lets anybody know.

    :param name: the set's id, or the file's name.
    :param good: the set; None for a file.
    :param globals_script: roles and settings, where there are any.
    """

    name: str
    good: GoodSet | None = None
    archive: SetArchive | None = None
    file: FileContents | None = None
    globals_script: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the set; None for a file that is no set."""
        return None if self.good is None else self.good.manifest

    @property
    def stored_size(self) -> int | None:
        """Bytes of the stored dump, or of the file; None where there is neither."""
        if self.archive is not None:
            return self.archive.stored_size
        return None if self.file is None else self.file.size

    @property
    def passed_over(self) -> list[str]:
        """Why reading went on in another location, as far as it has come."""
        return [] if self.good is None else self.good.passed_over

    @property
    def rows(self) -> tuple[ExpectedRows, ...]:
        """What a set's tables must hold; nothing is known of a file's."""
        return () if self.manifest is None else expected_rows(self.manifest, self.toc)

    @property
    def toc(self) -> Toc | None:
        """The table of contents; None for a script."""
        if self.archive is not None:
            return self.archive.toc
        return None if self.file is None else self.file.toc


def open_set(request: RestoreRequest, access: Access) -> Contents:
    """The set that was asked for, from the first location that has a good copy.

    :raises BackupError: it is not the one that was expected, it is not authentic, or no key fits.
    """
    good = find_good_set(access.locations, request.label or "", request.wanted, access.verify_keys)
    manifest = good.manifest
    request.check_origin(manifest.environment, manifest.database.name)
    unknown = unknown_environment(manifest.environment, request.expect_environment)
    contents = open_contents(good, access.decryption)
    warning = describe_left_out(manifest)
    after = "they stay as they are in the project" if request.is_projects else "they are empty after the restore"
    left_out = [f"{contents.name} was {warning}: {after}"] if warning else []
    return replace(contents, warnings=(*contents.warnings, *unknown, *left_out))


def open_contents(good: GoodSet, decryption: Decryption) -> Contents:
    """Open all verified parts of a set that a restore needs.

    :raises BackupError: it is not authentic, or no key fits.
    """
    archive = open_set_archive(good, decryption)
    script = _read_globals(good, decryption)
    return Contents(str(good.manifest.id), good, archive, None, script, good.warnings)


def _read_globals(good: GoodSet, decryption: Decryption) -> str:
    artifact = next((one for one in good.manifest.artifacts if one.role == "globals"), None)
    if artifact is None:
        return ""
    script = bytearray()
    for piece in open_plain(good, artifact, decryption).pieces():
        script += piece
        if len(script) > _MAX_GLOBALS_BYTES:
            raise FormatError("read the roles", f"{artifact.name} has more than {_MAX_GLOBALS_BYTES} bytes inside")
    return script.decode("utf-8", "surrogateescape")


def open_file(request: RestoreRequest, decryption: Decryption, file: RegularFile) -> Contents:
    """Open a file of an older procedure, which has no manifest."""
    contents = FileContents(file, decryption)
    warnings = list(contents.warnings)
    if contents.toc is not None:
        database, expected = contents.toc.database, request.expect_database or request.database
        if database and database != expected:
            raise ConfigError(
                FILE_STEP,
                f"{file.path} is a dump of database {database!r}, not of {expected!r}",
                hint=f"nothing was touched; to restore it under another name say expect_database: {database}",
            )
        warnings.append("a file has no manifest: nobody has signed it, and its rows could not be compared")
    return Contents(contents.name, file=contents, warnings=tuple(warnings))
