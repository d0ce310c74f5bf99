"""Every kind of location in turn: each file of ``tests/support/location_backends`` adds the kinds it lists."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location
from support import location_backends
from support.location_backends.backend import Backend, Maker


def _makers() -> dict[str, Maker]:
    found: dict[str, Maker] = {}
    for directory in location_backends.__path__:
        for file in sorted(Path(directory).glob("*.py")):
            module = importlib.import_module(f"{location_backends.__name__}.{file.stem}")
            found |= getattr(module, "BACKENDS", {})
    return found


MAKERS = _makers()


@pytest.fixture(scope="session", params=sorted(MAKERS))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A store of each kind in turn."""
    with MAKERS[request.param](request) as made:
        yield made


@pytest.fixture(scope="session")
def location(backend: Backend) -> Iterator[Location]:
    """The location of that store, checked."""
    opened = open_location(backend.options)
    opened.check()
    yield opened
    opened.close()


@pytest.fixture
def folder() -> str:
    """A directory that no other test uses."""
    return f"folder-{uuid4().hex[:12]}"
