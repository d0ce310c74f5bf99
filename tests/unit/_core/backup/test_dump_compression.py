"""Who compresses a dump is settled before anything is dumped."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.dumping import (
    DumpCompression,
    resolve_compression,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.request import Compression
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.programs import Program

BUILT_WITHOUT = 'echo "pg_dump: error: this build does not support compression with $3" >&2; exit 1'
BUILT_WITH = 'echo "pg_dump: error: connection to server on socket failed" >&2; exit 1'


def pg_dump(directory: Path, version: tuple[int, ...], script: str) -> Program:
    """A pg_dump that says what *script* does."""
    path = directory / "pg_dump"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Program("pg_dump", str(path), version)


@pytest.mark.parametrize("method", ["lz4", "gzip", "gzip:9"])
def test_a_method_that_pg_dump_was_built_without_is_refused(tmp_path: Path, method: str) -> None:
    program = pg_dump(tmp_path, (17, 1), BUILT_WITHOUT)
    with pytest.raises(PreflightError, match=rf"pg_dump 17.1 knows no {method.split(':')[0]} \(compress: auto"):
        resolve_compression(Compression.parse(method), program)


@pytest.mark.parametrize("method", ["lz4", "gzip:9", "zstd:3"])
def test_a_method_that_pg_dump_has_is_left_to_it(tmp_path: Path, method: str) -> None:
    program = pg_dump(tmp_path, (17, 1), BUILT_WITH)
    assert resolve_compression(Compression.parse(method), program) == DumpCompression(method)


def test_zstd_that_pg_dump_lacks_is_made_outside_of_it(tmp_path: Path) -> None:
    program = pg_dump(tmp_path, (17, 1), BUILT_WITHOUT)
    assert resolve_compression(Compression.parse("zstd:3"), program) == DumpCompression("none", wrapper=3)


def test_versions_before_16_have_gzip_alone(tmp_path: Path) -> None:
    program = pg_dump(tmp_path, (15, 4), BUILT_WITH)
    assert resolve_compression(Compression.parse("gzip"), program) == DumpCompression("gzip")
    with pytest.raises(PreflightError, match=r"pg_dump 15\.4 knows no lz4"):
        resolve_compression(Compression.parse("lz4"), program)
