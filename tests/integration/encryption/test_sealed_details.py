"""An incident's details go to OpenPGP recipients as well: gpg alone opens what lies in the set."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.details import sealed_details
from support.backup_bench import Bench, make_keys
from support.gpg_keys import Keys
from support.lab import PostgresServer

DETAILS = "what {{ happened }}, canary-details\n"


def test_gpg_opens_the_details_of_a_set(
    gpg_keys: Keys, postgres17: PostgresServer, database: str, tmp_path: Path
) -> None:
    to = {"recipients": [gpg_keys.ops.fingerprint, gpg_keys.escrow.fingerprint], "gnupghome": str(gpg_keys.home)}
    sealed = sealed_details({"incident_details": DETAILS}, to["recipients"], str(gpg_keys.home))
    bench = Bench(tmp_path, make_keys(tmp_path))
    report = bench.backup(postgres17, database, kind="post_incident", attachments=sealed, **to)
    (attached,) = [one["name"] for one in report["artifacts"] if one["role"] == "attachment"]
    assert attached.endswith(".txt.gpg")
    stored = bench.root / report["directory"] / attached
    assert gpg_keys.home.run("--decrypt", stored).decode() == DETAILS
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"canary-details" in path.read_bytes()]


def test_details_are_never_encrypted_to_a_key_that_is_not_there(gpg_keys: Keys) -> None:
    with pytest.raises(BackupError, match=gpg_keys.ops.fingerprint):
        sealed_details({"incident_details": DETAILS}, [gpg_keys.ops.fingerprint], str(gpg_keys.empty))
