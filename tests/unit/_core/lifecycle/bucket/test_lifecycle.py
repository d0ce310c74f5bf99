"""No lifecycle rule of ours ends or hides what the policy keeps, and every one of others that may is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.documents.strict_json import MAX_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket.lifecycle import (
    OWN,
    KeptDays,
    LifecycleSettings,
    derive_rules,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket.rules import (
    Scope,
    canonical,
    endings,
    hidings,
    is_own,
    late_endings,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    Candidate,
    Policy,
    plan_retention,
)
from hypothesis import given
from hypothesis import strategies as st

Rule = dict[str, Any]

periods = st.builds("{}{}".format, st.integers(1, 40), st.sampled_from(["d", "w", "mo", "y"]))
ends = st.one_of(periods, st.just("until_released"))
parts = st.text("abz-", min_size=1, max_size=3)
prefixes = st.lists(parts, max_size=3).map(lambda names: "".join(f"{name}/" for name in names))
starts = st.text("abz-/", max_size=6)
"""What rules of others begin with: not always whole parts of a key."""
settings = st.builds(
    LifecycleSettings,
    abort_uploads_after_days=st.one_of(st.none(), st.integers(1, 1000)),
    archive_after_days=st.one_of(st.none(), st.integers(1, 5000)),
    archive_storage_class=st.sampled_from(["GLACIER", "DEEP_ARCHIVE"]),
    noncurrent_days=st.one_of(st.none(), st.integers(1, 1000)),
    expire=st.booleans(),
    expire_margin_days=st.integers(0, 1000),
)


@st.composite
def policies(draw: st.DrawFn, only: st.SearchStrategy[str] | None = None) -> Policy:
    """Any policy; classes that would contradict the weekly period are left out."""
    # One kind that stays until it is released is enough to make a policy endless: else hardly one would end.
    chosen = draw(st.sampled_from([ends, periods])) if only is None else only
    given = {kind: draw(chosen) for kind in KINDS if kind not in ("monthly", "yearly")}
    given |= {name: draw(st.one_of(st.none(), periods)) for name in ("monthly", "yearly")}
    try:
        return Policy.parse(given)
    except ConfigError:
        return Policy.parse({**given, "monthly": None, "yearly": None})


def possible(wanted: LifecycleSettings, policy: Policy) -> LifecycleSettings:
    """*wanted* without what cannot be had of *policy*."""
    return replace(wanted, expire=wanted.expire and policy.longest_days is not None)


def end_of_current(rule: Rule, created: datetime) -> datetime | None:
    """When S3 ends a current version by *rule*: the midnight behind so many days."""
    days = rule.get("Expiration", {}).get("Days")
    return None if days is None else created + timedelta(days=days)


@given(st.lists(policies(), min_size=1, max_size=3), settings, st.lists(prefixes, min_size=1, max_size=3))
def test_no_rule_ends_a_current_version_before_the_longest_period_is_over(
    several: list[Policy], wanted: LifecycleSettings, places: list[str]
) -> None:
    kept = KeptDays.of(several)
    endless = any(policy.longest_days is None for policy in several)
    if wanted.expire and endless:
        with pytest.raises(ValueError, match="released"):
            derive_rules(places, kept, wanted)
        return
    for rule in derive_rules(places, kept, wanted).rules:
        expiration = rule.get("Expiration", {})
        assert "Date" not in expiration
        if "Days" in expiration:
            assert wanted.expire
            assert all(expiration["Days"] >= (policy.longest_days or 0) for policy in several)


@given(policies(periods), st.sampled_from(KINDS), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), settings)
def test_what_the_planner_keeps_is_never_ended_by_age(
    policy: Policy, kind: str, time: datetime, wanted: LifecycleSettings
) -> None:
    created = time.replace(microsecond=0, tzinfo=timezone.utc)
    (decision,) = plan_retention([Candidate(SetId(created, kind))], policy, created)
    assert decision.expires is not None
    for rule in derive_rules([""], KeptDays.of([policy]), possible(wanted, policy)).rules:
        end = end_of_current(rule, created)
        assert end is None or end >= decision.expires


@given(policies(), settings, prefixes)
def test_nothing_as_small_as_a_manifest_is_archived(policy: Policy, wanted: LifecycleSettings, prefix: str) -> None:
    rules = derive_rules([prefix], KeptDays.of([policy]), possible(wanted, policy)).rules
    for rule in rules:
        larger = Scope.of(rule).larger_than
        assert "Transitions" not in rule or (larger is not None and larger >= MAX_BYTES)
        assert "NoncurrentVersionTransitions" not in rule
    assert hidings(rules, [prefix]) == []


@given(policies(), settings, st.lists(prefixes, min_size=1, max_size=4, unique=True))
def test_every_rule_is_ours_reaches_its_prefix_alone_and_has_an_id_of_its_own(
    policy: Policy, wanted: LifecycleSettings, places: list[str]
) -> None:
    rules = derive_rules(places, KeptDays.of([policy]), possible(wanted, policy)).rules
    assert all(is_own(rule) and rule["Status"] == "Enabled" for rule in rules)
    assert len({rule["ID"] for rule in rules}) == len(rules)
    assert all(len(rule["ID"]) <= 255 for rule in rules)
    assert {Scope.of(rule).prefix for rule in rules} <= set(places)


@given(policies(), settings, st.integers(-1, 1))
def test_archiving_is_left_out_only_where_no_set_lives_to_see_it(
    policy: Policy, wanted: LifecycleSettings, later: int
) -> None:
    wanted = replace(wanted, archive_after_days=max(1, (policy.longest_days or 90) + later))
    derived = derive_rules([""], KeptDays.of([policy]), possible(wanted, policy))
    archived = any("Transitions" in rule for rule in derived.rules)
    pointless = policy.longest_days is not None and (wanted.archive_after_days or 0) >= policy.longest_days
    assert archived != pointless
    assert bool(derived.notes) == pointless


@given(
    policies(), prefixes, starts, st.integers(1, 20000), starts, st.sampled_from(["Filter", "And", "Prefix", "tagged"])
)
def test_a_rule_of_others_that_ends_a_key_of_ours_too_early_is_found_whatever_its_form(
    policy: Policy, prefix: str, start: str, days: int, rest: str, form: str
) -> None:
    rule: Rule = {"ID": "theirs", "Status": "Enabled", "Expiration": {"Days": days}}
    rule |= {
        "Filter": {"Filter": {"Prefix": start}},
        "And": {"Filter": {"And": {"Prefix": start, "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeLessThan": 9}}},
        "Prefix": {"Prefix": start},
        "tagged": {"Filter": {"Tag": {"Key": "a", "Value": "b"}}},
    }[form]
    key = f"{prefix}{rest}"
    ends_ours = (form == "tagged" or key.startswith(start)) and (
        policy.longest_days is None or days < policy.longest_days
    )
    found = endings([rule], [prefix], KeptDays.of([policy]))
    if ends_ours:
        assert found
    if policy.longest_days is not None and days >= policy.longest_days:
        assert not found


KEPT = KeptDays.of([Policy.parse(None)])
ENDING = KeptDays.of([Policy.parse(dict.fromkeys(("pre_migration", "post_incident", "manual"), "30d"))])


def test_the_documents_own_rule_would_end_what_is_kept_for_years() -> None:
    rule = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": "backups/"}, "Expiration": {"Days": 365}}
    (told,) = endings([rule], ["backups/"], ENDING)
    assert "'expire' on 'backups/' ends objects after 365 days" in told
    assert "for up to 2562 days" in told
    (told,) = endings([rule], [""], KEPT)
    assert "for up to 2562 days and until they are released (pre_migration, post_incident, manual)" in told


@pytest.mark.parametrize(
    "rule",
    [
        {"Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
        {"Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}},
        {"Status": "Enabled", "Filter": {"Prefix": "backups-old/"}, "Expiration": {"Days": 1}},
        {"Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    ],
    ids=["disabled", "elsewhere", "a name that begins alike", "marks of deletion", "deleted versions"],
)
def test_what_ends_nothing_of_ours_is_nobodys_business(rule: Rule) -> None:
    assert endings([rule], ["backups/"], KEPT) == []
    assert hidings([rule], ["backups/"]) == []


def test_an_end_at_a_date_is_never_late_enough() -> None:
    date = datetime(2099, 1, 1, tzinfo=timezone.utc)
    rule = {"ID": "dated", "Status": "Enabled", "Filter": {}, "Expiration": {"Date": date}}
    (told,) = endings([rule], ["backups/"], ENDING)
    assert "on 2099-01-01 and from then on" in told


def test_an_end_behind_the_policys_last_day_is_told_and_allowed() -> None:
    rule = {"ID": "late", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 2562}}
    assert endings([rule], ["backups/"], ENDING) == []
    assert "held or not" in late_endings([rule], ["backups/"], ENDING)[0]


@pytest.mark.parametrize(("larger", "hides"), [(None, True), (MAX_BYTES - 1, True), (MAX_BYTES, False)])
def test_an_archive_that_manifests_can_come_into_is_told(larger: int | None, hides: bool) -> None:
    scope = {"Prefix": "backups/"} if larger is None else {"And": {"Prefix": "b", "ObjectSizeGreaterThan": larger}}
    rule = {"ID": "cold", "Status": "Enabled", "Filter": scope, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    assert bool(hidings([rule], ["backups/"])) == hides


def test_two_forms_of_one_rule_are_the_same_and_another_limit_of_size_is_not() -> None:
    actions = {"ID": "a", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}
    forms = [
        {**actions, "Filter": {"Prefix": "a/"}},
        {**actions, "Filter": {"And": {"Prefix": "a/", "Tags": []}}, "Transitions": []},
        {**actions, "Prefix": "a/", "Expiration": {"ExpiredObjectDeleteMarker": False}},
    ]
    assert all(canonical(form) == canonical(forms[0]) for form in forms)
    sized = {**actions, "Filter": {"And": {"Prefix": "a/", "ObjectSizeGreaterThan": 5}}}
    assert canonical(sized) != canonical(forms[0])


def test_ids_of_rules_are_short_and_plain_whatever_the_prefix() -> None:
    wanted = LifecycleSettings(7, 90, "GLACIER", 30, expire=False, expire_margin_days=0)
    names = [rule["ID"] for rule in derive_rules(["", "a/b/", "ü/", f"{'x' * 900}/"], KEPT, wanted).rules]
    assert names[:4] == [f"{OWN}clean", f"{OWN}archive", f"{OWN}clean-a/b", f"{OWN}archive-a/b"]
    assert all(name.isascii() and len(name) <= 255 for name in names)
    assert len(set(names)) == 8
