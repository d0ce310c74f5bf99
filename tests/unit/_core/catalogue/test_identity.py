"""One label belongs to one database: which sets are another one's, and which are after an upgrade or a move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import combinations, groupby, pairwise

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.identity import (
    Identity,
    databases_of,
    find_mixture,
    is_adopted,
    refuse_other,
    rows,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.loading import LoadedSet
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import make_manifest
from support.memory_location import MemoryLocation
from support.small_sets import small_set

OLD, NEW = "7318446153489713245", "7401234567890123456"
SHOP, MOVED, CRM, UNKNOWN = (
    Identity("shop", OLD),
    Identity("shop", NEW),
    Identity("crm", OLD),
    Identity("shop", None),
)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
KNOWN = st.builds(Identity, st.sampled_from(["shop", "crm"]), st.sampled_from([OLD, NEW]))
ANY = st.builds(Identity, st.sampled_from(["shop", "crm"]), st.sampled_from([OLD, NEW, None]))


def told(identities: Sequence[Identity]) -> list[tuple[SetId, Identity]]:
    return [(SetId(START + timedelta(days=day), "daily"), one) for day, one in enumerate(identities)]


def loaded(identity: Identity) -> LoadedSet:
    manifest = make_manifest()
    database = replace(manifest.database, name=identity.name, system_identifier=identity.system)
    return LoadedSet(replace(manifest, database=database), b"", "good")


@pytest.mark.parametrize(
    "previous", [None, SHOP, UNKNOWN], ids=["a new label", "its own", "of a server that tells none"]
)
def test_a_database_adds_to_its_own_sets(previous: Identity | None) -> None:
    assert refuse_other("shop", SHOP, None if previous is None else loaded(previous), None) == []


@pytest.mark.parametrize(
    ("own", "previous", "adopt"),
    [
        (MOVED, SHOP, OLD),
        (CRM, SHOP, OLD),
        (Identity("sales", None), CRM, OLD),
        (CRM, UNKNOWN, "shop"),
    ],
    ids=["another server", "another name", "another name, where no identifier is told", "no identifier in the sets"],
)
def test_a_label_of_another_database_is_refused_until_that_one_is_named(
    own: Identity, previous: Identity, adopt: str
) -> None:
    for other in (None, NEW + "0"):
        with pytest.raises(ConfigError, match="belongs to another database") as caught:
            refuse_other("shop", own, loaded(previous), other)
        for part in (str(own), str(previous), f"adopt: '{adopt}'", "backup_label", "backup_adopt"):
            assert part in str(caught.value)
    (warning,) = refuse_other("shop", own, loaded(previous), f" {adopt}\n")
    assert str(previous) in warning
    # What adopt names may be gone from the label already, or be the database itself.
    assert refuse_other("shop", own, loaded(own), adopt) == []


@given(st.lists(KNOWN, max_size=8))
def test_a_mixture_is_a_database_that_comes_back_and_nothing_else(identities: list[Identity]) -> None:
    runs = [one for one, _same in groupby(identities)]
    mixture = find_mixture(rows(told(identities)))
    assert (mixture is None) == (len(set(runs)) == len(runs))
    if mixture is not None:
        assert mixture.before.identity == mixture.after.identity != mixture.between.identity
        assert mixture.before.last < mixture.between.first <= mixture.between.last < mixture.after.first


@given(st.lists(ANY, max_size=8))
def test_a_server_that_tells_no_identifier_is_judged_by_names_and_makes_no_mixture_of_one_database(
    identities: list[Identity],
) -> None:
    found = rows(told(identities))
    assert sum(row.sets for row in found) == len(identities)
    assert all(later.identity.is_other(earlier.identity) for earlier, later in pairwise(found))
    mixture = find_mixture(found)
    alike = [
        (one, other)
        for one, other in combinations(range(len(found)), 2)
        if not found[one].identity.is_other(found[other].identity)
    ]
    assert (mixture is None) == (not alike)


@given(st.lists(KNOWN, max_size=8), st.sampled_from([OLD, NEW]))
def test_what_is_adopted_is_no_part_of_a_mixture(identities: list[Identity], adopt: str) -> None:
    counted = [pair for pair in told(identities) if not is_adopted(pair[1], adopt)]
    mixture = find_mixture(rows(counted))
    assert mixture is None or adopt not in (mixture.before.identity.system, mixture.between.identity.system)
    if len(set(identities)) < 3 and counted != told(identities):
        assert mixture is None


def location_of(*identities: Identity, key: SigningKey | None = None, forged: Identity | None = None) -> MemoryLocation:
    location = MemoryLocation("disk")
    sets = [(set_id, one, key) for set_id, one in told(identities)]
    if forged is not None:
        sets.append((SetId(START + timedelta(days=99), "daily"), forged, SigningKey.generate()))
    for set_id, one, signer in sets:
        database = replace(make_manifest().database, name=one.name, system_identifier=one.system)
        for name, data in small_set(str(set_id), key=signer, database=database).items():
            location.add(f"{set_id.directory('shop')}/{name}", data)
    return location


def test_only_sets_that_a_key_vouches_for_have_a_say() -> None:
    key = SigningKey.generate()
    location = location_of(SHOP, SHOP, MOVED, key=key, forged=SHOP)
    proven = read_catalogue([location], "shop", cache_dir=None, verify_keys=[key.verify_key])
    assert [row.identity for row in databases_of(proven)] == [SHOP, MOVED]
    anybody = databases_of(read_catalogue([location], "shop", cache_dir=None))
    assert find_mixture(anybody) is not None


def test_a_set_from_the_future_has_no_say() -> None:
    location = location_of(SHOP, MOVED)
    future = SetId(datetime(2199, 1, 1, tzinfo=timezone.utc), "daily")
    for name, data in small_set(str(future)).items():
        location.add(f"{future.directory('shop')}/{name}", data)
    assert [row.sets for row in databases_of(read_catalogue([location], "shop", cache_dir=None))] == [1, 1]
