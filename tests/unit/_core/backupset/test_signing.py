"""Promises of signatures and their keys: only the right key fits, and a key given by mistake is told, never shown."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset import signing
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import (
    SigningKey,
    load_signing_key,
    load_verify_key,
    load_verify_keys,
    sign,
    verify,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, CryptoError, PreflightError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

# RFC 8032, section 7.1, test 2.
RFC_SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
KEY = SigningKey.generate()
OTHER = SigningKey.generate()
DATA = b'{"format": "mobul.backup/manifest"}\n'


def private_pem(key: object) -> str:
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public_pem(key: object) -> str:
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def openssh_pem(key: Ed25519PrivateKey) -> str:
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def assert_hides(error: BaseException, *secrets: str) -> None:
    """Neither the message nor the traceback with everything chained to it holds any part of a secret."""
    told = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.__cause__)
    assert error.__context__ is None or error.__suppress_context__
    for secret in secrets:
        for line in secret.splitlines():
            if line and not line.startswith("-----"):
                assert line.strip() not in told


def test_the_signature_is_that_of_the_rfc() -> None:
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(RFC_SECRET))
    assert sign(b"\x72", key) == RFC_SIGNATURE
    assert verify(b"\x72", RFC_SIGNATURE, [key.verify_key]) == key.verify_key


def test_any_of_several_keys_may_have_signed() -> None:
    keys = [OTHER.verify_key, KEY.verify_key]
    assert verify(DATA, sign(DATA, KEY), keys) == KEY.verify_key
    assert verify(DATA, sign(DATA, OTHER), keys) == OTHER.verify_key


def test_another_keys_signature_is_refused_and_the_known_keys_are_named() -> None:
    with pytest.raises(CryptoError, match=f"the set x was not signed .*{KEY.key_id}"):
        verify(DATA, sign(DATA, OTHER), [KEY.verify_key], what="the set x")
    with pytest.raises(CryptoError, match="none"):
        verify(DATA, sign(DATA, OTHER), [])


@given(st.data())
def test_a_changed_bit_of_data_or_signature_is_refused(data: st.DataObject) -> None:
    changed = [bytearray(DATA), bytearray(sign(DATA, KEY))]
    target = data.draw(st.sampled_from(changed))
    target[data.draw(st.integers(0, len(target) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CryptoError, match="was changed since"):
        verify(bytes(changed[0]), bytes(changed[1]), [KEY.verify_key])


@pytest.mark.parametrize(
    "signature", [b"", sign(DATA, KEY)[:-1], sign(DATA, KEY) + b"\n", sign(DATA, KEY).hex().encode()]
)
def test_a_signature_of_another_length_is_refused(signature: bytes) -> None:
    with pytest.raises(CryptoError, match="bytes long, not 64"):
        verify(DATA, signature, [KEY.verify_key])


def test_keys_are_read_from_text_and_from_files(tmp_path: Path) -> None:
    private, public = tmp_path / "signing.pem", tmp_path / "signing.pub"
    private.write_text(KEY.to_pem())
    public.write_text(KEY.verify_key.to_pem())
    assert load_signing_key(KEY.to_pem()).key_id == KEY.key_id
    assert load_signing_key(str(private)).key_id == KEY.key_id
    assert load_verify_key(KEY.verify_key.to_pem()) == KEY.verify_key
    assert load_verify_key(str(public)) == KEY.verify_key


def test_a_path_may_begin_with_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "signing.pem").write_text(KEY.to_pem())
    assert load_signing_key("~/signing.pem").key_id == KEY.key_id


@pytest.mark.parametrize("separator", [" ", "\n    ", "\r\n", "\n\n"])
def test_a_key_that_yaml_folded_or_indented_is_read(separator: str) -> None:
    assert load_signing_key(KEY.to_pem().replace("\n", separator)).key_id == KEY.key_id
    assert load_verify_key(KEY.verify_key.to_pem().replace("\n", separator)) == KEY.verify_key


def test_keys_with_a_passphrase_and_keys_of_openssh_are_read() -> None:
    raw = Ed25519PrivateKey.generate()
    expected = SigningKey(raw)
    assert load_signing_key(expected.to_pem("correct horse"), "correct horse").key_id == expected.key_id
    assert load_signing_key(openssh_pem(raw)).key_id == expected.key_id
    form = serialization.PublicFormat.OpenSSH
    line = raw.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()
    assert load_verify_key(f"{line} backup@host\n") == expected.verify_key


def test_several_verify_keys_are_read_from_a_list_and_from_one_text() -> None:
    both = (KEY.verify_key, OTHER.verify_key)
    assert load_verify_keys([key.to_pem() for key in both]) == both
    assert load_verify_keys("".join(key.to_pem() for key in both)) == both
    assert load_verify_keys([both[0].to_pem(), both[0].to_pem()]) == both[:1]
    assert load_verify_keys([]) == ()
    with pytest.raises(ConfigError, match="2 keys"):
        load_verify_key("".join(key.to_pem() for key in both))


RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
BODY = "".join(KEY.to_pem().splitlines()[1:-1])


@pytest.mark.parametrize(
    ("given", "passphrase", "told"),
    [
        (KEY.verify_key.to_pem(), None, "this is a public key"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsx x@y", None, "this is a public key"),
        (private_pem(RSA), None, "not an Ed25519 key"),
        (private_pem(CURVE), None, "not an Ed25519 key"),
        (KEY.to_pem("secret words"), None, "it has a passphrase and none was given"),
        (KEY.to_pem("secret words"), "wrong words", "the passphrase does not fit"),
        (KEY.to_pem(), "secret words", "is there one"),
        (KEY.to_pem().replace("MC4", "MC5"), None, "damaged"),
        (KEY.to_pem()[:70], None, "no whole key"),
        (KEY.to_pem() + OTHER.to_pem(), None, "2 keys"),
        (BODY, None, "what was given is neither a key in PEM form nor the path of a file"),
        (f"/{BODY}", None, "what was given is neither"),
        (f"a/b/{BODY}", None, "what was given is neither"),
        ("AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", None, "no whole key"),
        ("", None, "what was given is neither"),
        ("x\0y", None, "what was given is neither"),
    ],
)
def test_what_is_no_signing_key_is_refused_and_never_shown(given: str, passphrase: str | None, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        load_signing_key(given, passphrase)
    assert_hides(caught.value, given, passphrase or "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (KEY.to_pem(), "this is a private key"),
        (KEY.verify_key.to_pem() + KEY.to_pem(), "this is a private key"),
        (openssh_pem(Ed25519PrivateKey.generate()), "this is a private key"),
        (private_pem(RSA), "this is a private key"),
        ("AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", "this is a private key"),
        (BODY, "what was given is neither"),
    ],
)
def test_a_private_key_in_place_of_a_verify_key_is_told_and_never_shown(given: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load_verify_keys(given)
    assert_hides(caught.value, given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (public_pem(RSA), "not an Ed25519 key"),
        (public_pem(CURVE), "not an Ed25519 key"),
        (KEY.verify_key.to_pem().replace("MCow", "MCox"), "damaged"),
        ("-----BEGIN PUBLIC KEY-----\n", "there is no Ed25519 public key"),
    ],
)
def test_what_is_no_verify_key_is_refused(given: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_verify_keys(given)


def test_a_file_that_is_missing_too_long_or_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(70_000))
    for name in ("missing", "long", "."):
        with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
            load_signing_key(str(tmp_path / name))


def test_keys_show_only_their_id() -> None:
    assert repr(KEY) == f"SigningKey({KEY.key_id})"
    assert repr(KEY.verify_key) == f"VerifyKey({KEY.key_id})"
    assert re.fullmatch("[0-9a-f]{16}", KEY.key_id)
    assert KEY.key_id != OTHER.key_id


def test_a_host_without_the_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "LIBRARY_ERROR", ImportError("No module named 'cryptography'"))
    for load in (load_signing_key, load_verify_keys):
        with pytest.raises(PreflightError, match="install cryptography"):
            load("anything")
