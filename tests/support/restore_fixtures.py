"""Fixtures that the tests of whole restores and those of drills share; a conftest.py imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .backup_bench import Bench, Keys, make_keys
from .restore_runs import RestoreBench


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """See :class:`Keys`."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> RestoreBench:
    """A :class:`RestoreBench` without any set."""
    return RestoreBench(Bench(tmp_path, keys))
