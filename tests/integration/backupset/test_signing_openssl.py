"""Signatures and keys are OpenSSL's: a set's origin can be checked, and a key made, without this software."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import (
    SigningKey,
    load_signing_key,
    load_verify_key,
    sign,
    verify,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import CryptoError
from support.lab import find_tool
from support.manifests import make_manifest

CHECK = "pkeyutl -verify -pubin -inkey signing.pub -rawin -in manifest.json -sigfile manifest.json.sig"


def openssl(arguments: str, directory: Path, status: int = 0) -> str:
    program = find_tool("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, *arguments.split()], cwd=directory, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout


def test_openssl_accepts_our_signature_and_refuses_a_changed_manifest(tmp_path: Path) -> None:
    key = SigningKey.generate()
    data = make_manifest().to_bytes()
    (tmp_path / "signing.pub").write_text(key.verify_key.to_pem())
    (tmp_path / "manifest.json").write_bytes(data)
    (tmp_path / "manifest.json.sig").write_bytes(sign(data, key))
    assert "Verified Successfully" in openssl(CHECK, tmp_path)
    (tmp_path / "manifest.json").write_bytes(data.replace(b"production", b"productiom"))
    openssl(CHECK, tmp_path, status=1)


def test_keys_and_signatures_made_by_openssl_are_accepted(tmp_path: Path) -> None:
    openssl("genpkey -algorithm ed25519 -out signing.pem", tmp_path)
    openssl("pkey -in signing.pem -pubout -out signing.pub", tmp_path)
    data = make_manifest().to_bytes()
    (tmp_path / "manifest.json").write_bytes(data)
    openssl("pkeyutl -sign -inkey signing.pem -rawin -in manifest.json -out manifest.json.sig", tmp_path)
    signature = (tmp_path / "manifest.json.sig").read_bytes()
    verify_key = load_verify_key(str(tmp_path / "signing.pub"))
    assert verify(data, signature, [verify_key]) == verify_key
    assert sign(data, load_signing_key(str(tmp_path / "signing.pem"))) == signature
    with pytest.raises(CryptoError):
        verify(data + b"\n", signature, [verify_key])


def test_a_key_that_openssl_encrypted_is_read_with_its_passphrase(tmp_path: Path) -> None:
    openssl("genpkey -algorithm ed25519 -aes-256-cbc -pass pass:correct -out signing.pem", tmp_path)
    openssl("pkey -in signing.pem -passin pass:correct -pubout -out signing.pub", tmp_path)
    key = load_signing_key(str(tmp_path / "signing.pem"), "correct")
    assert key.verify_key == load_verify_key(str(tmp_path / "signing.pub"))


def test_openssl_reads_the_keys_that_we_write(tmp_path: Path) -> None:
    key = SigningKey.generate()
    (tmp_path / "signing.pem").write_text(key.to_pem("correct"))
    assert openssl("pkey -in signing.pem -passin pass:correct -pubout", tmp_path) == key.verify_key.to_pem()
