"""The modules backup_sign and backup_rekey: check, apply, apply again (in real runs of Ansible), and mistakes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from support.age_sets import age_set
from support.lab import S3Server
from support.module_plays import play
from support.module_runs import run_module
from support.set_copies import opened, states

ID = "weekly_20261122_000000"
SET = {"label": "shop", "backup": ID}
PLACE = SetId.parse(ID).directory("shop")
OLD, NEW = X25519Identity.generate(), X25519Identity.generate()
SIGNER, RECORDS = SigningKey.generate(), SigningKey.generate()
FILES = age_set(ID, OLD)
DIGEST = hashlib.sha256(FILES["manifest.json"]).hexdigest()


@pytest.fixture
def locations(tmp_path: Path, s3_server: S3Server, s3_bucket: str) -> list[dict[str, Any]]:
    """A directory and a bucket with the set in it, and a directory without."""
    made = [{"name": "local", "type": "local", "path": str(tmp_path / "local")}, s3_server.location(s3_bucket)]
    for location in opened(made):
        location.check()
        for name, data in FILES.items():
            location.put(f"{PLACE}/{name}", data)
    (tmp_path / "empty").mkdir()
    return [*made, {"name": "empty", "type": "local", "path": str(tmp_path / "empty")}]


def there(locations: list[dict[str, Any]]) -> list[dict[str, bytes]]:
    """What is in the set's directory in each location beside the set."""
    found = []
    for location in opened(locations):
        keys = [info.key for info in location.list(PLACE)]
        found.append({key.rpartition("/")[2]: location.get(key) for key in keys if key.rpartition("/")[2] not in FILES})
    return found


@pytest.mark.next
def test_sign_check_apply_apply_again_and_another_digest(tmp_path: Path, locations: list[dict[str, Any]]) -> None:
    passphrase = "correct horse"
    given = {
        "locations": locations,
        "digest": DIGEST,
        "signing_key": SIGNER.to_pem(passphrase),
        "signing_key_passphrase": passphrase,
    }
    other = {**given, "digest": "0" * 64}
    wrong = run_module("backup_sign", **SET, **other)
    assert DIGEST in wrong["msg"]
    assert "nothing was changed" in wrong["msg"]
    assert there(locations) == [{}] * 3
    checked = run_module("backup_sign", check_mode=True, **SET, **given)
    assert there(locations) == [{}] * 3
    (done,), output = play(tmp_path, "backup_sign", {**SET, **given})
    again = run_module("backup_sign", **SET, **given)
    assert [result["changed"] for result in (checked, done, again)] == [True, True, False]
    for result in (checked, done, again):
        assert states(result) == ["signed", "signed", "missing"]
        assert (result["id"], result["digest"], result["signed_by"]) == (ID, DIGEST, SIGNER.key_id)
    assert checked["summary"][1] == f"local: would be signed by {SIGNER.key_id}"
    assert there(locations) == [{"manifest.json.sig": SIGNER.sign(FILES["manifest.json"])}] * 2 + [{}]
    assert f"+local: signed by {SIGNER.key_id}" in output
    assert "-s3: not signed" in output
    secrets = [passphrase, locations[1]["secret_key"], *given["signing_key"].splitlines()[1:-1]]
    assert not [secret for secret in secrets if secret in output + json.dumps([wrong, checked, again])]


@pytest.mark.next
def test_rekey_check_apply_apply_again_and_a_key_that_does_not_fit(
    tmp_path: Path, locations: list[dict[str, Any]]
) -> None:
    given = {
        "locations": locations,
        "recipients": [str(NEW.recipient)],
        "identities": [str(OLD)],
        "record_signing_key": RECORDS.to_pem(),
    }
    stranger = {**given, "identities": [str(X25519Identity.generate())]}
    down = {**locations[1], "name": "down", "endpoint_url": "http://127.0.0.1:9", "bucket": "nowhere"}
    unfit = run_module("backup_rekey", **SET, **stranger)
    checked = run_module("backup_rekey", check_mode=True, **SET, **given)
    assert there(locations) == [{}] * 3
    partly = run_module("backup_rekey", **SET, **{**given, "locations": [locations[0], down]})
    (done,), output = play(tmp_path, "backup_rekey", {**SET, **given})
    again = run_module("backup_rekey", **SET, **given)
    assert f"it was encrypted to {OLD.recipient}" in unfit["msg"]
    assert "location 'down'" in partly["msg"]
    assert f"run it again with backup: {ID} to finish" in partly["msg"]
    assert [result["changed"] for result in (checked, partly, done, again)] == [True, True, True, False]
    assert states(partly) == ["rekeyed", "failed"]
    for result in (checked, done, again):
        assert states(result) == ["rekeyed", "rekeyed", "missing"]
        assert result["signed_by"] == RECORDS.key_id
    assert done["record"] == again["record"] == partly["record"]
    local, other, empty = there(locations)
    assert set(local) == {done["record"], f"{done['record']}.sig"}
    assert RECORDS.verify_key.fits(local[done["record"]], local[f"{done['record']}.sig"])
    assert (other, empty) == (local, {})
    assert f"+s3: rekeyed by {done['record']}" in output
    secrets = [str(OLD), locations[1]["secret_key"], *RECORDS.to_pem().splitlines()[1:-1]]
    assert not [secret for secret in secrets if secret in output + json.dumps([unfit, checked, partly, again])]
