"""Promises of policies: what one may say, what the default is, and that nonsense is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    DEFAULT,
    UNTIL_RELEASED,
    Period,
    Policy,
)
from hypothesis import given
from hypothesis import strategies as st

GROWING = ("weekly", "monthly", "yearly")
TEXTS = st.builds("{}{}".format, st.integers(1, 90), st.sampled_from(["d", "w", "mo", "y"]))


@st.composite
def policies(draw: st.DrawFn) -> dict[str, str | None]:
    """Policies that can be meant: weeks, months and years grow, and each kind has any period or none."""
    given: dict[str, str | None] = {"weekly": f"{draw(st.integers(1, 20))}w"}
    given["monthly"] = draw(st.sampled_from([None, "6mo", "1y", "18mo"]))
    given["yearly"] = draw(st.sampled_from([None, "2y", "7y", "20y"]))
    for kind in set(KINDS) - set(GROWING):
        if draw(st.booleans()):
            given[kind] = draw(st.just(UNTIL_RELEASED) | TEXTS)
    return given


def test_the_default_is_that_of_the_procedures() -> None:
    policy = Policy.parse(None)
    assert policy.classes == {"monthly": Period(1, "y"), "yearly": Period(7, "y")}
    assert policy.periods == {
        "daily": Period(7, "d"),
        "weekly": Period(90, "d"),
        "monthly": Period(90, "d"),
        "yearly": Period(90, "d"),
        "pre_deploy": Period(30, "d"),
        "pre_migration": None,
        "post_incident": None,
        "pre_restore": Period(7, "d"),
        "manual": None,
        "export": Period(90, "d"),
    }
    assert policy.endless() == ("pre_migration", "post_incident", "manual")
    assert policy.to_dict() == dict(DEFAULT)


def test_what_a_policy_does_not_name_is_as_in_the_default() -> None:
    assert Policy.parse({"daily": "14d"}).to_dict() == {**DEFAULT, "daily": "14d"}


@given(policies())
def test_a_policy_reads_back_as_what_it_says(given: dict[str, str | None]) -> None:
    policy = Policy.parse(given)
    assert policy.to_dict() == {**DEFAULT, **given}
    assert Policy.parse(policy.to_dict()) == policy


@given(policies())
def test_every_kind_lives_between_the_fewest_and_the_most_days(given: dict[str, str | None]) -> None:
    policy = Policy.parse(given)
    periods = [period for period in (*policy.periods.values(), *policy.classes.values()) if period is not None]
    assert policy.shortest_days is not None
    assert all(policy.shortest_days <= period.shortest_days for period in periods)
    if policy.endless():
        assert policy.longest_days is None
    else:
        assert policy.longest_days == max(period.longest_days for period in periods)


def test_a_policy_that_lets_nothing_go_by_itself_has_no_fewest_days() -> None:
    endless: dict[str, str | None] = {**dict.fromkeys(KINDS, UNTIL_RELEASED), "monthly": None, "yearly": None}
    policy = Policy.parse(endless)
    assert policy.shortest_days is None
    assert policy.endless() == KINDS


@pytest.mark.parametrize("name", ["monthly", "yearly"])
def test_null_switches_a_class_off(name: str) -> None:
    policy = Policy.parse({name: None})
    assert name not in policy.classes
    assert policy.to_dict()[name] is None


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"monthly", "yearly"}))
def test_null_is_no_period_of_a_kind(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind}: None is no period .*or until_released"):
        Policy.parse({kind: None})


@pytest.mark.parametrize("name", ["monthly", "yearly"])
def test_the_set_of_a_month_or_year_cannot_wait_for_its_release(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: 'until_released' is no period .*or null for none"):
        Policy.parse({name: UNTIL_RELEASED})


def test_an_empty_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match="the policy is empty"):
        Policy.parse({})


@pytest.mark.parametrize("given", ["7d", 7, True, [], ["daily"], [("daily", "7d")]], ids=repr)
def test_what_is_no_dictionary_is_no_policy(given: Any) -> None:
    with pytest.raises(ConfigError, match="is no policy"):
        Policy.parse(given)


@pytest.mark.parametrize("name", ["hourly", "Daily", "pre-deploy", "", "daily ", 7, None, True], ids=repr)
def test_an_unknown_kind_is_refused_with_those_that_there_are(name: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.parse({"daily": "7d", name: "7d"})
    assert caught.value.message == f"unknown kind {name!r} in the policy"
    assert caught.value.hint is not None and all(kind in caught.value.hint for kind in KINDS)


def test_unknown_kinds_of_several_types_are_refused_like_one() -> None:
    given: dict[Any, Any] = {7: "7d", "hourly": "7d", None: "7d"}
    with pytest.raises(ConfigError, match="unknown kind 7 in the policy"):
        Policy.parse(given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["0d", "-1d", "\u0667d", 7, 7.0, True, ["7d"], "", "forever"], ids=repr)
def test_a_value_that_is_no_period_is_refused_by_its_kind(kind: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^check the policy: {kind}: "):
        Policy.parse({kind: value})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"monthly": "30d"}, "monthly sets would go before weekly ones (weekly: 90d (default), monthly: 30d"),
        ({"yearly": "6mo"}, "yearly sets would go before monthly ones"),
        ({"monthly": "8y"}, "yearly sets would go before monthly ones"),
        ({"weekly": "2y"}, "monthly sets would go before weekly ones"),
        ({"weekly": "8y", "monthly": None}, "yearly sets would go before weekly ones"),
        ({"weekly": UNTIL_RELEASED}, "monthly sets would go before weekly ones (weekly: until_released, monthly: 1y ("),
        ({"weekly": UNTIL_RELEASED, "monthly": None}, "yearly sets would go before weekly ones"),
    ],
)
def test_a_longer_class_that_ends_before_a_shorter_one_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.parse(given)
    assert "the policy contradicts itself" in caught.value.message
    assert told in caught.value.message


@pytest.mark.parametrize(
    "given",
    [
        {"weekly": "1y", "monthly": "1y", "yearly": "1y"},
        {"weekly": "52w", "monthly": "12mo"},
        {"weekly": "2y", "monthly": None},
        {"weekly": UNTIL_RELEASED, "monthly": None, "yearly": None},
        {"daily": "1y"},
    ],
)
def test_classes_of_one_length_are_no_contradiction(given: dict[str, Any]) -> None:
    Policy.parse(given)
