"""To whom artifacts are encrypted, from the texts of an inventory."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConfigError
from ..stream.key_files import path_of, read_key_file
from .cipher import RECIPIENTS_STEP as STEP
from .cipher import Encryption
from .ciphers import CIPHERS


def parse_encryption(
    recipients: Sequence[str],
    passphrase: str | None = None,
    gnupghome: str | None = None,
    *,
    scheme: str | None = None,
    armor: bool = False,
) -> Encryption:
    """Read what the user gave and check that it can be encrypted to. Nothing of a secret is ever shown.

    :param recipients: each an age recipient (``age1...``), the full fingerprint of an OpenPGP key, an e-mail
        address that has exactly one such key (both may begin with ``gpg:``), a public key as text, or the path
        of a file with age recipients or OpenPGP keys. All of one scheme. None and no passphrase: no encryption.
    :param passphrase: instead of recipients.
    :param gnupghome: where OpenPGP keys are looked up.
    :param scheme: the name of a cipher if it must be that one; told by the recipients otherwise.
    :param armor: write text.
    :raises ConfigError: naming the recipient by its number.
    """
    if recipients and passphrase is not None:
        raise ConfigError(STEP, "recipients and a passphrase cannot be combined", hint="give one of them")
    if passphrase is not None:
        if not passphrase or "\n" in passphrase:
            raise ConfigError(STEP, "the passphrase is empty or has several lines", hint="one line that can be typed")
        return CIPHERS[scheme or next(iter(CIPHERS))].encrypt_with_passphrase(passphrase, armor=armor)
    if not recipients:
        return Encryption()
    named = [each for number, text in enumerate(recipients, start=1) for each in _read(text, f"recipient {number}")]
    schemes = {name for name, _value in named}
    if len(schemes) > 1:
        kinds = " and of ".join(name for name in CIPHERS if name in schemes)
        raise ConfigError(STEP, f"recipients of {kinds} cannot be combined", hint="use one kind for all")
    if scheme is not None and schemes != {scheme}:
        raise ConfigError(STEP, f"the recipients are not of the format {scheme}", hint=f"give {scheme} recipients")
    values = list(dict.fromkeys(value for _name, value in named))
    return CIPHERS[schemes.pop()].encrypt(values, gnupghome=gnupghome, armor=armor)


def _read(text: str, where: str) -> list[tuple[str, str]]:
    """The recipients that one entry names: pairs of a cipher's name and what that encrypts to."""
    text = text.strip()
    _refuse_secret(_encoded(text), where)
    for name, cipher in CIPHERS.items():
        if found := cipher.recipients_of(text, where):
            return [(name, value) for value in found]
    if "/" in text and (path := path_of(text)) is not None:
        return _read_file(path, where)
    raise ConfigError(
        STEP,
        f"{where} is none that is known here; it is not shown because it may be a secret",
        hint="give an age recipient (age1...), the full fingerprint of an OpenPGP key, or the path of a key file",
    )


def _read_file(path: str, where: str) -> list[tuple[str, str]]:
    data = read_key_file(path, STEP, where)
    _refuse_secret(data, path)
    for name, cipher in CIPHERS.items():
        if found := cipher.recipients_in(data, path):
            return [(name, value) for value in found]
    raise ConfigError(STEP, f"{path} holds no recipient", hint="give a file of age recipients or of OpenPGP keys")


def _encoded(text: str) -> bytes:
    """*text* as it would stand in a file; a binary key that somebody made a text of, as it was."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _refuse_secret(data: bytes, where: str) -> None:
    if any(cipher.is_secret(data) for cipher in CIPHERS.values()):
        raise ConfigError(
            STEP,
            f"{where} is a private key, not a public one; it is not shown here",
            hint="give the public key; where the private one was already written to a place that others read, "
            "replace it",
        )
