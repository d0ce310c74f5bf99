"""Keys as text: what a person puts into an inventory, and the file that ``age-keygen`` writes."""

from __future__ import annotations

import re

from ...errors import ConfigError
from . import bech32, primitives
from .x25519 import IDENTITY_PREFIX, RECIPIENT_PREFIX, X25519Identity, X25519Recipient

_RECIPIENT_STEP = "read the recipient"
_IDENTITY_STEP = "read the identity"
_SECRET = re.compile(r"AGE-SECRET-KEY-|AGE-PLUGIN-|-----BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE)
_SSH = ("ssh-", "ecdsa-", "sk-")
_ENCRYPTED = ("age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE")
_SHOWN_LENGTH = 16


def parse_recipient(text: str) -> X25519Recipient:
    """Read a public key (``age1...``); white space around it does not matter.

    :raises ConfigError: it is anything else. A secret key given by mistake is named as such and never repeated.
    """
    primitives.require_library()
    text = text.strip()
    if _SECRET.search(text):
        raise ConfigError(
            _RECIPIENT_STEP,
            "this is a private key, not a public one; it is not shown here",
            hint="give the public key (age1...); `age-keygen -y FILE` prints it. Where the private key was already "
            "written to a place that others read, replace the key pair",
        )
    if text.lower().startswith(_SSH):
        raise ConfigError(_RECIPIENT_STEP, "SSH recipients are not supported", hint="give an age public key (age1...)")
    if not text.lower().startswith("age1"):
        raise ConfigError(_RECIPIENT_STEP, "it is no age public key, which begins with age1")
    return _decode_recipient(text)


def could_be_recipient(text: str) -> bool:
    """Whether :func:`parse_recipient` has more to say of *text* than that it is something else."""
    return text.lower().startswith(("age1", *_SSH))


def parse_identities(text: str) -> list[X25519Identity]:
    """Read what ``age-keygen`` writes: a secret key a line, with comments (``#``) and blank lines between.

    :return: at least one.
    :raises ConfigError: a line is anything else, or there is no key. Names the line's number, never its text.
    """
    primitives.require_library()
    if text.lstrip().startswith(_ENCRYPTED):
        raise ConfigError(_IDENTITY_STEP, "the identity file is itself encrypted", hint="decrypt it first: age -d")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    identities = [_decode_identity(line, number) for number, line in lines if line and not line.startswith("#")]
    if not identities:
        raise ConfigError(_IDENTITY_STEP, "there is no secret key in it", hint="`age-keygen` makes one")
    return identities


def _decode_recipient(text: str) -> X25519Recipient:
    # Only the beginning is shown: enough to find it in an inventory.
    shown = f"'{text[:_SHOWN_LENGTH]}...'" if len(text) > _SHOWN_LENGTH else f"'{text}'"
    if text.lower().startswith("age1pq1"):
        raise ConfigError(_RECIPIENT_STEP, f"{shown}: post-quantum recipients are not supported")
    try:
        prefix, public = bech32.decode(text)
        if prefix != RECIPIENT_PREFIX:
            raise ConfigError(_RECIPIENT_STEP, f"{shown}: plugin and tagged recipients are not supported")
        if text != text.lower():
            raise ValueError("it must be in lower case")
        return X25519Recipient(public)
    except ValueError as error:
        raise ConfigError(_RECIPIENT_STEP, f"{shown} is no age public key: {error}") from error


def _decode_identity(line: str, number: int) -> X25519Identity:
    where = f"line {number}"
    refused = {
        "AGE-SECRET-KEY-PQ-": "post-quantum identities are not supported",
        "AGE-PLUGIN-": "plugin identities are not supported",
        "-----BEGIN": "SSH and PEM keys are not supported",
        "AGE1": "this is a public key; the secret one begins with AGE-SECRET-KEY-1",
    }
    for beginning, reason in refused.items():
        if line.upper().startswith(beginning):
            raise ConfigError(_IDENTITY_STEP, f"{where}: {reason}")
    try:
        prefix, secret = bech32.decode(line)
        if prefix != IDENTITY_PREFIX or line != line.upper():
            raise ValueError("it does not begin with AGE-SECRET-KEY-1")
        return X25519Identity(secret)
    except ValueError as error:
        raise ConfigError(_IDENTITY_STEP, f"{where} is no age secret key: {error}") from error
