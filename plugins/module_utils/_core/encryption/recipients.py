"""To whom an artifact is encrypted: from the texts of an inventory to a fresh encrypting stage for each artifact."""

from __future__ import annotations

import contextlib
import os
import re
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from ..errors import ConfigError
from ..stream.files import RegularFile
from ..stream.stages import Transform
from .age import Encryptor, ScryptRecipient, parse_recipient
from .age.header import MAX_STANZAS
from .gpg.home import GpgHome
from .gpg.keys import Keyring, expiry_warning, parse_fingerprint
from .gpg.openpgp import begins_key
from .gpg.stage import GpgFilter, gpg_encryptor, gpg_passphrase_encryptor

STEP = "check the recipients"

_MAX_KEY_FILE_BYTES = 1024 * 1024
_SECRET = re.compile(r"AGE-SECRET-KEY-|AGE-PLUGIN-|BEGIN [A-Z ]*PRIVATE KEY|[0-9a-f]{64}\s*\Z", re.IGNORECASE)
_PGP_PUBLIC = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_EMAIL = re.compile(r"[^\s<>@/]+@[^\s<>@/]+\.[^\s<>@/]+")
_GPG_PREFIX = "gpg:"
_ONE_RECIPIENT = "there is one recipient only: if its key is lost, so is everything encrypted to it; add an offline one"
_AGE_STANZA_BYTES = 128
_SPARE_BYTES = 8192


class Encryption:
    """How artifacts are encrypted; made by :meth:`parse`, closed by whoever made it.

    :ivar scheme: ``age``, ``gpg`` or ``none``.
    :ivar suffix: what the artifact's name gets at its end.
    :ivar recipients: public keys (age) or fingerprints (gpg), as the manifest records them.
    :ivar key_ids: for each gpg recipient the ids of the keys that may appear in a message to it.
    :ivar warnings: what the user should know.
    """

    def __init__(
        self,
        scheme: str,
        *,
        suffix: str = "",
        recipients: Sequence[str] = (),
        key_ids: Sequence[tuple[str, ...]] = (),
        warnings: Sequence[str] = (),
        make: Callable[[], Transform] | None = None,
        home: GpgHome | None = None,
        armor: bool = False,
    ) -> None:
        self.scheme = scheme
        self.suffix = suffix
        self.recipients = tuple(recipients)
        self.key_ids = tuple(key_ids)
        self.warnings = tuple(warnings)
        self.armor = armor
        self._make = make
        self._home = home
        self._running: weakref.WeakSet[GpgFilter] = weakref.WeakSet()

    @classmethod
    def parse(
        cls,
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
        :param scheme: ``age`` or ``gpg`` if it must be that one; told by the recipients otherwise.
        :param armor: write text.
        :raises ConfigError: naming the recipient by its number.
        """
        if recipients and passphrase is not None:
            raise ConfigError(STEP, "recipients and a passphrase cannot be combined", hint="give one of them")
        if passphrase is not None:
            return cls._with_passphrase(passphrase, scheme or "age", armor)
        if not recipients:
            return cls("none")
        named = [each for number, text in enumerate(recipients, start=1) for each in _read(text, number)]
        families = {family for family, _value in named}
        if len(families) > 1:
            raise ConfigError(STEP, "recipients of age and of gpg cannot be combined", hint="use one kind for all")
        if scheme is not None and families != {scheme}:
            raise ConfigError(STEP, f"the recipients are not of the format {scheme}", hint=f"give {scheme} recipients")
        values = list(dict.fromkeys(value for _family, value in named))
        return cls._with_age(values, armor) if families == {"age"} else cls._with_gpg(values, gnupghome, armor)

    @property
    def enabled(self) -> bool:
        """Whether anything is encrypted at all."""
        return self.scheme != "none"

    def transform(self) -> Transform:
        """A fresh encrypting stage, for one artifact."""
        if self._make is None:
            raise ConfigError(STEP, "no recipients are given", hint="give at least one recipient")
        stage = self._make()
        if isinstance(stage, GpgFilter):
            self._running.add(stage)
        return stage

    def transforms(self) -> list[Transform]:
        """The same for a chain of stages: empty where nothing is encrypted."""
        return [self.transform()] if self.enabled else []

    def size_limit(self, plain_size: int) -> int:
        """At most how many bytes *plain_size* bytes become."""
        if not self.enabled:
            return plain_size
        # A tag for each 64 KiB (age), a length for each 8 KiB on two levels (gpg).
        size = plain_size + plain_size // 2048 + _AGE_STANZA_BYTES * len(self.recipients) + _SPARE_BYTES
        return size * 4 * 65 // (3 * 64) if self.armor else size

    def close(self) -> None:
        """End what still runs and remove the private keyring; safe to call twice."""
        for stage in list(self._running):
            stage.close()
        if self._home is not None:
            self._home.close()

    @classmethod
    def _with_passphrase(cls, passphrase: str, scheme: str, armor: bool) -> Encryption:
        if not passphrase or "\n" in passphrase:
            raise ConfigError(STEP, "the passphrase is empty or has several lines", hint="one line that can be typed")
        suffix = _suffix(scheme, armor)
        if scheme == "age":
            recipient = ScryptRecipient(passphrase)
            return cls("age", suffix=suffix, armor=armor, make=lambda: Encryptor([recipient], armor=armor))
        home = GpgHome.private()
        return cls(
            "gpg",
            suffix=suffix,
            armor=armor,
            home=home,
            make=lambda: gpg_passphrase_encryptor(home, passphrase, armor=armor),
        )

    @classmethod
    def _with_age(cls, texts: Sequence[str], armor: bool) -> Encryption:
        recipients = {str(recipient): recipient for recipient in map(parse_recipient, texts)}
        if len(recipients) > MAX_STANZAS:
            raise ConfigError(STEP, f"there are {len(recipients)} recipients", hint=f"{MAX_STANZAS} at most")
        return cls(
            "age",
            suffix=_suffix("age", armor),
            armor=armor,
            recipients=list(recipients),
            warnings=[_ONE_RECIPIENT] if len(recipients) == 1 else [],
            make=lambda: Encryptor(list(recipients.values()), armor=armor),
        )

    @classmethod
    def _with_gpg(cls, values: Sequence[str], gnupghome: str | None, armor: bool) -> Encryption:
        keyring = Keyring(gnupghome)
        try:
            fingerprints, warnings = _collect(keyring, values)
            keys = keyring.keys(fingerprints)
        except BaseException:
            keyring.home.close()
            raise
        if len(keys) == 1:
            warnings.append(_ONE_RECIPIENT)
        now = datetime.now(timezone.utc)
        warnings += [text for key in keys if (text := expiry_warning(key, now))]
        return cls(
            "gpg",
            suffix=_suffix("gpg", armor),
            armor=armor,
            recipients=fingerprints,
            key_ids=[key.key_ids for key in keys],
            warnings=warnings,
            home=keyring.home,
            make=lambda: gpg_encryptor(keyring.home, fingerprints, armor=armor),
        )


def _suffix(scheme: str, armor: bool) -> str:
    return ".asc" if scheme == "gpg" and armor else f".{scheme}"


def _collect(keyring: Keyring, values: Sequence[str]) -> tuple[list[str], list[str]]:
    """Bring every recipient's key into the keyring; the fingerprints, and warnings."""
    fingerprints: list[str] = []
    warnings: list[str] = []
    for number, value in enumerate(values, start=1):
        fingerprint = parse_fingerprint(value)
        if fingerprint is not None:
            fingerprints.append(keyring.add_fingerprint(fingerprint))
        elif _EMAIL.fullmatch(value):
            fingerprints.append(keyring.add_email(value))
            warnings.append(f"{value} stands for the key {fingerprints[-1]} today; name the fingerprint to be sure")
        else:
            fingerprints += keyring.add_key(value.encode("latin-1"), f"recipient {number}")
    return list(dict.fromkeys(fingerprints)), warnings


def _read(text: str, number: int) -> list[tuple[str, str]]:
    """The recipients that one entry names: pairs of a scheme and an age recipient, fingerprint, address or key."""
    text = text.strip()
    _refuse_secret(text, f"recipient {number}")
    if text.lower().startswith("age1") and len(text.split()) == 1:
        _check_age(text, f"recipient {number}")
        return [("age", text)]
    if text.startswith(_PGP_PUBLIC):
        return [("gpg", text)]
    named = text.removeprefix(_GPG_PREFIX).strip()
    if parse_fingerprint(named) or _EMAIL.fullmatch(named):
        return [("gpg", named)]
    path = os.path.expanduser(text)
    # Something that is no path may be a secret: only what can be one is shown.
    if "/" in text and os.path.isdir(os.path.dirname(path)) and "\n" not in text:
        return _read_file(path)
    raise ConfigError(
        STEP,
        f"recipient {number} is none that is known here; it is not shown because it may be a secret",
        hint="give an age recipient (age1...), the full fingerprint of an OpenPGP key, or the path of a key file",
    )


def _read_file(path: str) -> list[tuple[str, str]]:
    with RegularFile(path, step=STEP) as file:
        data = file.read_at(0, _MAX_KEY_FILE_BYTES)
    if begins_key(data) == "secret":
        raise _secret_given(path)
    if begins_key(data) == "public":
        return [("gpg", data.decode("latin-1"))]
    text = data.decode("utf-8", "replace")
    _refuse_secret(text, path)
    if _PGP_PUBLIC in text:
        return [("gpg", data.decode("latin-1"))]
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise ConfigError(STEP, f"{path} holds no recipient")
    for line in lines:
        _check_age(line, path)
    return [("age", line) for line in lines]


def _check_age(text: str, where: str) -> None:
    try:
        parse_recipient(text)
    except ConfigError as error:
        raise ConfigError(STEP, f"{where}: {error.message}", hint=error.hint) from None


def _refuse_secret(text: str, where: str) -> None:
    if _SECRET.search(text):
        raise _secret_given(where)
    with contextlib.suppress(ValueError):
        if begins_key(text.encode("latin-1")) == "secret":
            raise _secret_given(where)


def _secret_given(where: str) -> ConfigError:
    return ConfigError(
        STEP,
        f"{where} is a private key, not a public one; it is not shown here",
        hint="give the public key; where the private one was already written to a place that others read, replace it",
    )
