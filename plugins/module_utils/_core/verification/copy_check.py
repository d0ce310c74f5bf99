"""One copy of a set: authentic, whole, and readable to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..backupset.artifact import Artifact, IndexBlock
from ..backupset.manifest import Manifest
from ..backupset.naming import SetId
from ..backupset.signing import CHECK_STEP
from ..catalogue import LoadedSet, load_set
from ..catalogue.good_set import UNPROVEN, GoodSet
from ..encryption.age.header import HeaderParser
from ..errors import BackupError, CryptoError, LocationError
from ..findings import FAILED, PASSED, WARNING, Finding, joined
from ..locations.base import Location
from ..postgres.names import TableName
from ..progress import expect
from ..reading.access import Access
from ..reading.artifact import NotAsWritten, StoredArtifact, VerifiedByHead
from ..reading.left_out import describe_left_out
from ..reading.plain import unwrap
from ..reading.set_archive import SetArchive, open_set_archive
from ..restore.database.comparing import compare_archive
from ..stream.pipeline import as_backup_error
from ..texts import readable_size
from .dumps import check_size, check_tables, row_differences, tables_of
from .request import VerifyRequest
from .unpacking import Unpacker

READING = "read the copies"
"""The stage of the work."""
_ENOUGH_RECIPIENTS = 2


@dataclass
class _Read:
    """What came of reading the files to their ends."""

    size: int = 0
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    packed: set[str] = field(default_factory=set)
    rows: dict[TableName, int] = field(default_factory=dict)
    objects: int = 0


class CopyCheck:
    """The verification of one copy of a set; an object is used once.

    :param access: the keys.
    :ivar location: where it lies.
    :ivar findings: what was found, their subject is the location.
    :ivar loaded: the manifest, where it could be read and is vouched for by the keys that were given.
    """

    def __init__(self, location: Location, set_id: SetId, request: VerifyRequest, access: Access) -> None:
        self.findings: list[Finding] = []
        self.loaded: LoadedSet | None = None
        self.location = location
        self._id = set_id
        self._request = request
        self._access = access

    def run(self) -> list[Finding]:
        """The findings of all requested checks; an error becomes a finding."""
        try:
            loaded = self.load()
            if loaded is not None:
                good = GoodSet(self.location, loaded)
                self._check_environment(loaded.manifest)
                if self._check_files(good):
                    self._check_contents(good)
        except Exception as error:
            self._add_finding("verification", FAILED, str(as_backup_error(error, f"verify {self.location.name}")))
        return self.findings

    def _add_finding(self, check: str, status: str, message: str) -> None:
        self.findings.append(Finding(check=check, subject=self.location.name, status=status, message=message))

    def load(self) -> LoadedSet | None:
        """The manifest, as far as the keys vouch for it; None where it cannot be used, which is told."""
        keys = self._access.verify_keys
        try:
            loaded = load_set(self.location, self._request.label or "", self._id, keys)
        except BackupError as error:
            check = "signature" if isinstance(error, CryptoError) and error.step == CHECK_STEP else "manifest"
            self._add_finding(check, FAILED, str(error))
            return None
        self.loaded = loaded
        self._add_finding("manifest", PASSED, f"{self._id}, {loaded.sha256}")
        reason = UNPROVEN.get(loaded.signature)
        self._add_finding("signature", WARNING if reason else PASSED, reason or "good")
        return loaded

    def _check_environment(self, manifest: Manifest) -> None:
        wanted, found = self._request.environment, manifest.environment or ""
        if wanted is not None:
            same = "the set is of" if wanted == found else f"{wanted!r} was expected, and the set is of"
            self._add_finding("environment", PASSED if wanted == found else FAILED, f"{same} environment {found!r}")

    def _check_files(self, good: GoodSet) -> bool:
        """Whether all files are there with their sizes, so that it is worth while to read them."""
        there = {info.key: info.size for info in self.location.list(good.directory)}
        wrong = []
        for artifact in good.manifest.artifacts:
            size = there.get(good.key(artifact))
            if size is None:
                wrong.append(f"{artifact.name} is missing")
            elif size != artifact.size:
                wrong.append(f"{artifact.name} has {size} bytes instead of {artifact.size}")
        total = sum(artifact.size for artifact in good.manifest.artifacts)
        sound = f"{len(good.manifest.artifacts)} files, {readable_size(total)}"
        self._add_finding("files", FAILED if wrong else PASSED, joined(wrong) if wrong else sound)
        check_size(sum(artifact.size for artifact in _measured(good)), self._request, self._add_finding)
        return not wrong

    def _check_contents(self, good: GoodSet) -> None:
        self._check_recipients(good)
        if not self._id.is_backup:
            self._check_exports(good)
            return
        archive = self._open(good)
        read = self._read(good, unpack=self._request.content and archive is not None)
        if archive is None:
            index = {(block.schema or "", block.table or "") for block in _blocks(good) if block.table is not None}
            check_tables(index, self._request, self._add_finding, "the manifest's index")
            return
        differences = compare_archive(good.manifest, archive.toc)
        self._add_finding(
            "archive",
            FAILED if differences else PASSED,
            joined([str(one) for one in differences])
            if differences
            else f"{len(archive.toc.entries):,} entries, all objects as the manifest tells",
        )
        check_tables(tables_of(archive.toc), self._request, self._add_finding, "the dump")
        if left_out := describe_left_out(good.manifest):
            self._add_finding("left_out", PASSED, left_out)
        if self._request.content:
            self._check_row_counts(good.manifest, read)

    def _check_exports(self, good: GoodSet) -> None:
        """Of exported tables there is no dump: their files are read to the end."""
        readable = self._has_key(good)
        read = self._read(good, unpack=self._request.content and readable)
        found = [artifact.export for artifact in good.manifest.artifacts if artifact.export is not None]
        tables = {(one.schema or "", one.table or "") for one in found if one.table is not None}
        check_tables(tables, self._request, self._add_finding, "the export")
        if self._request.content and readable:
            rows = sum(one.rows for one in found)
            sound = f"{len(found)} files were decrypted, unpacked and read to their ends: {rows:,} rows by the manifest"
            self._add_finding("contents", FAILED if read.broken else PASSED, joined(read.broken) or sound)

    def _check_recipients(self, good: GoodSet) -> None:
        problems, fewest = [], None
        for artifact in good.manifest.artifacts:
            if artifact.encryption == "none":
                problems.append(f"{artifact.name} is not encrypted")
                continue
            count = len(artifact.recipients)
            fewest = count if fewest is None else min(count, fewest)
            if artifact.is_age and (problem := self._wrong_header(good, artifact)):
                self._add_finding("recipients", FAILED, problem)
                return
        if fewest is not None and fewest < _ENOUGH_RECIPIENTS:
            problems.append("there is one recipient: who loses that key loses the backup")
        self._add_finding(
            "recipients", WARNING if problems else PASSED, joined(problems) or f"{fewest or 0} in every file"
        )

    def _wrong_header(self, good: GoodSet, artifact: Artifact) -> str:
        """What is wrong with the header of an age file; "" where nothing is."""
        if artifact.age_head is None:
            return ""
        parser = HeaderParser()
        try:
            header = parser.feed(VerifiedByHead(StoredArtifact(good, artifact), artifact.age_head).head)
        except CryptoError as error:
            return f"{artifact.name}: {error.message}"
        found, count = 0 if header is None else len(header.stanzas), len(artifact.recipients)
        return "" if found == count else f"{artifact.name} is for {found} recipients, and the manifest names {count}"

    def _has_key(self, good: GoodSet) -> bool:
        """Whether there is a key, where one is needed; what that means is told."""
        # gpg may find a key by itself.
        encrypted = any(artifact.is_age for artifact in _measured(good))
        if not encrypted or self._access.decryption.given:
            return True
        recipients = sorted({one for artifact in _measured(good) for one in artifact.recipients})
        status = FAILED if self._request.content else WARNING
        message = f"not opened: no key was given; it was encrypted for {', '.join(recipients)}"
        self._add_finding("contents", status, message)
        return False

    def _open(self, good: GoodSet) -> SetArchive | None:
        """The dump's table of contents; None where nobody can read it, which is told."""
        if not self._has_key(good):
            return None
        try:
            return open_set_archive(good, self._access.decryption)
        except LocationError:
            raise
        except BackupError as error:
            self._add_finding("contents", FAILED, str(error))
            return None

    def _read(self, good: GoodSet, *, unpack: bool) -> _Read:
        """Read every artifact to its end; return sizes, rows and errors."""
        found = _Read()
        expect(sum(artifact.size for artifact in good.manifest.artifacts))
        for artifact in good.manifest.artifacts:
            file = StoredArtifact(good, artifact)
            stored = file.stored()
            try:
                if unpack:
                    self._unpack(file, stored, found)
                # What is left of it, where it was not unpacked, or not to its end.
                for _piece in stored:
                    pass
            except NotAsWritten:
                found.wrong.append(artifact.name)
            else:
                found.size += artifact.size
        if found.wrong:
            message = (
                f"not what was written: {', '.join(found.wrong)} (restore from another copy, and replace this one)"
            )
            self._add_finding("checksum", FAILED, message)
        else:
            self._add_finding("checksum", PASSED, f"{readable_size(found.size)} read, each file has its SHA-256")
        return found

    def _unpack(self, file: StoredArtifact, stored: Iterator[bytes], found: _Read) -> None:
        artifact = file.artifact
        unpacker = Unpacker(self._access.decryption.max_toc) if artifact.role == "dump" else None
        try:
            for piece in unwrap(file, stored, self._access.decryption):
                if unpacker is not None:
                    unpacker.feed(piece)
            if unpacker is not None:
                unpacker.finish()
        except (LocationError, NotAsWritten):
            raise
        except BackupError as error:
            message = error.message
            found.broken.append(message if message.startswith(artifact.name) else f"{artifact.name}: {message}")
            return
        if unpacker is None:
            return
        index = artifact.index
        blocks = [(one.dump_id, one.offset, one.length) for one in unpacker.walker.index]
        if index is not None and blocks != [(one.dump_id, one.offset, one.length) for one in index.blocks]:
            found.broken.append(f"{artifact.name}: its blocks are not where the manifest's index says")
        found.objects += unpacker.objects
        found.rows |= unpacker.rows
        if unpacker.packed is not None:
            found.packed.add(unpacker.packed)

    def _check_row_counts(self, manifest: Manifest, read: _Read) -> None:
        if read.broken:
            self._add_finding("contents", FAILED, joined(read.broken))
            return
        if read.packed:
            message = f"decrypted to the end; what {', '.join(sorted(read.packed))} has compressed was not unpacked"
            self._add_finding("contents", WARNING, message)
            return
        self._add_finding(
            "contents", PASSED, f"every block was decrypted, unpacked and read to its end: {len(read.rows):,} tables"
        )
        wanted = {(table.schema, table.name): table.rows for table in manifest.tables}
        differences = list(row_differences(read.rows, wanted))
        if read.objects != manifest.large_objects:
            differences.append(f"{read.objects} large objects in the dump instead of {manifest.large_objects}")
        sound = f"{sum(read.rows.values()):,} rows, as many as the manifest says"
        self._add_finding("rows", FAILED if differences else PASSED, joined(differences) or sound)


def _measured(good: GoodSet) -> list[Artifact]:
    """The files that have the set's contents: its dump, or all of an export."""
    return good.dumps() or list(good.manifest.artifacts)


def _blocks(good: GoodSet) -> Iterator[IndexBlock]:
    for artifact in good.dumps():
        if artifact.index is not None:
            yield from artifact.index.blocks
