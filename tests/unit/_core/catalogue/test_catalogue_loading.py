"""Promises of loading a set: the signature first, and nothing is accepted in a place where it does not belong."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest, PreviousSet, digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import ChainFinding, check_chain, load_set
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.loading import LoadedSet
from ansible_collections.mobul.backup.plugins.module_utils._core.documents.strict_json import MAX_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import (
    ConfigError,
    CryptoError,
    FormatError,
    LocationError,
)
from support.manifests import make_manifest
from support.memory_location import MemoryLocation

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
ID = "weekly_20261122_000000"
PLACE = f"shop/2026/11/22/{ID}"
DATA = make_manifest().to_bytes()


def location_with(data: bytes = DATA, signature: bytes | None = None, place: str = PLACE) -> MemoryLocation:
    location = MemoryLocation()
    location.add(f"{place}/manifest.json", data)
    if signature is not None:
        location.add(f"{place}/manifest.json.sig", signature)
    return location


def test_a_set_is_loaded_by_its_id_and_as_the_latest() -> None:
    location = location_with()
    location.add(
        "shop/2026/11/21/daily_20261121_000000/manifest.json", make_manifest("daily_20261121_000000").to_bytes()
    )
    location.add("shop/2026/11/23/daily_20261123_000000/backup.dump.age")
    for backup in (ID, SetId.parse(ID), "latest"):
        loaded = load_set(location, "shop", backup)
        assert (loaded.manifest, loaded.data, loaded.sha256) == (make_manifest(), DATA, digest(DATA))


def test_the_state_of_the_signature_is_told() -> None:
    signature = KEY.sign(DATA)
    keys = [OTHER.verify_key, KEY.verify_key]
    good = load_set(location_with(signature=signature), "shop", verify_keys=keys)
    assert (good.signature, good.signed_by) == ("good", KEY.key_id)
    assert load_set(location_with(signature=signature), "shop").signature == "unverified"
    assert load_set(location_with(), "shop").signature == "unsigned"


def test_a_set_without_a_signature_is_refused_where_a_verify_key_is_given() -> None:
    with pytest.raises(CryptoError, match="is not signed, and a verify key was given"):
        load_set(location_with(), "shop", ID, [KEY.verify_key])


def test_a_set_that_somebody_else_made_is_refused() -> None:
    with pytest.raises(CryptoError, match=f"{ID} in location 'memory' was not signed with any"):
        load_set(location_with(signature=OTHER.sign(DATA)), "shop", ID, [KEY.verify_key])


def test_the_signature_is_checked_before_a_byte_of_the_manifest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(data: bytes) -> Manifest:
        raise AssertionError("the manifest was parsed first")

    monkeypatch.setattr(Manifest, "parse", parse)
    for signature in (None, b"", KEY.sign(DATA) + b"x", OTHER.sign(DATA)):
        with pytest.raises(CryptoError):
            load_set(location_with(signature=signature), "shop", ID, [KEY.verify_key])


def test_an_old_manifest_in_the_place_of_a_newer_one_is_refused_although_it_is_signed() -> None:
    place = "shop/2026/11/29/weekly_20261129_000000"
    location = location_with(signature=KEY.sign(DATA), place=place)
    for backup in ("latest", "weekly_20261129_000000"):
        with pytest.raises(CryptoError, match=f"the manifest of weekly_20261129_000000 of 'shop' is that of {ID}"):
            load_set(location, "shop", backup, [KEY.verify_key])


def test_a_set_of_another_label_is_refused_although_it_is_signed() -> None:
    location = location_with(signature=KEY.sign(DATA), place=PLACE.replace("shop", "staging"))
    with pytest.raises(CryptoError, match=r"of 'staging' is that of .* of 'shop'"):
        load_set(location, "staging", ID, [KEY.verify_key])


def test_the_latest_set_is_never_silently_an_older_one() -> None:
    location = location_with()
    location.add("shop/2026/11/29/weekly_20261129_000000/manifest.json", b"damaged")
    with pytest.raises(FormatError, match="not JSON"):
        load_set(location, "shop", "latest")
    assert load_set(location, "shop", ID).manifest == make_manifest()


def test_a_set_that_is_not_there_is_told_from_one_that_was_never_finished() -> None:
    location = MemoryLocation()
    with pytest.raises(LocationError, match=f"the backup {ID} of 'shop' is not there"):
        load_set(location, "shop", ID)
    location.add(f"{PLACE}/backup.dump.age")
    with pytest.raises(LocationError, match="was never finished"):
        load_set(location, "shop", ID)
    with pytest.raises(LocationError, match="there is no backup of 'shop'"):
        load_set(location, "shop")


@pytest.mark.parametrize("backup", ["newest", "../x", "weekly_20261122", "weekly_20261122_000000/..", ""])
def test_what_is_no_id_is_refused_before_anything_is_asked(backup: str) -> None:
    location = MemoryLocation()
    with pytest.raises(ConfigError, match="is not the id of a backup"):
        load_set(location, "shop", backup)
    assert not location.requests


def test_a_manifest_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    location = location_with(bytes(MAX_BYTES + 1))
    location.failing = {"read"}
    with pytest.raises(FormatError, match="too large"):
        load_set(location, "shop", ID)


def chain(*ids: str) -> list[LoadedSet]:
    """Sets that name each other in the order given."""
    sets: list[LoadedSet] = []
    for set_id in ids:
        before = None if not sets else PreviousSet(id=sets[-1].manifest.id, sha256=sets[-1].sha256)
        manifest = make_manifest(set_id, previous=before)
        sets.append(LoadedSet(manifest, manifest.to_bytes(), "unsigned"))
    return sets


def remade(loaded: LoadedSet, warning: str = "remade") -> LoadedSet:
    manifest = make_manifest(str(loaded.manifest.id), previous=loaded.manifest.previous, warnings=(warning,))
    return LoadedSet(manifest, manifest.to_bytes(), "unsigned")


def told(findings: tuple[ChainFinding, ...]) -> list[tuple[str, str, str]]:
    return [(str(finding.id), finding.status, finding.check) for finding in findings]


IDS = ("daily_20261119_000000", "daily_20261120_000000", "daily_20261121_000000", "daily_20261122_000000")


def test_a_whole_chain_has_no_findings_in_any_order_and_from_several_locations() -> None:
    sets = chain(*IDS)
    assert check_chain(sets) == ()
    assert check_chain([*reversed(sets), *sets]) == ()
    assert check_chain([]) == ()


def test_a_missing_set_shows_as_a_warning_and_a_pruned_beginning_as_well() -> None:
    first, second, third, fourth = chain(*IDS)
    assert told(check_chain([first, second, fourth])) == [(IDS[3], "warning", "missing")]
    assert told(check_chain([third, fourth])) == [(IDS[2], "warning", "missing")]


def test_an_exchanged_set_shows_as_a_failure() -> None:
    first, second, third, fourth = chain(*IDS)
    assert told(check_chain([first, remade(second), third, fourth])) == [(IDS[2], "failed", "exchanged")]


def test_two_manifests_of_one_id_show_as_a_failure() -> None:
    first, second, third, fourth = chain(*IDS)
    assert told(check_chain([first, second, remade(second), third, fourth])) == [(IDS[1], "failed", "doubled")]


def test_a_fork_an_unlinked_set_and_a_link_into_the_future_show_as_warnings() -> None:
    first, second = chain(*IDS[:2])
    fork = chain(IDS[0], "daily_20261120_120000")[1]
    assert told(check_chain([first, second, fork])) == [("daily_20261120_120000", "warning", "forked")]
    assert told(check_chain([first, chain(IDS[1])[0]])) == [(IDS[1], "warning", "unlinked")]
    stepped_back = chain(IDS[1], IDS[0])
    assert told(check_chain(stepped_back)) == [(IDS[0], "warning", "order"), (IDS[1], "warning", "unlinked")]
