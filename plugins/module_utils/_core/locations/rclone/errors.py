"""What rclone's and the stores' messages mean, said shortly and without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_CHARACTERS = 240


@dataclass(frozen=True)
class Meaning:
    """A message for a person; ``transient`` when the same request may succeed later."""

    message: str
    hint: str | None = None
    transient: bool = False


_MEANINGS = (
    (
        r"invalid_grant|token.*(expired|revoked)|fetch token|empty token|oauth2:",
        Meaning("the store no longer accepts rclone's token", "run `rclone config reconnect` for this remote"),
    ),
    (
        r"storageQuotaExceeded|insufficient.?storage|insufficient_space|quota.?exceeded|no space left|\b507\b",
        Meaning("the store is full", "free some space there, or raise the quota"),
    ),
    (
        r"rate.?limit|too many requests|\b429\b|SlowDown|internal server error|bad gateway|service unavailable"
        r"|gateway time.?out|\b50[0234]\b",
        Meaning("the store is overloaded", "try again later", transient=True),
    ),
    (
        r"\b401\b|\b403\b|unauthori[sz]ed|access.?denied|forbidden|SignatureDoesNotMatch|InvalidAccessKeyId"
        r"|unable to authenticate|permission denied|login failed",
        Meaning("the store denies access", "check the remote's credentials and rights with `rclone lsd`"),
    ),
    (
        r"connection refused|no such host|network is unreachable|no route to host|timed? ?out|connection reset"
        r"|couldn't connect|dial tcp|handshake|deadline exceeded|unexpected EOF|no progress|broke the connection"
        r"|Incomplete upload",
        Meaning("the store does not answer", "check the network and the remote's address", transient=True),
    ),
    (
        r"directory not found|bucket.*not (found|exist)|NoSuchBucket",
        Meaning("the folder or bucket does not exist", "create it, or correct `remote`"),
    ),
    (
        r"decrypt config|config(uration)? .*(password|encrypted)|password.*config",
        Meaning("rclone's configuration is encrypted", "set RCLONE_CONFIG_PASS or RCLONE_PASSWORD_COMMAND"),
    ),
)

_SECRETS = (
    (re.compile(r"(\w+://)[^\s@\"']*@"), r"\1"),
    (re.compile(r"(\w+://[^\s\"'?]*)\?[^\s\"']*"), r"\1"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:token|passw(?:or)?d|pass|passphrase|secret|credentials?|authorization|signature|key)[\w-]*)"
            r"(\"?\s*[:=]\s*)(?:bearer\s+|basic\s+)?(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 ***"),
)


def explain(message: str, *, confidential: str = "") -> Meaning:
    """Say what *message* means, with as much of it as may be shown.

    :param confidential: text that must not be shown, such as the parameters of a connection string.
    """
    shown_message = _shown(message, confidential)
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, message, re.IGNORECASE):
            return Meaning(f"{meaning.message}: {shown_message}", meaning.hint, meaning.transient)
    return Meaning(shown_message)


def _shown(message: str, confidential: str) -> str:
    if confidential:
        message = message.replace(confidential, "***")
    for pattern, replacement in _SECRETS:
        message = pattern.sub(replacement, message)
    message = " ".join(message.split())
    return message if len(message) <= _MAX_CHARACTERS else f"{message[:_MAX_CHARACTERS]} ..."
