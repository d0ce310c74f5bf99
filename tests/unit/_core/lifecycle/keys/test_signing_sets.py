"""A manifest is signed where it is the one that was named, byte for byte, and nothing else is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey, VerifyKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import load_set
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, CryptoError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.incomplete import LocationsFailed
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.sign import (
    SignRequest,
    run_backup_sign,
    sign_in,
)
from support.manifests import make_manifest
from support.memory_location import MemoryLocation

ID = SetId.parse("weekly_20261122_000000")
PLACE = ID.directory("shop")
MANIFEST, SIGNATURE = f"{PLACE}/manifest.json", f"{PLACE}/manifest.json.sig"
KEY, OTHER = SigningKey.generate(), SigningKey.generate()
DATA = make_manifest(str(ID)).to_bytes()
FORGED = make_manifest(str(ID), environment="forged").to_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store(name: str = "store", data: bytes | None = DATA, signature: bytes | None = None) -> MemoryLocation:
    location = MemoryLocation(name)
    for key, content in ((MANIFEST, data), (SIGNATURE, signature)):
        if content is not None:
            location.add(key, content)
    return location


def request(data: bytes = DATA, revoked: Sequence[VerifyKey] = ()) -> SignRequest:
    return SignRequest("shop", ID, digest(data), KEY, revoked)


def signed(location: MemoryLocation) -> bytes | None:
    return location.objects[SIGNATURE][0] if SIGNATURE in location.objects else None


def states(told: dict[str, Any]) -> list[str]:
    return [copy["state"] for copy in told["copies"]]


def test_the_set_is_one_of_the_keys_then_in_every_location_that_has_it() -> None:
    locations = [store("a"), store("b"), store("c", None)]
    checked = sign_in(locations, request(), True)
    assert [signed(location) for location in locations] == [None] * 3
    told = sign_in(locations, request(), False)
    assert states(checked) == states(told) == ["signed", "signed", "missing"]
    assert (checked["changed"], told["changed"]) == (True, True)
    assert told["summary"] == [
        f"shop: {ID} is signed by {KEY.key_id}",
        f"a: signed by {KEY.key_id}",
        f"b: signed by {KEY.key_id}",
        "c: does not have this set",
    ]
    assert "b: not signed\n" in told["diff"]["before"]
    for location in locations[:2]:
        assert load_set(location, "shop", ID, [KEY.verify_key]).signature == "good"
    again = sign_in(locations, request(), False)
    assert (again["changed"], states(again)) == (False, states(told))


def test_another_manifest_is_never_signed_and_is_named_while_the_right_one_is() -> None:
    locations = [store("good"), store("forged", FORGED)]
    with pytest.raises(LocationsFailed, match=f"'forged'.*another one: its digest is {digest(FORGED)}") as caught:
        sign_in(locations, request(), False)
    assert signed(locations[0]) == KEY.sign(DATA)
    assert signed(locations[1]) is None
    assert states(caught.value.report or {}) == ["signed", "failed"]


def test_a_digest_that_no_location_has_changes_nothing_and_names_those_that_are_there() -> None:
    location = store(data=FORGED)
    with pytest.raises(ConfigError, match=digest(FORGED)):
        sign_in([location, store("empty", None)], request(), False)
    assert signed(location) is None
    with pytest.raises(ConfigError, match="is the id right"):
        sign_in([store(data=None)], request(), False)


def test_what_is_signed_are_the_bytes_that_were_hashed_though_the_store_changes_them() -> None:
    class Turncoat(MemoryLocation):  # type: ignore[misc]
        readings = 0

        def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
            self.readings += key == MANIFEST
            if self.readings == 2:
                self.add(MANIFEST, FORGED)
            found: Iterator[bytes] = super().read(key, offset=offset, length=length)
            return found

    location = Turncoat("turncoat")
    location.add(MANIFEST, DATA)
    sign_in([location], request(), False)
    assert location.readings == 1
    assert signed(location) == KEY.sign(DATA)


@pytest.mark.parametrize("there", [OTHER.sign(DATA), KEY.sign(FORGED), b"", b"x" * 64, KEY.sign(DATA) + b"x"])
def test_another_signature_is_refused_and_stays(there: bytes) -> None:
    locations = [store("a", signature=there), store("b")]
    with pytest.raises(LocationsFailed, match=r"'a'.*this key did not make"):
        sign_in(locations, request(), False)
    assert [signed(location) for location in locations] == [there, KEY.sign(DATA)]


def test_the_signature_of_a_revoked_key_gives_way_and_no_other() -> None:
    locations = [store("a", signature=OTHER.sign(DATA)), store("b", signature=SigningKey.generate().sign(DATA))]
    asked = request(revoked=[OTHER.verify_key])
    with pytest.raises(LocationsFailed, match=r"'b'.*this key did not make"):
        sign_in(locations, asked, True)
    assert signed(locations[0]) == OTHER.sign(DATA)
    with pytest.raises(LocationsFailed, match=r"'b'.*this key did not make") as caught:
        sign_in(locations, asked, False)
    assert signed(locations[0]) == KEY.sign(DATA)
    assert f"a: signed by {OTHER.key_id}, which is revoked\n" in (caught.value.report or {})["diff"]["before"]
    # The digest says which manifest is meant, also to a thief's key: a forged set is not taken over.
    forged = store("a", FORGED, OTHER.sign(FORGED))
    with pytest.raises(ConfigError, match="with the digest"):
        sign_in([forged], asked, False)
    assert signed(forged) == OTHER.sign(FORGED)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"{}\n", BackupError), (make_manifest("daily_20261122_000000").to_bytes(), CryptoError)],
    ids=["no manifest", "that of another place"],
)
def test_what_is_no_manifest_of_this_place_is_not_signed_even_by_its_digest(
    data: bytes, error: type[BackupError]
) -> None:
    location = store(data=data)
    with pytest.raises(error):
        sign_in([location], request(data), False)
    assert signed(location) is None


def test_a_location_that_fails_is_finished_by_the_next_run() -> None:
    locations = [store("up"), store("down")]
    locations[1].failing = {"put"}
    with pytest.raises(LocationsFailed, match="run it again with backup: weekly_20261122_000000"):
        sign_in(locations, request(), False)
    locations[1].failing = set()
    assert sign_in(locations, request(), False)["changed"]
    assert [signed(location) for location in locations] == [KEY.sign(DATA)] * 2


def test_a_set_that_is_deleted_meanwhile_is_not_told_to_be_signed() -> None:
    class Pruned(MemoryLocation):  # type: ignore[misc]
        def count(self, kind: str) -> None:
            if kind == "put":
                self.objects.pop(MANIFEST, None)

    location = Pruned("pruned")
    location.add(MANIFEST, DATA)
    with pytest.raises(LocationsFailed, match="was deleted while it was being signed"):
        sign_in([location], request(), False)


@pytest.mark.parametrize("given", ["", "latest", "0" * 63, "g" * 64, f"sha256:{'0' * 64}"])
def test_a_digest_that_cannot_be_one_is_refused(given: str) -> None:
    params = {
        "label": "shop",
        "backup": str(ID),
        "digest": given,
        "locations": [],
        "signing_key_passphrase": None,
        "revoked_key": [],
    }
    with pytest.raises(ConfigError, match="digest is no SHA-256"):
        run_backup_sign({**params, "signing_key": KEY.to_pem()}, False)


def test_a_key_that_is_revoked_signs_nothing() -> None:
    params = {
        "label": "shop",
        "backup": str(ID),
        "digest": digest(DATA),
        "locations": [],
        "signing_key_passphrase": None,
    }
    with pytest.raises(ConfigError, match="sign with another key"):
        run_backup_sign({**params, "signing_key": KEY.to_pem(), "revoked_key": [KEY.verify_key.to_pem()]}, False)


def test_the_key_may_have_a_passphrase_and_the_digest_capitals(tmp_path: Path) -> None:
    root = tmp_path / PLACE
    root.mkdir(parents=True)
    (root / "manifest.json").write_bytes(DATA)
    told = run_backup_sign(
        {
            "label": "shop",
            "backup": "latest",
            "digest": f" {digest(DATA).upper()}\n",
            "locations": [{"name": "local", "type": "local", "path": str(tmp_path)}],
            "signing_key": KEY.to_pem("horse"),
            "signing_key_passphrase": "horse",
            "revoked_key": [],
        },
        False,
    )
    assert (told["id"], told["digest"], told["signed_by"]) == (str(ID), digest(DATA), KEY.key_id)
    assert (root / "manifest.json.sig").read_bytes() == KEY.sign(DATA)
