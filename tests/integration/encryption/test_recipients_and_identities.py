"""The two fronts: what an inventory may name, and what it is told when it names something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    Encryptor,
    ScryptRecipient,
    X25519Identity,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.cipher import Encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, CryptoError
from support.cipher_files import decrypt, run_through
from support.gpg_keys import PASSPHRASE, GnupgHome, Keys, make_key

IDENTITIES = [X25519Identity.generate() for _ in range(2)]
RECIPIENTS = [str(identity.recipient) for identity in IDENTITIES]
DATA = b"id,phone\n" + b"17,+15550100\n" * 10_000


def encrypted(encryption: Encryption, data: bytes = DATA) -> bytes:
    with_stage = run_through(encryption.transform(), data)
    encryption.close()
    return with_stage


def test_age_recipients_are_recorded_and_each_artifact_gets_a_stage_of_its_own() -> None:
    encryption = parse_encryption([f" {RECIPIENTS[0]}\n", RECIPIENTS[1], RECIPIENTS[0]])
    assert (encryption.scheme, encryption.suffix, encryption.warnings) == ("age", ".age", ())
    assert encryption.recipients == tuple(RECIPIENTS)
    first, second = encryption.transform(), encryption.transform()
    assert first is not second
    outputs = [run_through(stage, DATA) for stage in (first, second)]
    assert outputs[0] != outputs[1]
    for identity in IDENTITIES:
        for output in outputs:
            assert decrypt(Decryption.parse([str(identity)]), output) == DATA
            assert len(output) <= encryption.size_limit(len(DATA))


def test_no_recipients_mean_no_encryption_and_never_a_stage() -> None:
    encryption = parse_encryption([])
    assert (encryption.scheme, encryption.suffix, encryption.enabled) == ("none", "", False)
    assert encryption.transforms() == []
    with pytest.raises(ConfigError, match="no recipients"):
        encryption.transform()


def test_one_recipient_is_accepted_with_a_warning(gpg_keys: Keys) -> None:
    for encryption in (
        parse_encryption(RECIPIENTS[:1]),
        parse_encryption([RECIPIENTS[0], RECIPIENTS[0]]),
        parse_encryption([gpg_keys.ops.fingerprint], gnupghome=str(gpg_keys.home)),
    ):
        assert any("one recipient" in warning for warning in encryption.warnings)
        encryption.close()


def test_recipients_may_stand_in_a_file(tmp_path: Path, gpg_keys: Keys) -> None:
    file = tmp_path / "recipients.txt"
    file.write_text(f"# operations; the private key is in the vault\n{RECIPIENTS[0]}\n\n{RECIPIENTS[1]}\n")
    assert parse_encryption([str(file)]).recipients == tuple(RECIPIENTS)
    for armor in (False, True):
        file.write_bytes(gpg_keys.ops.public(armor=armor))
        encryption = parse_encryption([str(file), gpg_keys.escrow.public().decode()])
        assert encryption.scheme == "gpg"
        assert encryption.recipients == (gpg_keys.ops.fingerprint, gpg_keys.escrow.fingerprint)
        assert decrypt(Decryption.parse(gnupghome=str(gpg_keys.home)), encrypted(encryption)) == DATA


@pytest.mark.parametrize("form", ["{0}", "gpg:{0}", "0x{0}", "gpg: {1}", "{2}"])
def test_fingerprints_are_read_as_people_write_them(gpg_keys: Keys, form: str) -> None:
    fingerprint = gpg_keys.ops.fingerprint
    spaced = " ".join(fingerprint[start : start + 4] for start in range(0, 40, 4))
    encryption = parse_encryption([form.format(fingerprint, spaced, fingerprint.lower())], None, str(gpg_keys.home))
    assert encryption.recipients == (fingerprint,)
    assert encryption.key_ids == ((gpg_keys.ops.key_id,),)
    encryption.close()


def test_an_address_with_one_key_stands_for_its_fingerprint(gpg_keys: Keys) -> None:
    encryption = parse_encryption(["ops@example.org", "gpg:escrow@example.org"], gnupghome=str(gpg_keys.home))
    assert encryption.recipients == (gpg_keys.ops.fingerprint, gpg_keys.escrow.fingerprint)
    assert any(gpg_keys.ops.fingerprint in warning for warning in encryption.warnings)
    encryption.close()
    with pytest.raises(ConfigError, match=r"no usable public key for nobody@example\.org"):
        parse_encryption(["nobody@example.org"], gnupghome=str(gpg_keys.home))


def test_an_address_with_two_keys_is_refused_and_both_are_named() -> None:
    home = GnupgHome()
    keys = [make_key(home, "twice@example.org") for _ in range(1)]
    home.run("--quick-gen-key", "Other <twice@example.org>", "ed25519", "cert", "never")
    listing = home.run("--with-colons", "--list-keys", "Other").decode().splitlines()
    other = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
    home.run("--quick-add-key", other, "cv25519", "encr")
    with pytest.raises(ConfigError, match="several keys") as caught:
        parse_encryption(["twice@example.org"], gnupghome=str(home))
    assert keys[0].fingerprint in str(caught.value) and other in str(caught.value)
    home.close()


def test_keys_that_cannot_be_encrypted_to_are_refused_before_anything_is_done(gpg_keys: Keys) -> None:
    home = GnupgHome()
    signing = make_key(home, "signer@example.org", encrypts=False)
    revoked = make_key(home, "revoked@example.org")
    certificate = home.path / "openpgp-revocs.d" / f"{revoked.fingerprint}.rev"
    home.run("--import", stdin=certificate.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))
    soon = make_key(home, "soon@example.org", expire="5d")
    for fingerprint, problem in (
        (signing.fingerprint, "no valid part to encrypt to"),
        (revoked.fingerprint, "is revoked"),
        ("A" * 40, "there is no public key"),
    ):
        with pytest.raises(ConfigError, match=problem) as caught:
            parse_encryption([fingerprint], gnupghome=str(home))
        assert fingerprint in str(caught.value)
    encryption = parse_encryption([soon.fingerprint], gnupghome=str(home))
    assert any("expires on" in warning for warning in encryption.warnings)
    encryption.close()
    home.close()


def test_an_expired_key_is_refused() -> None:
    home = GnupgHome()
    home.run("--faked-system-time", "20200101T000000!", "--quick-gen-key", "x <x@example.org>", "ed25519", "cert", "1y")
    listing = home.run("--with-colons", "--list-keys").decode().splitlines()
    fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
    with pytest.raises(ConfigError, match=f"{fingerprint} is expired"):
        parse_encryption([fingerprint], gnupghome=str(home))
    home.close()


def test_a_private_key_among_the_recipients_is_refused_and_never_shown(gpg_keys: Keys, tmp_path: Path) -> None:
    secrets = [str(IDENTITIES[0]), str(IDENTITIES[0]).lower(), gpg_keys.ops.secret().decode(), "a1" * 32]
    files = []
    for number, content in enumerate([*(text.encode() for text in secrets), gpg_keys.ops.secret(armor=False)]):
        path = tmp_path / f"key{number}"
        path.write_bytes(content)
        files.append(str(path))
    for entry in (*secrets, *files):
        with pytest.raises(ConfigError, match="private key") as caught:
            parse_encryption([RECIPIENTS[0], entry])
        shown = repr(caught.value) + str(caught.value)
        assert all(secret.splitlines()[-1] not in shown for secret in secrets)
        assert "recipient 2" in shown or entry in shown


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("correct horse", "recipient 1 is none that is known here"),
        ("hunter2/with/slashes==", "recipient 1 is none that is known here"),
        ("0123456789ABCDEF", "recipient 1 is none that is known here"),
        ("/etc/no-such-file", "recipient 1: there is no file /etc/no-such-file "),
        ("/etc/no-such-folder/ops.pub", "there is no file /etc/no-such-folder/ops.pub: /etc/no-such-folder is not"),
        ("/no-such-root/keys/ops.pub", "there is no file /no-such-root/keys/ops.pub: /no-such-root is not there"),
        ("/dev/zero", "/dev/zero is not a regular file"),
        ("age1notakey", "recipient 1: "),
        ("", "recipient 1 is none"),
    ],
)
def test_what_is_no_recipient_is_told_without_repeating_what_may_be_secret(entry: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_encryption([entry])
    if "none that is known" in message and entry:
        assert entry not in str(caught.value)


def test_kinds_cannot_be_mixed_and_must_fit_the_format(gpg_keys: Keys) -> None:
    home = str(gpg_keys.home)
    with pytest.raises(ConfigError, match="cannot be combined"):
        parse_encryption([RECIPIENTS[0], gpg_keys.ops.fingerprint], gnupghome=home)
    with pytest.raises(ConfigError, match="not of the format gpg"):
        parse_encryption(RECIPIENTS, scheme="gpg")
    with pytest.raises(ConfigError, match="cannot be combined"):
        parse_encryption(RECIPIENTS, "a passphrase")
    for scheme in ("age", "gpg"):
        for passphrase in ("", "two\nlines"):
            with pytest.raises(ConfigError, match="empty or has several lines"):
                parse_encryption([], passphrase, scheme=scheme)


def test_a_home_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="/nonexistent is not a directory"):
        parse_encryption(["A" * 40], gnupghome="/nonexistent")


def test_an_encrypted_identity_file_opens_with_its_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "identity.age"
    for armor in (False, True):
        stage = Encryptor([ScryptRecipient("of the file", work_factor=4)], armor=armor)
        file.write_bytes(run_through(stage, f"# made today\n{IDENTITIES[1]}\n".encode()))
        data = encrypted(parse_encryption(RECIPIENTS))
        assert decrypt(Decryption.parse([str(file)], "of the file"), data) == DATA
        for wrong, message in (("wrong", "is the passphrase right"), (None, "give its passphrase")):
            with pytest.raises(ConfigError, match=message):
                Decryption.parse([str(file)], wrong)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param(RECIPIENTS[0], "identity 1 is a public key", id="a public key"),
        ("some secret words", "identity 1 is neither"),
        ("c2VjcmV0/d29yZHM=", "identity 1 is neither"),
        ("AGE-SECRET-KEY-1QQQQ", "identity 1: "),
        ("/etc/no-such-file", "identity 1: there is no file /etc/no-such-file "),
        ("/no-such-root/keys/ops.agekey", "there is no file /no-such-root/keys/ops.agekey: /no-such-root is not there"),
        ("/dev/zero", "not a regular file"),
        ("/etc/passwd", "/etc/passwd holds no secret key"),
    ],
)
def test_what_is_no_identity_is_told_without_repeating_what_may_be_secret(entry: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Decryption.parse([entry])
    if not entry.startswith("/"):
        assert entry not in str(caught.value)


def test_a_key_that_does_not_fit_is_told_with_what_was_tried() -> None:
    data = encrypted(parse_encryption(RECIPIENTS[:1]))
    with pytest.raises(CryptoError, match="no identity matches") as caught:
        decrypt(Decryption.parse([str(IDENTITIES[1])]), data)
    assert RECIPIENTS[1] in str(caught.value) and str(IDENTITIES[1]) not in str(caught.value)
    with pytest.raises(CryptoError, match="no age identity or passphrase was given"):
        decrypt(Decryption.parse(), data)


def test_a_file_that_is_not_encrypted_is_told_by_its_kind() -> None:
    decryption = Decryption.parse([str(IDENTITIES[0])])
    for data, message in ((b"", "it is empty"), (b"PGDMP\1", "it is pg_dump"), (b"a,b\n", "no known format")):
        assert decryption.transforms_for(data) == []
        with pytest.raises(BackupError, match=message):
            decryption.transform_for(data)


def test_secrets_are_in_no_text_form(gpg_keys: Keys) -> None:
    decryption = Decryption.parse([str(IDENTITIES[0]), "b2" * 32, gpg_keys.ops.secret().decode()], PASSPHRASE)
    shown = repr(decryption) + repr(vars(decryption))
    assert "SECRET" not in shown and "b2" * 32 not in shown and "PRIVATE" not in shown
