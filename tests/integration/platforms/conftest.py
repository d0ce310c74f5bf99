"""Supabase's management API, as far as it can run here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.supabase_api import SupabaseApi


@pytest.fixture
def api() -> Iterator[SupabaseApi]:
    """The API with one project, that has a week of daily backups; nothing that is said to it may be out of the way."""
    with SupabaseApi() as server:
        server.project.with_daily(7)
        yield server
    assert server.problems == []
