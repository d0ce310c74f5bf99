"""From what a user names (a fingerprint, an e-mail address, a key file) to public keys that gpg can encrypt to.

All keys of one encryption are collected in a private keyring, so that what was checked is what is used, and
nothing in the user's own keyring, trust database or configuration is changed or matters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ...errors import ConfigError
from .home import GpgHome, explain_failure

STEP = "check the recipients"
_FINGERPRINT = re.compile(r"(?:0x)?([0-9A-Fa-f]{40})")
_EXPIRY_WARNING = timedelta(days=30)
_UNUSABLE = {"r": "revoked", "e": "expired", "i": "invalid", "d": "disabled"}


@dataclass(frozen=True)
class GpgKey:
    """One OpenPGP public key.

    :param fingerprint: of the primary key, upper case.
    :param key_ids: of the (sub)keys that messages to it are encrypted to, 16 digits each.
    :param expires: when the first part that is needed expires.
    :param problem: why nothing can be encrypted to it; None when all is well.
    """

    fingerprint: str
    key_ids: tuple[str, ...]
    expires: datetime | None
    problem: str | None


def parse_fingerprint(text: str) -> str | None:
    """The full fingerprint in *text* (spaces allowed), upper case; None if it is none."""
    match = _FINGERPRINT.fullmatch("".join(text.split()))
    return match[1].upper() if match else None


class Keyring:
    """The public keys of one encryption, in a private GnuPG home.

    :param source: the home in which fingerprints and e-mail addresses are looked up; None for gpg's own choice.
    """

    def __init__(self, source: str | None = None) -> None:
        self.home = GpgHome.private()
        self._source = GpgHome(source)

    def add_fingerprint(self, fingerprint: str) -> str:
        """Take the key over from the user's home and return the primary key's fingerprint."""
        found = self._source.run("--export-options", "export-minimal", "--export", "--", fingerprint)
        if not found.output:
            raise ConfigError(
                STEP,
                f"there is no public key {fingerprint} in {self._source}",
                hint="import it with gpg --import, or name a file that holds it",
            )
        return self.add_key(found.output, fingerprint)[0]

    def add_email(self, address: str) -> str:
        """Take over the one key of an e-mail address; ambiguity is an error."""
        listing = self._source.run("--with-colons", "--list-keys", "--", f"<{address}>")
        usable = [key for key in parse_listing(listing.output.decode("utf-8", "replace")) if key.problem is None]
        if len(usable) == 1:
            return self.add_fingerprint(usable[0].fingerprint)
        if not usable:
            raise ConfigError(
                STEP, f"there is no usable public key for {address} in {self._source}", hint="import it, or name a file"
            )
        fingerprints = ", ".join(key.fingerprint for key in usable)
        raise ConfigError(
            STEP, f"{address} has several keys: {fingerprints}", hint="name the right one by its fingerprint"
        )

    def add_key(self, data: bytes, name: str) -> list[str]:
        """Import public keys, binary or armored; return their fingerprints.

        :param name: how to call them in an error.
        """
        result = self.home.run("--import", stdin=data, agent=False)
        fields = [line.split() for line in result.status if line.startswith("IMPORT_OK ")]
        if not fields:
            raise ConfigError(STEP, f"{name} holds no public key that gpg can read: {explain_failure(result)}")
        return list(dict.fromkeys(field[2] for field in fields))

    def keys(self, fingerprints: Sequence[str]) -> list[GpgKey]:
        """What is known of these keys; raise :class:`ConfigError` if one cannot be encrypted to."""
        listing = self.home.run("--with-colons", "--list-keys", "--", *fingerprints, agent=False)
        found = {key.fingerprint: key for key in parse_listing(listing.output.decode("utf-8", "replace"))}
        keys = []
        for fingerprint in fingerprints:
            key = found.get(fingerprint)
            problem = "cannot be listed" if key is None else key.problem
            if key is None or problem:
                raise ConfigError(STEP, f"the public key {fingerprint} {problem}", hint="get a current copy of the key")
            keys.append(key)
        return keys


def expiry_warning(key: GpgKey, now: datetime) -> str | None:
    """Say so when *key* is about to expire, because backups will fail from then on."""
    if key.expires is None or key.expires - now > _EXPIRY_WARNING:
        return None
    return f"the public key {key.fingerprint} expires on {key.expires:%Y-%m-%d}; encrypting to it fails from then on"


def parse_listing(text: str) -> list[GpgKey]:
    """Keys out of ``gpg --with-colons --list-keys`` (GnuPG's doc/DETAILS, "Format of the colon listings")."""
    keys: list[GpgKey] = []
    block: list[list[str]] = []
    for line in [*text.splitlines(), "pub:"]:
        record = line.split(":")
        if record[0] == "pub":
            if block:
                keys.append(_key(block))
            block = []
        if block or record[0] == "pub":
            block.append([*record, *[""] * (13 - len(record))])
    return keys


def _key(block: list[list[str]]) -> GpgKey:
    primary = block[0]
    fingerprint = next((record[9] for record in block if record[0] == "fpr"), "")
    parts = [record for record in block if record[0] in ("pub", "sub") and "e" in record[11]]
    parts = [record for record in parts if record[1] not in _UNUSABLE]
    problem = None
    if primary[1] in _UNUSABLE:
        problem = f"is {_UNUSABLE[primary[1]]}"
    elif "D" in primary[11]:
        problem = "is disabled"
    elif "E" not in primary[11] or not parts:
        problem = "has no valid part to encrypt to"
    times = [_time(primary[6]), max((_time(record[6]) for record in parts), default=_NEVER)]
    expires = min(times)
    key_ids = tuple(record[4].upper() for record in parts)
    return GpgKey(fingerprint, key_ids, None if expires == _NEVER else expires, problem)


_NEVER = datetime.max.replace(tzinfo=timezone.utc)


def _time(text: str) -> datetime:
    if not text:
        return _NEVER
    if "T" in text:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
    return datetime.fromtimestamp(int(text), timezone.utc)
