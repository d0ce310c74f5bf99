"""A file of an older procedure: whether it is a dump, has what it should have, and can be read to its end."""

from __future__ import annotations

from ..encryption.detect import detect
from ..errors import BackupError
from ..findings import FAILED, PASSED, WARNING, Finding
from ..progress import stage
from ..reading.access import Access
from ..reading.legacy_file import LayeredFile
from ..restore.database.file_contents import FileContents
from .dumps import AddFinding, check_size, check_tables, tables_of
from .request import VerifyRequest
from .unpacking import Unpacker


def verify_file(request: VerifyRequest, access: Access) -> list[Finding]:
    """The findings of all requested checks; an error becomes a finding."""
    file = access.file
    if file is None:
        raise AssertionError("there is no file")
    findings: list[Finding] = []

    def add_finding(check: str, status: str, message: str) -> None:
        findings.append(Finding(check=check, status=status, message=message))

    try:
        # Reads it once to its end, whatever the level.
        contents = FileContents(file, access.decryption)
    except BackupError as error:
        add_finding("file", FAILED, str(error))
        return findings
    if contents.toc is None and not contents.marked:
        add_finding("file", FAILED, f"{file.path}: it is text, and no dump: nothing in it shows that it is whole")
        return findings
    layers = LayeredFile(file, access.decryption)
    unwrapped = layers.unwrap_layers()
    layer_titles = " in ".join(layer.title for layer in reversed(unwrapped.layers))
    kind = "a script of SQL" if contents.toc is None else detect(unwrapped.head).title
    add_finding("file", PASSED, f"{kind}{f' in {layer_titles}' if layer_titles else ''}, read to its end")
    for warning in contents.warnings:
        add_finding("origin", WARNING, warning)
    check_size(file.size, request, add_finding)
    if contents.toc is None:
        if request.critical_tables:
            add_finding("critical_tables", FAILED, "a script does not list its tables: verify it by a restore")
        return findings
    check_tables(tables_of(contents.toc), request, add_finding, "the dump")
    if request.content:
        _check_contents(layers, access, add_finding)
    return findings


def _check_contents(layers: LayeredFile, access: Access, add_finding: AddFinding) -> None:
    unpacker = Unpacker(access.decryption.max_toc)
    try:
        with stage("unpack the file", layers.size):
            for piece in layers.unwrap_layers().pieces:
                unpacker.feed(piece)
            unpacker.finish()
    except BackupError as error:
        add_finding("contents", FAILED, str(error))
        return
    if unpacker.packed is not None:
        add_finding("contents", WARNING, f"data compressed by {unpacker.packed} were not unpacked")
        return
    rows = sum(unpacker.rows.values())
    add_finding("contents", PASSED, f"every block was unpacked and read to its end: {rows:,} rows")
