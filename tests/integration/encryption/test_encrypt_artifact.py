"""The operation behind the module encrypt_artifact, on real files."""

from __future__ import annotations

import hashlib
import os
import random
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import DECRYPTION
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption import identities as reading
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.passphrase import ScryptRecipient
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.artifact import run_encrypt_artifact
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import (
    BackupError,
    ConfigError,
    CryptoError,
    FormatError,
)
from support.gpg_keys import Keys
from support.module_parameters import defaults

IDENTITIES = [X25519Identity.generate() for _ in range(3)]
RECIPIENTS = [str(identity.recipient) for identity in IDENTITIES]
CONTENT = random.Random(3).randbytes(300_000)
DEFAULTS = {
    "dest": None,
    "state": "encrypted",
    "format": None,
    "recipients": [],
    **defaults(DECRYPTION),
    "armor": False,
    "force": False,
    "mode": "0600",
    "remove_src": False,
}


def apply(src: Path | str, *, check: bool = False, **params: Any) -> dict[str, Any]:
    return run_encrypt_artifact({**DEFAULTS, "src": str(src), **params}, check)


def encrypt(src: Path, **params: Any) -> dict[str, Any]:
    return apply(src, **{"recipients": RECIPIENTS[:2], **params})


def decrypt(src: Path, **params: Any) -> dict[str, Any]:
    return apply(src, state="decrypted", **{"identities": [str(IDENTITIES[0])], **params})


def new_file(path: Path, data: bytes) -> Path:
    """A file that is older than whatever is made of it, by the file system's own clock."""
    path.write_bytes(data)
    time.sleep(0.02)
    return path


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return new_file(tmp_path / "export.csv", CONTENT)


def snapshot(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Everything that could have changed in a directory."""
    found = {}
    for path in directory.rglob("*"):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (data, status.st_mode, status.st_mtime_ns)
    return found


@pytest.mark.parametrize("armor", [False, True])
def test_a_file_comes_back_as_it_was(src: Path, tmp_path: Path, armor: bool) -> None:
    old = os.umask(0)
    try:
        made = encrypt(src, armor=armor)
        dest = Path(made["dest"])
        back = decrypt(dest, dest=str(tmp_path / "back"))
    finally:
        os.umask(old)
    assert made["changed"] and made["format"] == "age" and made["recipients"] == RECIPIENTS[:2]
    assert dest == Path(f"{src}.age") and dest.read_bytes()[:1] == (b"-" if armor else b"a")
    assert made["size"] == dest.stat().st_size
    assert made["sha256"] == hashlib.sha256(dest.read_bytes()).hexdigest()
    assert made["plaintext_size"] == len(CONTENT)
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert back["sha256"] == hashlib.sha256(CONTENT).hexdigest() and back["plaintext_size"] == len(CONTENT)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (dest, tmp_path / "back")} == {0o600}


def test_the_age_command_agrees_both_ways(src: Path, tmp_path: Path, age: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{IDENTITIES[1]}\n")
    for armor in (False, True):
        made = encrypt(src, armor=armor, force=True)
        assert subprocess.run([age, "-d", "-i", key, made["dest"]], capture_output=True).stdout == CONTENT
        by_hand = tmp_path / "by hand.age"
        options = ["-a"] if armor else []
        subprocess.run([age, *options, "-r", RECIPIENTS[0], "-o", by_hand, src], check=True)
        assert decrypt(by_hand, force=True)["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("armor", [False, True])
def test_gpg_works_the_same_way(src: Path, tmp_path: Path, gpg_keys: Keys, armor: bool) -> None:
    options = {"recipients": [gpg_keys.ops.fingerprint], "gnupghome": str(gpg_keys.home), "armor": armor}
    made = apply(src, format="gpg", **options)
    assert made["dest"] == f"{src}.asc" if armor else f"{src}.gpg"
    assert made["format"] == "gpg" and made["recipients"] == [gpg_keys.ops.fingerprint]
    again = apply(src, **options)
    assert not again["changed"] and again["sha256"] == made["sha256"]
    back = apply(made["dest"], state="decrypted", dest=str(tmp_path / "back"), gnupghome=str(gpg_keys.home))
    assert back["changed"] and (tmp_path / "back").read_bytes() == CONTENT
    with pytest.raises(CryptoError, match=f"{gpg_keys.ops.key_id}.*none of these secret keys"):
        apply(made["dest"], state="decrypted", dest=str(tmp_path / "x"), gnupghome=str(gpg_keys.empty))


def test_a_second_run_is_unchanged_without_any_key(src: Path) -> None:
    first = encrypt(src)
    before = snapshot(src.parent)
    for check in (False, True):
        again = encrypt(src, check=check)
        assert not again["changed"]
        assert again["sha256"] == first["sha256"] and again["size"] == first["size"]
    assert snapshot(src.parent) == before


def test_every_sign_of_another_source_or_wish_leads_to_a_new_file(src: Path, gpg_keys: Keys) -> None:
    dest = Path(encrypt(src)["dest"])

    def touched() -> dict[str, Any]:
        os.utime(src)
        return encrypt(src)

    def replaced_by_something_older() -> dict[str, Any]:
        other = src.with_name("other")
        other.write_bytes(CONTENT[::-1])
        os.utime(other, (0, 0))
        other.rename(src)
        return encrypt(src)

    def damaged() -> dict[str, Any]:
        dest.write_bytes(dest.read_bytes()[:-1])
        return encrypt(src)

    def grown() -> dict[str, Any]:
        with src.open("ab") as file:
            file.write(b"x")
        os.utime(dest, (2**33, 2**33))
        return encrypt(src)

    assert touched()["changed"]
    assert replaced_by_something_older()["changed"]
    assert damaged()["changed"]
    assert grown()["changed"]
    assert encrypt(src, recipients=RECIPIENTS)["changed"], "another number of recipients"
    assert encrypt(src, dest=str(dest), armor=True)["changed"]
    assert encrypt(src, dest=str(dest), armor=True, force=True)["changed"]
    options = {"gnupghome": str(gpg_keys.home), "dest": str(dest)}
    assert apply(src, recipients=[gpg_keys.ops.fingerprint], **options)["changed"]
    assert not apply(src, recipients=[gpg_keys.ops.fingerprint], **options)["changed"]
    assert apply(src, recipients=[gpg_keys.escrow.fingerprint], **options)["changed"], "another gpg recipient"
    dest.write_bytes(b"something else")
    assert encrypt(src, dest=str(dest))["changed"]


def test_with_an_identity_the_contents_decide(src: Path) -> None:
    identities = [str(IDENTITIES[0])]
    encrypt(src)
    os.utime(src)
    assert not encrypt(src, identities=identities)["changed"], "same bytes, newer time"
    src.write_bytes(CONTENT[::-1])
    os.utime(f"{src}.age", (2**33, 2**33))
    assert not encrypt(src)["changed"], "what times alone would say"
    assert encrypt(src, identities=identities)["changed"]
    stranger = encrypt(src, identities=[str(IDENTITIES[2])])
    assert stranger["changed"] and any("could not be compared" in warning for warning in stranger["warnings"])


@pytest.mark.parametrize("scheme", ["age", "gpg"])
def test_a_passphrase_encrypts_and_proves_what_is_there(
    src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    # age's own 18 is a second of work for each use.
    assert ScryptRecipient.__init__.__defaults__ == (18,)
    monkeypatch.setattr(ScryptRecipient.__init__, "__defaults__", (10,))
    made = apply(src, passphrase="so secret", format=scheme)
    os.utime(src)
    assert not apply(src, passphrase="so secret", format=scheme)["changed"]
    back = apply(made["dest"], state="decrypted", passphrase="so secret", dest=str(tmp_path / "back"))
    assert back["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert apply(src, passphrase="another", format=scheme)["changed"]


def test_permissions_alone_are_put_right_without_encrypting_again(src: Path) -> None:
    made = encrypt(src)
    dest = Path(made["dest"])
    dest.chmod(0o644)
    assert encrypt(src, check=True)["changed"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o644
    put_right = encrypt(src)
    assert put_right["changed"] and put_right["sha256"] == made["sha256"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert encrypt(src, mode="0640")["diff"]["after"]["mode"] == "0640"


def test_decrypting_twice_is_unchanged_and_another_file_is_replaced(src: Path) -> None:
    encrypt(src)
    src.chmod(0o600)
    assert not decrypt(Path(f"{src}.age"))["changed"], "dest is src itself, with the same contents"
    src.write_bytes(CONTENT[::-1])
    assert decrypt(Path(f"{src}.age"), check=True)["changed"]
    assert src.read_bytes() == CONTENT[::-1]
    assert decrypt(Path(f"{src}.age"))["changed"]
    assert src.read_bytes() == CONTENT
    before = snapshot(src.parent)
    assert not decrypt(Path(f"{src}.age"))["changed"]
    assert snapshot(src.parent) == before
    assert decrypt(Path(f"{src}.age"), force=True)["changed"]


def test_check_mode_writes_nothing_and_foretells_the_run(src: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    foretold = encrypt(src, check=True)
    assert snapshot(tmp_path) == before
    assert foretold["changed"] and foretold["dest"] == f"{src}.age" and foretold["size"] is None
    made = encrypt(src)
    dest = str(tmp_path / "back")
    before = snapshot(tmp_path)
    foretold = decrypt(Path(made["dest"]), dest=dest, check=True, remove_src=True)
    assert snapshot(tmp_path) == before
    done = decrypt(Path(made["dest"]), dest=dest)
    assert {**foretold, "diff": None} == {**done, "diff": None}
    with pytest.raises(CryptoError, match="no identity matches"):
        decrypt(Path(made["dest"]), dest=dest, identities=[str(IDENTITIES[2])], check=True)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("scheme", ["age", "gpg"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:60] + bytes([data[60] ^ 4]) + data[61:], id="a bit in the header"),
        pytest.param(lambda data: data[:-9] + bytes([data[-9] ^ 4]) + data[-8:], id="a bit at the end"),
        pytest.param(lambda data: data[:150_000] + bytes([data[150_000] ^ 4]) + data[150_001:], id="a bit inside"),
        pytest.param(lambda data: data[:200_000], id="truncated"),
        pytest.param(lambda data: data[:-1], id="truncated by one"),
        pytest.param(lambda data: data + b"\0", id="trailing byte"),
        pytest.param(lambda data: data + data, id="doubled"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:3], id="almost empty"),
    ],
)
def test_a_damaged_file_fails_and_what_was_there_stays(
    src: Path, tmp_path: Path, gpg_keys: Keys, scheme: str, damage: Any
) -> None:
    home = str(gpg_keys.home)
    recipients = RECIPIENTS[:1] if scheme == "age" else [gpg_keys.ops.fingerprint]
    made = Path(apply(src, recipients=recipients, gnupghome=home)["dest"])
    made.write_bytes(damage(made.read_bytes()))
    good = tmp_path / "good"
    good.write_bytes(b"the last good one")
    for dest in (good, tmp_path / "new"):
        before = snapshot(tmp_path)
        for options in ({}, {"force": True}, {"remove_src": True}, {"check": True}):
            with pytest.raises(BackupError) as caught:
                decrypt(made, dest=str(dest), gnupghome=home, **options)
            assert str(made) in str(caught.value)
        assert snapshot(tmp_path) == before


def test_a_wrong_key_fails_and_says_what_was_tried(src: Path, tmp_path: Path) -> None:
    made = encrypt(src)
    with pytest.raises(CryptoError, match="no identity matches") as caught:
        decrypt(Path(made["dest"]), dest=str(tmp_path / "x"), identities=[str(IDENTITIES[2])])
    told = str(caught.value)
    assert "2 recipient(s)" in told and RECIPIENTS[2] in told and str(IDENTITIES[2]) not in told
    assert not (tmp_path / "x").exists()


def test_the_old_key_still_reads_old_files_after_a_rotation(src: Path, tmp_path: Path) -> None:
    old = encrypt(src, recipients=RECIPIENTS[:1], dest=str(tmp_path / "old.age"))
    new = encrypt(src, recipients=RECIPIENTS[1:2], dest=str(tmp_path / "new.age"))
    ring = [str(IDENTITIES[1]), str(IDENTITIES[0])]
    for made in (old, new):
        assert decrypt(Path(made["dest"]), identities=ring)["plaintext_size"] == len(CONTENT)


def test_src_goes_only_after_dest_is_there_and_a_further_run_is_unchanged(src: Path) -> None:
    made = encrypt(src, remove_src=True)
    dest = Path(made["dest"])
    assert made["changed"] and not src.exists() and dest.exists()
    again = encrypt(src, remove_src=True)
    assert not again["changed"] and again["sha256"] == made["sha256"]
    with pytest.raises(ConfigError, match="No such file"):
        encrypt(src)
    back = decrypt(dest, remove_src=True)
    assert back["changed"] and src.read_bytes() == CONTENT and not dest.exists()
    assert not decrypt(dest, remove_src=True)["changed"]
    src.unlink()
    with pytest.raises(ConfigError, match="there is neither"):
        decrypt(dest, remove_src=True)


def test_src_is_not_removed_for_a_dest_that_only_looks_right(src: Path) -> None:
    first = encrypt(src)
    made = encrypt(src, remove_src=True)
    assert made["changed"] and made["sha256"] != first["sha256"], "made anew before src goes"
    assert not src.exists()
    src.write_bytes(CONTENT)
    proven = encrypt(src, remove_src=True, identities=[str(IDENTITIES[0])])
    assert proven["changed"] and proven["sha256"] == made["sha256"], "proven, so only src goes"
    assert not src.exists()
    dest = Path(made["dest"])
    dest.write_bytes(b"something else")
    with pytest.raises(ConfigError, match="is not what encrypting it would have left"):
        encrypt(src, remove_src=True)


def test_other_names_of_a_removed_src_are_told(src: Path, tmp_path: Path) -> None:
    os.link(src, tmp_path / "other name")
    assert any("other names" in warning for warning in encrypt(src, remove_src=True)["warnings"])
    (tmp_path / "link").symlink_to("other name")
    with pytest.raises(ConfigError, match="symbolic link"):
        encrypt(tmp_path / "link", remove_src=True)
    assert encrypt(tmp_path / "link")["dest"] == f"{tmp_path}/link.age"


def test_a_directory_as_dest_gets_the_default_name(src: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert encrypt(src, dest=str(tmp_path / "out"))["dest"] == f"{tmp_path}/out/export.csv.age"
    assert decrypt(tmp_path / "out" / "export.csv.age", dest=f"{tmp_path}/out/")["dest"] == f"{tmp_path}/out/export.csv"


def test_what_is_planted_at_dest_or_src_is_refused(src: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    before = snapshot(tmp_path)
    for name in ("link", "dangling", "fifo"):
        with pytest.raises(ConfigError, match="not a regular file"):
            encrypt(src, dest=str(tmp_path / name))
    for bad in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="not a regular file"):
            encrypt(bad, dest=str(tmp_path / "x"))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"recipients": []}, "neither recipients nor a passphrase"),
        ({"recipients": [str(IDENTITIES[0])]}, "private key"),
        ({"recipients": ["no such thing"]}, "recipient 1"),
        ({"format": "gpg"}, "not of the format gpg"),
        ({"dest": "{src}"}, "the same file"),
        ({"dest": "{dir}/./export.csv"}, "the same file"),
        ({"dest": "{dir}/none/x.age"}, "does not exist"),
        ({"dest": "{dir}/nul\0byte"}, "is not a path"),
        ({"dest": "{dir}/" + "x" * 300}, "cannot be a file"),
        ({"mode": "rw"}, "not an octal number"),
        ({"mode": "0999"}, "not an octal number"),
        ({"identities": ["/no/such/identity"]}, "identity 1"),
        ({"openssl_iter": 0}, "at least 1"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_written(
    src: Path, tmp_path: Path, params: dict[str, Any], message: str
) -> None:
    if "dest" in params:
        params = {**params, "dest": params["dest"].format(src=src, dir=tmp_path)}
    before = snapshot(tmp_path)
    for check in (True, False):
        with pytest.raises(ConfigError, match=message) as caught:
            encrypt(src, check=check, **params)
        assert str(IDENTITIES[0]) not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_what_is_encrypted_already_is_not_encrypted_twice_by_mistake(src: Path) -> None:
    made = Path(encrypt(src)["dest"])
    with pytest.raises(ConfigError, match=r"is encrypted already \(age\)"):
        encrypt(made)
    assert encrypt(made, force=True)["dest"] == f"{src}.age.age"


def test_a_name_without_a_known_suffix_needs_a_dest(src: Path, tmp_path: Path) -> None:
    odd = tmp_path / "artifact"
    encrypt(src, dest=str(odd))
    with pytest.raises(ConfigError, match="does not end in one of"):
        decrypt(odd)


def test_no_room_is_told_beforehand(src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(src.parent)
    full = os.statvfs_result([*real[:4], 10, *real[5:]])
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    with pytest.raises(BackupError, match="has room for"):
        encrypt(src)


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    empty = new_file(tmp_path / "empty", b"")
    made = encrypt(empty)
    assert made["plaintext_size"] == 0 and not encrypt(empty)["changed"]
    assert decrypt(Path(made["dest"]), dest=str(tmp_path / "back"))["size"] == 0


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 131072])
@pytest.mark.parametrize("armor", [False, True])
def test_the_size_of_an_age_file_is_foretold_exactly(tmp_path: Path, size: int, armor: bool) -> None:
    path = new_file(tmp_path / "file", b"x" * size)
    encrypt(path, armor=armor)
    assert not encrypt(path, armor=armor)["changed"]


def test_warnings_say_what_the_format_cannot_do(tmp_path: Path) -> None:
    environment = {**os.environ, "PW": "pw"}
    argv = ["openssl", "enc", "-aes-256-cbc", "-salt", "-pass", "env:PW", "-out", tmp_path / "old.csv.enc"]
    subprocess.run(argv, input=b"id\n1\n" * 1000, env=environment, check=True, capture_output=True)
    done = apply(tmp_path / "old.csv.enc", state="decrypted", passphrase="pw")
    assert (tmp_path / "old.csv").read_bytes() == b"id\n1\n" * 1000
    assert done["format"] == "openssl" and any("no proof of integrity" in warning for warning in done["warnings"])


def test_a_file_that_expands_beyond_what_is_allowed_is_refused_and_names_the_option(
    tmp_path: Path, gpg_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_ALWAYS_ALLOWED", 1_000_000)
    packed = gpg_keys.home.run("--trust-model", "always", "-r", gpg_keys.ops.fingerprint, "-e", stdin=bytes(30_000_000))
    bomb = new_file(tmp_path / "bomb.gpg", packed)
    given = {"identities": [], "gnupghome": str(gpg_keys.home), "dest": str(tmp_path / "out")}
    with pytest.raises(FormatError, match=r"bomb.gpg: of [\d,]+ bytes come more than .*raise max_expansion"):
        decrypt(bomb, max_expansion=10, **given)
    with pytest.raises(FormatError, match="max_expansion"):
        decrypt(bomb, check=True, max_expansion=10, **given)
    assert not (tmp_path / "out").exists()
    assert decrypt(bomb, **given)["size"] == 30_000_000
