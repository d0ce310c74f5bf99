"""A file of an older procedure: whether it is a dump, has what it should have, and can be read to its end."""

from __future__ import annotations

from ..encryption.detect import detect
from ..errors import BackupError
from ..findings import FAILED, PASSED, WARNING, Finding
from ..reading.access import Access
from ..reading.legacy_file import LayeredFile
from ..restore.database.file_contents import FileContents
from .dumps import Tell, check_size, check_tables, tables_of
from .request import VerifyRequest
from .unpacking import Unpacker


def verify_file(request: VerifyRequest, access: Access) -> list[Finding]:
    """Everything that was asked for; an error is a finding, too."""
    file = access.file
    if file is None:
        raise AssertionError("there is no file")
    findings: list[Finding] = []

    def tell(check: str, status: str, message: str) -> None:
        findings.append(Finding(check=check, status=status, message=message))

    try:
        # Reads it once to its end, whatever the level.
        contents = FileContents(file, access.decryption)
    except BackupError as error:
        tell("file", FAILED, str(error))
        return findings
    if contents.toc is None and not contents.marked:
        tell("file", FAILED, f"{file.path}: it is text, and no dump: nothing in it shows that it is whole")
        return findings
    layers = LayeredFile(file, access.decryption)
    unwrapped = layers.unwrap_layers()
    around = " in ".join(layer.title for layer in reversed(unwrapped.layers))
    kind = "a script of SQL" if contents.toc is None else detect(unwrapped.head).title
    tell("file", PASSED, f"{kind}{f' in {around}' if around else ''}, read to its end")
    for warning in contents.warnings:
        tell("origin", WARNING, warning)
    check_size(file.size, request, tell)
    if contents.toc is None:
        if request.critical_tables:
            tell("critical_tables", FAILED, "a script does not list its tables: verify it by a restore")
        return findings
    check_tables(tables_of(contents.toc), request, tell, "the dump")
    if request.content:
        _check_contents(layers, access, tell)
    return findings


def _check_contents(layers: LayeredFile, access: Access, tell: Tell) -> None:
    unpacker = Unpacker(access.decryption.max_toc)
    try:
        for piece in layers.unwrap_layers().pieces:
            unpacker.feed(piece)
        unpacker.finish()
    except BackupError as error:
        tell("contents", FAILED, str(error))
        return
    if unpacker.packed is not None:
        tell("contents", WARNING, f"what {unpacker.packed} has compressed was not unpacked")
        return
    rows = sum(unpacker.rows.values())
    tell("contents", PASSED, f"every block was unpacked and read to its end: {rows:,} rows")
