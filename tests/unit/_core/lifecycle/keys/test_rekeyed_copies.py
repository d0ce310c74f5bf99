"""A rekey record goes with its set: to other locations where it is signed, and away with the set."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.rekey import run_backup_rekey
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from ansible_collections.mobul.backup.plugins.modules import backup_prune, backup_rekey, backup_replicate
from support.age_sets import age_set
from support.module_parameters import parameters
from support.small_sets import contents, directory_of, lay

NOW = datetime.now(timezone.utc).replace(microsecond=0)
ID, NEWER = (str(SetId(NOW - timedelta(days=days), "daily")) for days in (2, 1))
OLD, NEW = X25519Identity.generate(), X25519Identity.generate()
RECORDS, OTHER = SigningKey.generate(), SigningKey.generate()


def options(tmp_path: Path, *names: str, **more: Any) -> dict[str, Any]:
    locations = [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in names]
    return {"locations": locations, "label": "shop", **more}


def rekey(tmp_path: Path, key: SigningKey | None) -> str:
    """Rekey the set in the location ``a``; the record's name."""
    more = {} if key is None else {"record_signing_key": key.to_pem()}
    asked = {"backup": ID, "recipients": [str(NEW.recipient)], "identities": [str(OLD)], **more}
    record: str = run_backup_rekey(parameters(backup_rekey, **options(tmp_path, "a", **asked)), False)["record"]
    return record


@pytest.mark.parametrize("key", [RECORDS, OTHER, None])
def test_a_record_is_copied_where_a_key_for_records_has_signed_it(tmp_path: Path, key: SigningKey | None) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    source = lay(tmp_path / "a", ID, age_set(ID, OLD))
    record = rekey(tmp_path, key)
    keys = {"record_verify_key": [RECORDS.verify_key.to_pem()]}
    run_backup_replicate(parameters(backup_replicate, **options(tmp_path, "a", "b", **keys)), False)
    copied = contents(directory_of(tmp_path / "b", ID))
    beside = {name: data for name, data in contents(source).items() if name in (record, f"{record}.sig")}
    assert copied == contents(source) if key is RECORDS else copied.items().isdisjoint(beside.items())


def test_a_record_is_deleted_with_its_set(tmp_path: Path) -> None:
    root = tmp_path / "a"
    root.mkdir()
    for set_id in (ID, NEWER):
        lay(root, set_id, age_set(set_id, OLD))
    rekey(tmp_path, RECORDS)
    run_backup_prune(parameters(backup_prune, **options(tmp_path, "a", policy={"daily": "1d"})), False)
    assert not directory_of(root, ID).exists()
    assert directory_of(root, NEWER).exists()
