"""Agreement in both directions with pyrage, the binding of the Rust implementation."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
)
from support.age_files import BORDER_SIZES, decrypt, encrypt, plaintext

pyrage = pytest.importorskip("pyrage")

KEYS = [X25519Identity.generate() for _ in range(3)]
both_forms = pytest.mark.parametrize("armor", [False, True], ids=["binary", "armored"])


def _theirs(key: X25519Identity) -> object:
    return pyrage.x25519.Identity.from_str(str(key))


def test_both_derive_the_same_recipient() -> None:
    for key in KEYS:
        assert str(pyrage.x25519.Identity.from_str(str(key)).to_public()) == str(key.recipient)


@both_forms
@pytest.mark.parametrize("size", BORDER_SIZES)
def test_pyrage_reads_ours_with_each_of_several_recipients(size: int, armor: bool) -> None:
    truth = plaintext(size)
    data = encrypt(truth, [key.recipient for key in KEYS], armor=armor, sizes=(50_000,))
    for key in KEYS:
        assert pyrage.decrypt(data, [_theirs(key)]) == truth


@both_forms
@pytest.mark.parametrize("size", BORDER_SIZES)
def test_we_read_pyrage_with_each_of_several_recipients(size: int, armor: bool) -> None:
    truth = plaintext(size)
    recipients = [pyrage.x25519.Recipient.from_str(str(key.recipient)) for key in KEYS]
    data = pyrage.encrypt(truth, recipients, armored=armor)
    for key in KEYS:
        outcome = decrypt(data, [key], sizes=(50_000,))
        assert outcome.error is None
        assert outcome.released == truth


@both_forms
def test_pyrage_reads_our_passphrase(armor: bool) -> None:
    data = encrypt(plaintext(100_000), [ScryptRecipient("päss wörd", work_factor=10)], armor=armor)
    assert pyrage.passphrase.decrypt(data, "päss wörd") == plaintext(100_000)


def test_we_read_pyrage_with_a_passphrase() -> None:
    data = pyrage.passphrase.encrypt(plaintext(100_000), "päss wörd")
    assert decrypt(data, [ScryptIdentity("päss wörd")]).released == plaintext(100_000)


def test_both_refuse_a_file_cut_at_the_end_of_a_chunk() -> None:
    data = encrypt(plaintext(131072), [KEYS[0].recipient])
    cut = data[: -65536 - 16]
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(cut, [_theirs(KEYS[0])])
    assert decrypt(cut, [KEYS[0]]).error is not None
