"""Keys as text: what is accepted, and that no mistake makes a secret visible."""

from __future__ import annotations

import subprocess
import sys
import traceback

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
    X25519Recipient,
    bech32,
    parse_identities,
    parse_recipient,
    primitives,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, PreflightError
from support.age_files import decrypt, encrypt

# The pair that the specification shows.
SECRET = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
PUBLIC = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"


def _typo(text: str, place: int = 20) -> str:
    """One character wrong, in the case of the others."""
    other = "P" if text[place] in "qQ" else "Q"
    return text[:place] + (other.lower() if text.islower() else other) + text[place + 1 :]


def test_the_pair_of_the_specification_belongs_together() -> None:
    [identity] = parse_identities(SECRET)
    assert str(identity) == SECRET
    assert str(identity.recipient) == PUBLIC
    assert parse_recipient(PUBLIC) == identity.recipient


def test_a_recipient_may_have_white_space_around_it() -> None:
    assert str(parse_recipient(f"\t{PUBLIC}\r\n")) == PUBLIC


def test_the_file_of_age_keygen_is_read_with_its_comments_and_several_keys() -> None:
    second = X25519Identity.generate()
    text = f"# created: 2026-11-24T04:18:48Z\r\n# public key: {PUBLIC}\r\n{SECRET}\r\n\n  \n# second\n {second} \n"
    assert [str(identity) for identity in parse_identities(text)] == [SECRET, str(second)]


def test_generated_identities_differ() -> None:
    assert str(X25519Identity.generate()) != str(X25519Identity.generate())


def test_repr_shows_no_secret() -> None:
    [identity] = parse_identities(SECRET)
    shown = repr([identity, ScryptRecipient("open sesame", 1), ScryptIdentity("open sesame")])
    assert PUBLIC in shown
    assert SECRET not in shown
    assert "sesame" not in shown


PRIVATE_KEYS = (
    SECRET,
    SECRET.lower(),
    f" {SECRET}\n",
    f"# created by me\n# public key: {PUBLIC}\n{SECRET}\n",
    _typo(SECRET),
    "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR",
    "AGE-PLUGIN-YUBIKEY-1QYQSYQCYQ5RQWZQFPG9SCRGWPUG",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
)


@pytest.mark.parametrize("text", PRIVATE_KEYS)
def test_a_private_key_given_as_recipient_is_named_as_such_and_never_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="private key, not a public one") as caught:
        parse_recipient(text)
    _assert_hidden(text, caught.value)


def _assert_hidden(text: str, error: Exception) -> None:
    shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
    words = [word for line in text.splitlines() if PUBLIC not in line for word in line.split() if len(word) > 20]
    assert words
    for word in words:
        assert word[-20:].lower() not in shown.lower()


RECIPIENT_MISTAKES = {
    _typo(PUBLIC): "checksum is wrong",
    PUBLIC[:-1]: "checksum is wrong",
    PUBLIC[:30] + PUBLIC[30:].upper(): "mixed",
    PUBLIC.upper(): "lower case",
    PUBLIC[:10] + "b" + PUBLIC[11:]: "character 11 may not be there",
    "age1": "too short",
    "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdxz95": "post-quantum .* not supported",
    "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e": "plugin and tagged .* not supported",
    bech32.encode("age1yubikey", bytes(33)): "plugin and tagged .* not supported",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJD8ZpUjYJpZg backup": "SSH recipients are not supported",
    "": "begins with age1",
    "not a key": "begins with age1",
    bech32.encode("age", bytes(31)): "no X25519 public key",
    bech32.encode("age", bytes(32)): "low order",
    bech32.encode("age", bytes.fromhex("ee" + "ff" * 30 + "7f")): "no X25519 public key",
}


@pytest.mark.parametrize("text", RECIPIENT_MISTAKES)
def test_a_text_that_is_no_recipient_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ConfigError, match=RECIPIENT_MISTAKES[text]):
        parse_recipient(text)


def test_a_text_that_could_be_any_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipient("correct horse battery staple")
    assert "horse" not in str(caught.value)


IDENTITY_MISTAKES = {
    f"# mine\n{_typo(SECRET)}\n": "line 2 is no age secret key: its checksum is wrong",
    SECRET[:-5]: "checksum is wrong",
    SECRET[:40] + SECRET[40:].lower(): "mixed",
    SECRET.lower(): "AGE-SECRET-KEY-1",
    f"{SECRET}\n{PUBLIC}\n": "line 2: this is a public key",
    PRIVATE_KEYS[5]: "line 1: post-quantum identities are not supported",
    PRIVATE_KEYS[6]: "line 1: plugin identities are not supported",
    PRIVATE_KEYS[7]: "line 1: SSH and PEM keys are not supported",
    bech32.encode("age-secret-key-", bytes(31)).upper(): "no X25519 secret key",
    f"{SECRET} {SECRET}": "line 1",
    "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n": "itself encrypted",
    "age-encryption.org/v1\n-> scrypt": "itself encrypted",
    "# only a comment\n\n": "no secret key",
    "": "no secret key",
}


@pytest.mark.parametrize("text", IDENTITY_MISTAKES)
def test_a_text_that_is_no_identity_file_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigError, match=IDENTITY_MISTAKES[text]) as caught:
        parse_identities(text)
    shown = "".join(traceback.format_exception(caught.value))
    assert "FPYYSJZGFPYYSJZ" not in shown.upper()
    assert "B3BLBNNZAC1" not in shown.upper()


def test_a_passphrase_opens_what_was_encrypted_to_it_and_nothing_else_does() -> None:
    data = encrypt(b"text", [ScryptRecipient("päss wörd", work_factor=2)])
    assert decrypt(data, [ScryptIdentity("päss wörd")]).released == b"text"
    assert "passphrase it was encrypted with" in str(decrypt(data, [ScryptIdentity("pass word")]).error)


def test_too_much_work_is_refused_before_any_is_done() -> None:
    data = encrypt(b"text", [ScryptRecipient("secret", work_factor=5)])
    outcome = decrypt(data, [ScryptIdentity("secret", max_work_factor=4)])
    assert "work factor is larger than 4" in str(outcome.error)


@pytest.mark.parametrize("work_factor", [0, -1, 31])
def test_an_impossible_work_factor_is_refused(work_factor: int) -> None:
    with pytest.raises(ConfigError, match="work factor"):
        ScryptRecipient("secret", work_factor)


def test_an_empty_passphrase_is_refused() -> None:
    for make in (ScryptRecipient, ScryptIdentity):
        with pytest.raises(ConfigError, match="empty"):
            make("")


def test_a_recipient_that_nobody_can_have_is_no_value() -> None:
    with pytest.raises(ValueError, match="low order"):
        X25519Recipient(b"\x01" + bytes(31))


def test_memory_that_scrypt_cannot_have_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(primitives, "Scrypt", refuse)
    with pytest.raises(PreflightError, match="256 MiB"):
        encrypt(b"", [ScryptRecipient("secret")])


def test_without_the_library_the_error_names_it_and_importing_still_works() -> None:
    program = """
import sys
sys.modules["cryptography"] = None
from ansible_collections.mobul.backup.plugins.module_utils._core import errors
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption import age
for call in (lambda: age.parse_recipient("age1"), lambda: age.parse_identities("x"), age.X25519Identity.generate):
    try:
        call()
    except errors.PreflightError as error:
        print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.count("install cryptography >= 41") == 3


def test_an_openssl_without_the_cipher_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(key: bytes) -> None:
        raise primitives.UnsupportedAlgorithm("no")

    monkeypatch.setattr(primitives, "ChaCha20Poly1305", refuse)
    with pytest.raises(PreflightError, match="FIPS"):
        encrypt(b"", [parse_recipient(PUBLIC)])
