"""New recipients read an old set by a record beside it, which proves itself; nothing of the set changes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.rekey import Rekey
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import rekeys
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import find_good_set
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.selector import BackupSelector
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.filekey import wrap_header
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, CryptoError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.incomplete import LocationsFailed
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.rekey import (
    RekeyRequest,
    rekey_in,
    run_backup_rekey,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.plain import open_plain
from support.age_sets import DUMP, GLOBALS, age_set
from support.manifests import make_dump, make_manifest
from support.memory_location import MemoryLocation

ID = SetId.parse("weekly_20261122_000000")
PLACE = ID.directory("shop")
NOW = datetime(2027, 1, 5, 10, 15, tzinfo=timezone.utc)
OLD, NEW, THIRD, STRANGER = (X25519Identity.generate() for _number in range(4))
SIGNER, RECORDS, OTHER = (SigningKey.generate() for _number in range(3))
FILES = age_set(str(ID), OLD, key=SIGNER)
NAME = "rekeyed_20270105_101500.json"


def store(name: str = "store", files: dict[str, bytes] = FILES) -> MemoryLocation:
    location = MemoryLocation(name)
    for each, data in files.items():
        location.add(f"{PLACE}/{each}", data)
    return location


def files_of(location: MemoryLocation) -> dict[str, bytes]:
    return {key.removeprefix(f"{PLACE}/"): data for key, (data, _modified) in location.objects.items()}


def request(*identities: X25519Identity, to: X25519Identity = NEW, **changes: Any) -> RekeyRequest:
    plain = RekeyRequest("shop", ID, (to.recipient,), identities or (OLD,), [SIGNER.verify_key], None, NOW)
    return replace(plain, **changes)


def read(location: MemoryLocation, identity: X25519Identity) -> list[bytes]:
    """Everything that is inside of the set, as a restore reads it."""
    good = find_good_set([location], "shop", BackupSelector(ID), [SIGNER.verify_key])
    decryption = Decryption.parse([str(identity)])
    return [b"".join(open_plain(good, one, decryption).pieces()) for one in good.manifest.artifacts]


def record_of(location: MemoryLocation, name: str = NAME) -> Rekey:
    return Rekey.parse(files_of(location)[name])


def put(location: MemoryLocation, name: str, record: Rekey) -> None:
    location.add(f"{PLACE}/{name}", record.to_bytes())


def test_the_new_recipient_reads_the_set_of_which_nothing_has_changed() -> None:
    locations = [store("a"), store("b"), store("c", {})]
    with pytest.raises(CryptoError, match="one that it was rekeyed to"):
        read(locations[0], NEW)
    checked = rekey_in(locations, request(), True)
    assert files_of(locations[0]) == FILES
    told = rekey_in(locations, request(), False)
    assert [copy["state"] for copy in told["copies"]] == ["rekeyed", "rekeyed", "missing"]
    assert (checked["changed"], told["changed"], told["record"], told["signed_by"]) == (True, True, NAME, None)
    for location in locations[:2]:
        assert read(location, NEW) == read(location, OLD) == [DUMP, GLOBALS]
        with pytest.raises(CryptoError, match="no identity matches"):
            read(location, STRANGER)
        assert {name: data for name, data in files_of(location).items() if name != NAME} == FILES
    assert files_of(locations[0])[NAME] == files_of(locations[1])[NAME]
    assert "b: not rekeyed\n" in told["diff"]["before"]
    again = rekey_in(locations, request(now=NOW + timedelta(days=1)), False)
    assert (again["changed"], again["record"]) == (False, NAME)


def test_a_signed_record_is_taken_to_the_locations_that_lack_it_with_its_signature() -> None:
    first, second = store("a"), store("b")
    told = rekey_in([first], request(key=RECORDS), False)
    assert told["signed_by"] == RECORDS.key_id
    assert RECORDS.verify_key.fits(files_of(first)[NAME], files_of(first)[f"{NAME}.sig"])
    rekey_in([second, first], request(key=RECORDS, now=NOW + timedelta(days=1)), False)
    assert files_of(second) == files_of(first)
    unsigned = store("c")
    rekey_in([unsigned], request(), False)
    later = request(key=RECORDS, now=NOW + timedelta(seconds=1))
    assert rekey_in([unsigned], later, False)["record"] == "rekeyed_20270105_101501.json"


def test_a_record_opens_the_copy_in_another_location_as_well() -> None:
    locations = [store("a"), store("b")]
    rekey_in(locations[1:], request(), False)
    good = find_good_set(locations, "shop", BackupSelector(ID), [SIGNER.verify_key])
    decryption = Decryption.parse([str(NEW)])
    assert good.location.name == "a"
    assert [b"".join(open_plain(good, one, decryption).pieces()) for one in good.manifest.artifacts] == [DUMP, GLOBALS]


def test_a_set_can_be_rekeyed_with_a_key_that_it_was_rekeyed_to() -> None:
    location = store()
    rekey_in([location], request(), False)
    rekey_in([location], request(NEW, to=THIRD), False)
    assert read(location, THIRD) == [DUMP, GLOBALS]
    with pytest.raises(CryptoError, match="no identity matches"):
        rekey_in([location], request(STRANGER, to=STRANGER), False)


def test_forged_records_neither_open_a_file_nor_hide_a_good_record() -> None:
    location = store()
    rekey_in([location], request(), False)
    good = record_of(location)
    headers = dict(good.headers)
    dump, roles = headers
    forgeries = {
        "20280101_000000": replace(
            good, headers={name: wrap_header(os.urandom(16), [NEW.recipient]).decode() for name in headers}
        ),
        "20280101_000001": replace(good, headers={dump: headers[roles], roles: headers[dump]}),
        "20280101_000002": replace(good, headers={}),
        "20280101_000008": replace(good, headers={**headers, "stranger.age": headers[dump]}),
        "20280101_000009": replace(good, recipients=("age1",) * 101),
        "20280101_000003": replace(good, manifest="0" * 64),
        "20280101_000004": replace(good, label="other"),
        "20280101_000005": replace(good, id=SetId.parse("daily_20261122_000000")),
    }
    for time, record in forgeries.items():
        put(location, f"rekeyed_{time}.json", record)
    location.add(f"{PLACE}/rekeyed_20280101_000006.json", b"{" * 1000)
    location.add(f"{PLACE}/rekeyed_20280101_000007.json", b" " * (2 * 1024 * 1024))
    assert read(location, NEW) == [DUMP, GLOBALS]
    location.objects.pop(f"{PLACE}/{NAME}")
    with pytest.raises(CryptoError, match="no identity matches"):
        read(location, NEW)
    # None of them passes for the one that is wanted, either.
    assert rekey_in([location], request(), False)["record"] == NAME
    assert read(location, NEW) == [DUMP, GLOBALS]


def test_any_number_of_records_costs_a_bounded_number_of_readings() -> None:
    location = store()
    rekey_in([location], request(), False)
    junk = replace(record_of(location), manifest="0" * 64)
    for number in range(300):
        put(location, f"rekeyed_20280101_{number:06}.json", junk)
    location.requests.clear()
    with pytest.raises(CryptoError):
        read(location, STRANGER)
    assert location.requests["read"] < rekeys.MAX_RECORDS + 10
    location.requests.clear()
    assert read(location, OLD) == [DUMP, GLOBALS]
    assert location.requests["read"] < 8


def test_who_can_decrypt_it_anyway_gets_no_record() -> None:
    location = store(files=age_set(str(ID), OLD, NEW, key=SIGNER))
    told = rekey_in([location], request(), False)
    assert (told["changed"], told["record"]) == (False, None)
    assert told["summary"][1] == "store: was open to them already"


def test_a_file_that_was_exchanged_is_not_rekeyed_but_by_a_good_copy() -> None:
    name = next(name for name in FILES if name.startswith("globals"))
    exchanged = store("bad", {**FILES, name: age_set(str(ID), OLD)[name]})
    with pytest.raises(CryptoError, match=f"{name} in location 'bad' is not the file that was written there"):
        rekey_in([exchanged], request(), False)
    assert NAME not in files_of(exchanged)
    told = rekey_in([exchanged, store("good")], request(), False)
    assert name in told["warnings"][0]


def test_a_set_of_another_key_or_with_another_manifest_is_refused() -> None:
    unsigned = {name: data for name, data in FILES.items() if name != "manifest.json.sig"}
    with pytest.raises(ConfigError, match="is not signed"):
        rekey_in([store("a", unsigned)], request(), False)
    with pytest.raises(LocationsFailed, match=r"'a'.*is not signed") as caught:
        rekey_in([store("a", unsigned), store("b")], request(), False)
    assert [copy["state"] for copy in (caught.value.report or {})["copies"]] == ["failed", "rekeyed"]
    told = rekey_in([store("a", unsigned)], request(verify_keys=()), False)
    assert told["warnings"] == ["the set is not signed: nothing proves who made it"]
    locations = [store("a"), store("b", age_set(str(ID), OLD))]
    with pytest.raises(CryptoError, match="different manifests"):
        rekey_in(locations, request(verify_keys=()), False)
    assert NAME not in files_of(locations[0])


def test_a_location_that_fails_is_finished_by_the_next_run() -> None:
    locations = [store("up"), store("down")]
    locations[1].failing = {"put"}
    with pytest.raises(LocationsFailed, match="run it again with backup: weekly_20261122_000000"):
        rekey_in(locations, request(key=RECORDS), False)
    locations[1].failing = set()
    told = rekey_in(locations, request(key=RECORDS, now=NOW + timedelta(hours=1)), False)
    assert told["record"] == NAME
    assert files_of(locations[0]) == files_of(locations[1])


@pytest.mark.parametrize(
    ("recipients", "told"),
    [
        ([], "0 recipients are given"),
        (["someone@example.com"], "not of the format age"),
        ([str(OLD)], "private"),
        ([str(X25519Identity.generate().recipient) for _number in range(101)], "101 recipients are given"),
    ],
)
def test_recipients_that_cannot_be_are_refused_and_no_secret_is_shown(recipients: list[str], told: str) -> None:
    given = {"label": "shop", "backup": str(ID), "locations": [], "verify_key": [], "identities": [str(OLD)]}
    more = {"passphrase": None, "record_signing_key": None, "record_signing_key_passphrase": None}
    with pytest.raises(ConfigError, match=told) as caught:
        run_backup_rekey({**given, **more, "recipients": recipients}, False)
    assert str(OLD) not in str(caught.value)


def test_a_set_without_age_files_is_refused() -> None:
    files = {"manifest.json": make_manifest(str(ID), artifacts=()).to_bytes()}
    with pytest.raises(ConfigError, match="no file that is encrypted with age"):
        rekey_in([store(files=files)], request(verify_keys=()), False)


def test_a_set_that_is_not_encrypted_is_open_to_them_already() -> None:
    dump = make_dump(ID, name="backup_20261122_0000.dump", encryption="none", recipients=(), age_head=None)
    files = {"manifest.json": make_manifest(str(ID), artifacts=(dump,)).to_bytes()}
    told = rekey_in([store(files=files)], request(verify_keys=()), False)
    assert (told["changed"], told["record"], told["summary"][1]) == (False, None, "store: was open to them already")


def test_a_record_is_strict_json_with_the_headers_as_age_writes_them() -> None:
    location = store()
    rekey_in([location], request(), False)
    document = json.loads(files_of(location)[NAME])
    assert document["format"] == "mobul.backup/rekey"
    assert document["manifest"] == digest(FILES["manifest.json"])
    assert document["recipients"] == [str(NEW.recipient)]
    assert {name for name in FILES if name.endswith(".age")} == set(document["headers"])
    for header in document["headers"].values():
        assert header.startswith("age-encryption.org/v1\n-> X25519 ")
