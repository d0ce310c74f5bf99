"""Where what was read of a catalogue is kept."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.cache import default_directory


def test_a_user_without_a_name_and_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ops")
    assert default_directory() == "/home/ops/.cache/mobul.backup"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert default_directory() is None
