"""A local directory under the suite of all locations."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.lab import new_directory

from .backend import Backend, Maker


def files_below(root: Path) -> set[str]:
    """The paths of all files below *root*."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@contextmanager
def local(_request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A local location whose directory check() creates."""
    parent = new_directory("local")
    root = parent / "backups"
    yield Backend(
        options={"name": "disk", "type": "local", "path": str(root)},
        missing={"name": "disk", "type": "local", "path": str(parent / "not-mounted" / "backups")},
        stored=lambda: files_below(root),
    )
    shutil.rmtree(parent)


BACKENDS: dict[str, Maker] = {"local": local}
