"""The module encrypt_artifact: check, apply, apply again; and no secret anywhere in real runs of Ansible."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from support.gpg_keys import processes_with
from support.module_plays import Result, play
from support.module_runs import run_module

CANARY = "canary-9e1b4f passphrase"
DATA = b"id,phone\n" + b"17,+15550100\n" * 100_000


def watched(directory: Path, *tasks: dict[str, Any], **variables: str) -> tuple[list[Result], str]:
    """Run tasks of the module, and see to it that no secret is in a command line or an environment meanwhile."""
    seen: list[object] = []

    def look() -> None:
        assert not processes_with("canary-9e1b4f"), "a secret in a command line or an environment"
        seen.extend(processes_with("AnsiballZ_encrypt_artifact"))

    played = play(directory, "encrypt_artifact", *tasks, variables=variables, meanwhile=look)
    assert seen, "the module was never seen at work"
    return played


@pytest.fixture
def src(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_bytes(DATA)
    return path


@pytest.mark.next
def test_check_apply_apply_again_in_both_directions(src: Path, tmp_path: Path) -> None:
    identities = [X25519Identity.generate() for _ in range(2)]
    key = tmp_path / "key"
    key.write_text(f"{identities[0]}\n")
    back = tmp_path / "back.csv"
    to_encrypt = {"src": str(src), "recipients": [str(each.recipient) for each in identities]}
    to_decrypt = {"src": f"{src}.age", "dest": str(back), "state": "decrypted", "identities": ["{{ secret_key }}"]}
    checked = run_module("encrypt_artifact", check_mode=True, **to_encrypt)
    assert not Path(f"{src}.age").exists()
    results, output = watched(
        tmp_path,
        to_encrypt,
        to_decrypt,
        {**to_encrypt, "dest": str(tmp_path / "other.age"), "recipients": ["{{ secret_key }}"]},
        secret_key=str(identities[1]),
    )
    made, decrypted, mistake = results
    again = run_module("encrypt_artifact", **to_encrypt)
    assert [result["changed"] for result in (checked, made, again, decrypted)] == [True, True, False, True]
    assert not any(result["failed"] for result in (made, decrypted))
    assert "diff" in made and made["sha256"] == again["sha256"]
    assert made["sha256"] == hashlib.sha256((tmp_path / "export.csv.age").read_bytes()).hexdigest()
    assert back.read_bytes() == DATA
    assert {stat.S_IMODE(path.stat().st_mode) for path in (back, tmp_path / "export.csv.age")} == {0o600}
    assert mistake["failed"] and "recipient 1 is a private key" in mistake["msg"] and mistake["step"]

    assert not run_module("encrypt_artifact", check_mode=True, **to_encrypt)["changed"]
    to_decrypt["identities"] = [str(key)]
    assert not run_module("encrypt_artifact", **to_decrypt)["changed"]
    back.unlink()
    assert run_module("encrypt_artifact", check_mode=True, **to_decrypt)["changed"]
    assert not back.exists()
    for identity in identities:
        assert str(identity) not in output + json.dumps(results)


@pytest.mark.next
def test_a_secret_is_nowhere_to_be_found(src: Path, tmp_path: Path) -> None:
    scheme = "gpg" if shutil.which("gpg") else "age"
    back = tmp_path / "back.csv"
    made = {"src": f"{src}.{scheme}", "dest": str(back), "state": "decrypted"}
    results, output = watched(
        tmp_path,
        {"src": str(src), "passphrase": "{{ secret }}", "format": scheme},
        {**made, "passphrase": "{{ secret }}"},
        {**made, "passphrase": "{{ wrong }}", "force": True},
        secret=CANARY,
        wrong=f"{CANARY} but wrong",
    )
    assert [result["failed"] for result in results] == [False, False, True]
    assert "passphrase" in results[2]["msg"]
    assert back.read_bytes() == DATA
    assert "canary-9e1b4f" not in output + json.dumps(results)
