"""Files that the real openssl made."""

from __future__ import annotations

import gzip
import os
import random
import shutil

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.cipher import OpensslOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.detect import detect
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.legacy.openssl import (
    DEFAULTS,
    OpensslDecryptor,
    derivations,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, CryptoError
from support.cipher_files import decrypt, run, run_through

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

PASSWORD = "correct horse battery staple"
CSV = b"id,phone\n" + b"".join(f"{number},+1555{number:07}\n".encode() for number in range(12_000))
PLAINTEXTS = {
    "empty": b"",
    "one byte": b"x",
    "a block less one": b"a,b,c\n1,2,3\n456",
    "a whole block": b"a,b,c\n1,2,3\n4567",
    "text": CSV,
    "text of another encoding": "Größe;Übung\n".encode("latin-1") * 500,
    "the sample's border": (CSV * 2)[: 64 * 1024],
    "the sample's border and one": (CSV * 2)[: 64 * 1024 + 17],
    "gzip": gzip.compress(random.Random(1).randbytes(200_000)),
    "custom format": b"PGDMP\x01\x0f\x00" + random.Random(2).randbytes(100_000),
}
OPTIONS = {
    "today's default": [],
    "pbkdf2": ["-pbkdf2"],
    "default of 1.0": ["-md", "md5"],
}


def encrypt(data: bytes, *options: str, password: str = PASSWORD) -> bytes:
    argv = ["openssl", "enc", "-aes-256-cbc", "-salt", *options, "-pass", "env:PW"]
    return run(*argv, stdin=data, environment={"PATH": os.environ["PATH"], "PW": password})


@pytest.mark.sampled(10)
@pytest.mark.parametrize("plaintext", PLAINTEXTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_derivation_is_found_without_being_told(options: str, plaintext: str) -> None:
    data = PLAINTEXTS[plaintext]
    assert decrypt(Decryption.parse(passphrase=PASSWORD), encrypt(data, *OPTIONS[options])) == data


@pytest.mark.parametrize(
    ("options", "known"),
    [
        (["-pbkdf2", "-iter", "123456"], OpensslOptions(iterations=123456)),
        (["-pbkdf2", "-md", "sha512"], OpensslOptions("pbkdf2", "sha512")),
        (["-md", "sha512"], OpensslOptions(digest="sha512")),
        (["-md", "sha1"], OpensslOptions("legacy", "sha1")),
        (["-iter", "5", "-md", "md5"], OpensslOptions(digest="md5", iterations=5)),
    ],
)
def test_other_options_can_be_told(options: list[str], known: OpensslOptions) -> None:
    encrypted = encrypt(CSV, *options)
    assert decrypt(Decryption.parse(passphrase=PASSWORD, openssl_options=known), encrypted) == CSV
    with pytest.raises(CryptoError, match="say which options openssl enc was given"):
        decrypt(Decryption.parse(passphrase=PASSWORD), encrypted)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 4096])
def test_the_result_does_not_depend_on_how_the_stream_is_cut(size: int) -> None:
    data = CSV[:80_000]
    encrypted = encrypt(data)
    assert decrypt(Decryption.parse(passphrase=PASSWORD), encrypted, size) == data


def test_base64_is_read_too() -> None:
    for options in (["-a"], ["-a", "-A"]):
        assert decrypt(Decryption.parse(passphrase=PASSWORD), encrypt(CSV, *options), 1000) == CSV


def test_contents_of_an_unknown_kind_need_the_derivation_told() -> None:
    unknown = bytes(range(256)) * 1000
    encrypted = encrypt(unknown)
    with pytest.raises(CryptoError, match="tried the key derivations"):
        decrypt(Decryption.parse(passphrase=PASSWORD), encrypted)
    pinned = Decryption.parse(passphrase=PASSWORD, openssl_options=OpensslOptions("legacy", "sha256"))
    assert decrypt(pinned, encrypted) == unknown


def test_a_wrong_password_is_refused_before_anything_comes_out() -> None:
    for data in (CSV, b"short", b""):
        encrypted = encrypt(data)
        stage = OpensslDecryptor("wrong", DEFAULTS, detect)
        with pytest.raises(CryptoError, match="password is wrong"):
            run_through(stage, encrypted)
        assert stage.derivation is None


@pytest.mark.parametrize("cut", [1, 15, 17, 100])
def test_a_file_cut_inside_a_block_is_refused(cut: int) -> None:
    with pytest.raises(CryptoError, match="truncated"):
        decrypt(Decryption.parse(passphrase=PASSWORD), encrypt(CSV)[:-cut])


def test_a_file_cut_between_blocks_is_refused_where_the_padding_shows_it() -> None:
    encrypted = encrypt(CSV)
    refused = 0
    for blocks in range(1, 30):
        try:
            decrypt(Decryption.parse(passphrase=PASSWORD), encrypted[: -16 * blocks])
        except CryptoError:
            refused += 1
    # The text that remains ends in digits or line ends: "\n" (10) never stands ten times in a row.
    assert refused == 29


def test_a_damaged_end_and_trailing_bytes_are_refused() -> None:
    encrypted = encrypt(CSV)
    for damaged in (encrypted[:-1] + bytes([encrypted[-1] ^ 1]), encrypted + b"x", encrypted + b"y" * 16):
        with pytest.raises(CryptoError):
            decrypt(Decryption.parse(passphrase=PASSWORD), damaged)


def test_no_password_or_impossible_options_are_said() -> None:
    with pytest.raises(CryptoError, match="password is needed"):
        decrypt(Decryption.parse(), encrypt(b"x"))
    for options in ({"kdf": "legacy", "iterations": 5}, {"iterations": 0}, {"digest": "md17"}):
        with pytest.raises(ConfigError):
            derivations(**options)


def test_an_error_never_holds_the_password() -> None:
    secret = "canary-4d1f"
    with pytest.raises(BackupError) as caught:
        decrypt(Decryption.parse(passphrase=secret), encrypt(CSV))
    assert secret not in repr(caught.value) + str(caught.value)
