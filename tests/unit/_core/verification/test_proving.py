"""Which sets may stand in for a new one: backups that are fresh, of the same database, and kept at least as long."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.proving import ProofRequest
from ansible_collections.mobul.backup.plugins.modules import backup_prove
from support.module_parameters import parameters

NOW = datetime(2026, 11, 26, 21, 0, tzinfo=timezone.utc)
AGO = timedelta(minutes=20)


def wants(kind: str, age: timedelta = AGO, **changes: Any) -> bool:
    """Whether a set of the database shop may stand in for one of kind pre_deploy of the last half hour."""
    known = SimpleNamespace(
        id=SetId(NOW - age, kind),
        summary=SimpleNamespace(labels={}, environment="test", database="shop"),
        counted=lambda _now: SimpleNamespace(released=changes.pop("released", frozenset())),
    )
    asked = {"within": "30m", "kept_as": "pre_deploy", "expect_environment": "test", "expect_database": "shop"}
    given = {key: value for key, value in changes.items() if key != "released"}
    options = parameters(backup_prove, label="shop", locations=[], **{**asked, **given})
    return ProofRequest.parse(options).wants(known, NOW)  # type: ignore[arg-type]


def test_of_all_kinds_only_backups_that_stay_as_long_stand_in_for_a_new_one() -> None:
    assert {kind for kind in KINDS if wants(kind)} == {"weekly", "monthly", "yearly", "pre_deploy", "manual"}
    assert wants("daily", policy={"daily": "60d", "weekly": "90d"})


@pytest.mark.parametrize(
    "changes",
    [
        {"age": timedelta(hours=1)},
        {"age": timedelta(hours=-1)},
        {"expect_database": "other"},
        {"expect_environment": "production"},
        {"labels": {"migration": "42"}},
    ],
    ids=str,
)
def test_what_is_old_or_of_the_future_or_of_something_else_does_not(changes: dict[str, Any]) -> None:
    assert wants("pre_deploy")
    assert not wants("pre_deploy", **changes)


def test_what_somebody_has_released_does_not() -> None:
    assert not wants("manual", released=frozenset({"a"}))
