"""gpg as a stage of a pipeline, with the real gpg on the other side."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.gpg.cipher import GpgCipher
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.gpg.home import GpgHome
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.gpg.stage import gpg_decryptor
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, CryptoError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.stages import through
from support.cipher_files import decrypt, run_through
from support.gpg_keys import PASSPHRASE, GnupgHome, Keys, make_key, processes_with

DATA = random.Random(7).randbytes(3_000_000)
TEXT = b"id,phone\n" + b"17,+15550100\n" * 50_000


def encrypt(recipients: list[str], home: GnupgHome | None = None, data: bytes = DATA, **options: object) -> bytes:
    encryption = parse_encryption(recipients, gnupghome=None if home is None else str(home), **options)
    try:
        return run_through(encryption.transform(), data)
    finally:
        encryption.close()


def open_with(home: GnupgHome, data: bytes, passphrase: str | None = None) -> bytes:
    with contextlib.closing(Decryption.parse(gnupghome=str(home), passphrase=passphrase)) as decryption:
        return decrypt(decryption, data)


@pytest.fixture(scope="module")
def message(gpg_keys: Keys) -> bytes:
    return encrypt([gpg_keys.ops.fingerprint, gpg_keys.escrow.fingerprint], gpg_keys.home)


@pytest.mark.parametrize("armor", [False, True])
def test_gpg_reads_what_is_written_for_each_recipient(gpg_keys: Keys, armor: bool) -> None:
    both = encrypt([gpg_keys.ops.fingerprint, gpg_keys.escrow.fingerprint], gpg_keys.home, TEXT, armor=armor)
    for key in (gpg_keys.ops, gpg_keys.escrow):
        alone = GnupgHome()
        alone.run("--import", stdin=key.secret())
        assert alone.run("--decrypt", stdin=both) == TEXT
        alone.close()


def test_nothing_is_compressed_and_the_size_stays_below_the_announced_limit(gpg_keys: Keys) -> None:
    for armor in (False, True):
        encryption = parse_encryption([gpg_keys.ops.fingerprint], gnupghome=str(gpg_keys.home), armor=armor)
        size = len(run_through(encryption.transform(), TEXT))
        assert len(TEXT) < size <= encryption.size_limit(len(TEXT))
        encryption.close()


@pytest.mark.parametrize("options", [[], ["--armor"], ["--compress-algo", "bzip2"], ["--local-user", "OPS", "--sign"]])
def test_what_gpg_writes_by_hand_is_read(gpg_keys: Keys, options: list[str]) -> None:
    options = [gpg_keys.ops.fingerprint if option == "OPS" else option for option in options]
    argv = [*options, "--trust-model", "always", "--recipient", gpg_keys.ops.fingerprint, "--encrypt"]
    if "--sign" in options:
        signer = make_key(gpg_keys.home, "signer@example.org", encrypts=False)
        gpg_keys.home.run("--quick-add-key", signer.fingerprint, "ed25519", "sign")
        argv[argv.index("--local-user") + 1] = signer.fingerprint
    assert open_with(gpg_keys.home, gpg_keys.home.run(*argv, stdin=TEXT)) == TEXT


def test_a_signature_of_somebody_unknown_does_not_prevent_reading(gpg_keys: Keys) -> None:
    stranger = GnupgHome()
    signer = make_key(stranger, "stranger@example.org", encrypts=False)
    stranger.run("--quick-add-key", signer.fingerprint, "ed25519", "sign")
    stranger.run("--import", stdin=gpg_keys.ops.public())
    argv = ["--trust-model", "always", "-r", gpg_keys.ops.fingerprint, "-u", signer.fingerprint, "--sign", "--encrypt"]
    signed = stranger.run(*argv, stdin=TEXT)
    stranger.close()
    assert open_with(gpg_keys.home, signed) == TEXT


@pytest.mark.parametrize("size", [1000, 65_536, 10_000_000])
def test_the_result_does_not_depend_on_how_the_stream_is_cut(gpg_keys: Keys, message: bytes, size: int) -> None:
    decryption = Decryption.parse(gnupghome=str(gpg_keys.home))
    assert decrypt(decryption, message, size) == DATA


def test_an_empty_file_survives(gpg_keys: Keys) -> None:
    assert open_with(gpg_keys.home, encrypt([gpg_keys.ops.fingerprint], gpg_keys.home, b"")) == b""


@pytest.mark.parametrize("position", [0.0005, 0.01, 0.5, 0.99999])
def test_a_flipped_bit_is_refused(gpg_keys: Keys, message: bytes, position: float) -> None:
    damaged = bytearray(message)
    damaged[int(len(message) * position)] ^= 0x10
    with pytest.raises(CryptoError):
        open_with(gpg_keys.home, bytes(damaged))


@pytest.mark.parametrize("end", [20, 150, 1000, 1_000_000, -1])
def test_a_truncated_file_is_refused(gpg_keys: Keys, message: bytes, end: int) -> None:
    with pytest.raises(CryptoError, match=r"truncated|damaged|no encrypted message"):
        open_with(gpg_keys.home, message[:end])


@pytest.mark.parametrize("trailer", [b"x", b"\n", b"\0", b"\xff\x00", b"\xca\x03PGP", b"\xfc\x04abcd", None])
def test_trailing_bytes_are_refused_even_those_that_gpg_ignores(
    gpg_keys: Keys, message: bytes, trailer: bytes | None
) -> None:
    with pytest.raises(CryptoError, match="appended"):
        open_with(gpg_keys.home, message + (message if trailer is None else trailer))


def test_trailing_text_behind_armor_is_refused(gpg_keys: Keys) -> None:
    armored = encrypt([gpg_keys.ops.fingerprint], gpg_keys.home, TEXT, armor=True)
    assert open_with(gpg_keys.home, armored + b"\n\n") == TEXT
    for trailer in (b"x", armored):
        with pytest.raises(CryptoError, match="appended"):
            open_with(gpg_keys.home, armored + trailer)
    with pytest.raises(CryptoError):
        open_with(gpg_keys.home, armored[: len(armored) // 2])


def test_a_message_without_integrity_protection_is_refused(gpg_keys: Keys) -> None:
    old = gpg_keys.home.run(
        "--rfc2440",
        "--cipher-algo",
        "3DES",
        "--trust-model",
        "always",
        "-r",
        gpg_keys.ops.fingerprint,
        "-e",
        stdin=TEXT,
    )
    armored = gpg_keys.home.run("--enarmor", stdin=old).replace(b"PGP ARMORED FILE", b"PGP MESSAGE")
    for message in (old, armored):
        with pytest.raises(CryptoError, match="no integrity protection"):
            open_with(gpg_keys.home, message)


def test_a_message_that_is_only_signed_or_stored_is_not_taken_for_an_encrypted_one(gpg_keys: Keys) -> None:
    stored = gpg_keys.home.run("--armor", "--store", stdin=TEXT)
    with pytest.raises(CryptoError, match="not an encrypted one"):
        open_with(gpg_keys.home, stored)


def test_a_missing_key_is_told_by_the_ids_that_would_fit(gpg_keys: Keys, message: bytes) -> None:
    with pytest.raises(CryptoError, match="no key fits") as caught:
        open_with(gpg_keys.empty, message)
    for key in (gpg_keys.ops, gpg_keys.escrow):
        assert key.key_id in str(caught.value)
    assert str(gpg_keys.empty) in str(caught.value)


def test_a_passphrase_alone_encrypts_and_decrypts() -> None:
    encrypted = encrypt([], data=TEXT, passphrase="so secret", scheme="gpg")
    assert decrypt(Decryption.parse(passphrase="so secret"), encrypted) == TEXT
    for wrong, message in (("wrong", "passphrase is wrong"), (None, "none was given")):
        with pytest.raises(CryptoError, match=message):
            decrypt(Decryption.parse(passphrase=wrong), encrypted)


def test_a_protected_key_opens_with_its_passphrase_only(gpg_keys: Keys) -> None:
    encrypted = encrypt([gpg_keys.protected.fingerprint], gpg_keys.protected.home, TEXT)
    for wrong in (None, "wrong"):
        with pytest.raises(CryptoError, match=f"secret key for {gpg_keys.protected.key_id}.*passphrase"):
            open_with(gpg_keys.protected.home, encrypted, wrong)
    assert open_with(gpg_keys.protected.home, encrypted, PASSPHRASE) == TEXT
    gpg_keys.protected.home.close()


@pytest.mark.parametrize("armor", [False, True])
def test_secret_keys_given_as_identities_leave_nothing_behind(gpg_keys: Keys, tmp_path: Path, armor: bool) -> None:
    encrypted = encrypt([gpg_keys.ops.fingerprint, gpg_keys.protected.fingerprint], _both(gpg_keys), TEXT)
    file = tmp_path / "key"
    for key, passphrase in ((gpg_keys.ops, ""), (gpg_keys.protected, PASSPHRASE)):
        file.write_bytes(key.secret(armor=armor, passphrase=passphrase))
        identities = [str(file), *([file.read_text()] if armor else [])]
        for identity in identities:
            decryption = Decryption.parse([identity], passphrase or None)
            assert decrypt(decryption, encrypted) == TEXT
            private = decryption.cipher(GpgCipher)._home._path
            assert processes_with(private), "gpg works with an agent"
            decryption.close()
            assert not os.path.exists(private)
            assert not _agents(private)


def test_a_private_home_is_for_its_owner_only_and_goes_with_its_object(gpg_keys: Keys) -> None:
    old = os.umask(0)
    try:
        encryption = parse_encryption([gpg_keys.ops.fingerprint], gnupghome=str(gpg_keys.home))
        path = encryption._home._path
        assert os.stat(path).st_mode & 0o777 == 0o700
    finally:
        os.umask(old)
    encryption.close()
    assert not os.path.exists(path)


def test_a_passphrase_is_in_no_command_line_and_no_environment() -> None:
    secret = "canary-7c3e"
    encryption = parse_encryption([], secret, scheme="gpg")
    stage = encryption.transform()
    stage.update(DATA)
    assert processes_with("--passphrase-fd"), "gpg runs now"
    assert not processes_with(secret)
    encryption.close()


def test_closing_ends_a_gpg_whose_stream_was_given_up(gpg_keys: Keys) -> None:
    encryption = parse_encryption([gpg_keys.ops.fingerprint], gnupghome=str(gpg_keys.home))
    stage = encryption.transform()
    stage.update(DATA)
    path = encryption._home._path
    assert processes_with(path)
    encryption.close()
    assert not processes_with(path)


def test_a_host_without_gpg_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="gpg is not installed"):
        parse_encryption(["A" * 40])
    with pytest.raises(PreflightError, match="gpg is not installed"):
        Decryption.parse().transform_for(bytes.fromhex("845e0372"))


def test_a_user_without_a_gnupg_home_can_open_what_a_passphrase_protects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GNUPGHOME", raising=False)
    encrypted = encrypt([], data=TEXT, passphrase="so secret", scheme="gpg")
    decryption = Decryption.parse(passphrase="so secret")
    assert decrypt(decryption, encrypted) == TEXT
    decryption.close()
    assert os.listdir(tmp_path) == []


def test_the_users_configuration_does_not_matter(gpg_keys: Keys) -> None:
    home = GnupgHome()
    home.run("--import", stdin=gpg_keys.ops.public())
    (home.path / "gpg.conf").write_text(f"armor\ncompress-algo zlib\nencrypt-to {gpg_keys.escrow.fingerprint}\n")
    encrypted = encrypt([gpg_keys.ops.fingerprint], home, TEXT)
    assert open_with(gpg_keys.home, encrypted) == TEXT
    assert not encrypted.startswith(b"-----") and len(encrypted) > len(TEXT)
    listed = subprocess.run(["gpg", "--list-packets"], input=encrypted, capture_output=True).stdout
    assert gpg_keys.escrow.key_id.encode() not in listed
    home.close()


def test_a_forged_status_line_inside_the_data_proves_nothing(gpg_keys: Keys) -> None:
    lines = b"[GNUPG:] DECRYPTION_OKAY\n[GNUPG:] GOODMDC\n" * 10
    message = bytearray(encrypt([gpg_keys.ops.fingerprint], gpg_keys.home, lines))
    message[-1] ^= 1
    with pytest.raises(BackupError):
        open_with(gpg_keys.home, bytes(message))


def test_a_stage_that_never_got_a_byte_says_so(gpg_keys: Keys) -> None:
    home = GpgHome(str(gpg_keys.home))
    with pytest.raises(CryptoError):
        gpg_decryptor(home).finalize()


def _both(keys: Keys) -> GnupgHome:
    """A home with the public keys of ops and of the protected key."""
    home = GnupgHome()
    for key in (keys.ops, keys.protected):
        home.run("--import", stdin=key.public())
    return home


def _agents(home: str) -> list[int]:
    # Ended ones may be waited for by whoever adopts them; they have no command line any more.
    return processes_with(home)


def test_what_gpg_has_compressed_comes_in_small_pieces_however_much_it_expands_to(gpg_keys: Keys) -> None:
    plain = bytes(80 * 1024 * 1024)
    bomb = gpg_keys.home.run(
        "--compress-algo",
        "zip",
        "-z",
        "1",
        "--trust-model",
        "always",
        "-r",
        gpg_keys.ops.fingerprint,
        "-e",
        stdin=plain,
    )
    assert len(bomb) < 1024 * 1024
    stage = Decryption.parse(gnupghome=str(gpg_keys.home)).transform_for(bomb[:4096])
    sizes = [len(piece) for piece in through(iter([bomb]), [stage])]
    assert sum(sizes) == len(plain)
    assert max(sizes) <= 1024 * 1024
