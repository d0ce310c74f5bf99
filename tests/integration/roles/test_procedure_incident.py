"""``mobul.backup.post_incident``: the details are in the set alone, and it is copied, held and signed for."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import Decryptor, parse_identities
from support.backup_bench import Keys
from support.lab import PROJECT
from support.playbooks import Playbooks

SCHEMA = json.loads((PROJECT / "docs" / "procedure.schema.json").read_text())
PAGE = PROJECT / "docs" / "post_incident.md"
CANARY = "the phones of {{ lookup('pipe', 'touch pwned') }} canary-details"


def test_an_incidents_set_has_its_details_and_is_kept_where_nobody_takes_it_away(
    playbooks: Playbooks, login: dict[str, Any], keys: Keys, tmp_path: Path
) -> None:
    record_key = SigningKey.generate()
    public = tmp_path / "record.pub"
    public.write_text(record_key.verify_key.to_pem())
    private = tmp_path / "record.pem"
    private.touch(mode=0o600)
    private.write_text(record_key.to_pem())
    details = tmp_path / "what-happened.md"
    details.write_text(CANARY)
    inventory = playbooks.inventory(
        {"shop": {}},
        **login,
        backup_recipients=keys.recipients,
        backup_signing_key=str(keys.signing),
        backup_verify_key=[str(keys.verify)],
        backup_record_signing_key=str(private),
        backup_record_verify_key=[str(public)],
        backup_locations=[{"name": "a", "type": "local", "path": str(tmp_path / "a")}],
        # Of an incident's set nothing is left out.
        backup_exclude_table_data=["campaign*"],
        incident_location={"name": "forensic", "type": "local", "path": str(tmp_path / "forensic")},
    )
    result = tmp_path / "result.json"
    values = tmp_path / "incident.json"
    given = {
        "incident_reference": "INC-4711",
        "incident_details_file": str(details),
        "incident_hold_until": "2099-01-31",
        "procedure_result_path": str(result),
    }
    values.write_text(json.dumps(given))

    check = playbooks.run("mobul.backup.post_incident", inventory, "--check", "-e", f"@{values}")
    assert check.status == 0, check.output
    assert not result.exists()
    assert not (tmp_path / "forensic").exists()

    run = playbooks.run("mobul.backup.post_incident", inventory, "-vvv", "-e", f"@{values}", GITHUB_ACTOR="alice")
    assert run.status == 0, run.output
    assert "canary-details" not in run.output
    told = json.loads(result.read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert (told["verdict"], told["reference"], told["custody"]["by"]) == ("go", "INC-4711", "alice")
    assert {step["name"] for step in told["steps"] if step["status"] == "done"} == {
        *("backup", "prove", "forensic_copy", "hold", "record")
    }
    assert [(copy["location"], copy["proof"]) for copy in told["backup"]["copies"]] == [
        ("a", "read_back"),
        ("forensic", "read_back"),
    ]
    # As docs/post_incident.md tells a third person.
    (command,) = re.findall(r"^    (openssl pkeyutl .*)$", PAGE.read_text(), re.MULTILINE)
    for name, path in (("record.pub", public), ("INC-4711.json", result)):
        command = command.replace(name, str(path))
    assert "Verified Successfully" in subprocess.run(shlex.split(command), capture_output=True, text=True).stdout
    result.write_bytes(result.read_bytes().replace(b"alice", b"mallo"))
    assert subprocess.run(shlex.split(command), capture_output=True).returncode != 0

    manifests = [
        json.loads((tmp_path / name / told["backup"]["directory"] / "manifest.json").read_text())
        for name in ("a", "forensic")
    ]
    assert manifests[0] == manifests[1]
    assert manifests[0]["labels"] == {"incident": "INC-4711"}
    assert not [table["name"] for table in manifests[0]["tables"] if table.get("left_out")]
    for name in ("a", "forensic"):
        hold = json.loads((tmp_path / name / told["backup"]["directory"] / "hold.json").read_text())
        assert (hold["reason"], hold["until"]) == ("INC-4711", "2099-01-31T00:00:00Z")
    (attached,) = [one for one in manifests[0]["artifacts"] if one["role"] == "attachment"]
    assert attached["name"].endswith(".md.age")
    sealed = (tmp_path / "forensic" / told["backup"]["directory"] / attached["name"]).read_bytes()
    decryptor = Decryptor(parse_identities(keys.identity.read_text()))
    assert decryptor.update(sealed) + decryptor.finalize() == CANARY.encode()
    assert not list(tmp_path.rglob("pwned"))
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path not in (details, values)]
    assert not [path for path in left if b"canary-details" in path.read_bytes()]
