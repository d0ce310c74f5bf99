"""gpg among the ciphers."""

from __future__ import annotations

import base64
import binascii
import os
import re
import weakref
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from ...errors import BackupError
from ..cipher import Cipher, DecryptionOptions, Encryption, Format
from .home import GpgHome
from .keys import GpgKey, Keyring, expiry_warning, parse_fingerprint
from .openpgp import begins_key, begins_message, message_key_ids
from .stage import (
    GpgDecryptor,
    GpgFilter,
    gpg_decryptor,
    gpg_encryptor,
    gpg_passphrase_encryptor,
    import_secret_key,
)

_ANY_SECRET = re.compile(rb"BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE)
_SECRET = "-----BEGIN PGP PRIVATE KEY BLOCK-----"  # noqa: S105 - what such a key begins with
_PUBLIC = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_EMAIL = re.compile(r"[^\s<>@/]+@[^\s<>@/]+\.[^\s<>@/]+")
_PREFIX = "gpg:"


class GpgEncryption(Encryption):
    """Encryption to OpenPGP keys, or to one passphrase.

    :param home: a private one, which goes when this is closed.
    :ivar key_ids: for each recipient the ids of the keys that may appear in a message to it.
    """

    scheme = "gpg"

    def __init__(
        self,
        home: GpgHome,
        keys: Sequence[GpgKey] = (),
        fingerprints: Sequence[str] = (),
        *,
        warnings: Sequence[str] = (),
        passphrase: str | None = None,
        armor: bool,
    ) -> None:
        now = datetime.now(timezone.utc)
        expiring = [text for key in keys if (text := expiry_warning(key, now))]
        super().__init__(fingerprints, warnings=[*warnings, *expiring], armor=armor)
        self.suffix = ".asc" if armor else ".gpg"
        self.key_ids = tuple(key.key_ids for key in keys)
        self._home = home
        self._passphrase = passphrase
        self._running: weakref.WeakSet[GpgFilter] = weakref.WeakSet()

    def transform(self) -> GpgFilter:
        """See :meth:`Encryption.transform`."""
        if self._passphrase is not None:
            stage = gpg_passphrase_encryptor(self._home, self._passphrase, armor=self.armor)
        else:
            stage = gpg_encryptor(self._home, self.recipients, armor=self.armor)
        self._running.add(stage)
        return stage

    def fits(self, head: bytes, size: int, plain_size: int | None) -> bool:
        """See :meth:`Encryption.fits`; the message names its keys."""
        if GpgCipher.detect(head) is not GpgCipher.formats[self.armor]:
            return False
        key_ids = _key_ids(head, armored=self.armor)
        if key_ids is None or len(key_ids) != len(self.recipients):
            return False
        left = list(key_ids)
        for wanted in self.key_ids:
            found = next((key_id for key_id in left if key_id in wanted), None)
            if found is None:
                return False
            left.remove(found)
        return plain_size is None or plain_size < size <= self.size_limit(plain_size)

    def close(self) -> None:
        """See :meth:`Encryption.close`."""
        for stage in list(self._running):
            stage.close()
        self._home.close()


class GpgCipher(Cipher):
    """See :class:`Cipher`."""

    name = "gpg"
    formats = (Format("gpg", "gpg", weak=True), Format("gpg (armored)", "gpg", armored=True))
    suffixes = (".gpg", ".asc", ".pgp")

    def __init__(self, given: DecryptionOptions) -> None:
        super().__init__(given)
        self._keys: list[bytes] = []
        self._home: GpgHome | None = None
        self._running: weakref.WeakSet[GpgDecryptor] = weakref.WeakSet()

    @classmethod
    def detect(cls, head: bytes) -> Format | None:
        """See :meth:`Cipher.detect`."""
        if head.lstrip().startswith(b"-----BEGIN PGP MESSAGE-----"):
            return cls.formats[1]
        return cls.formats[0] if begins_message(head) else None

    @classmethod
    def is_secret(cls, data: bytes) -> bool:
        """See :meth:`Cipher.is_secret`; a private key of another program, in PEM, is one too."""
        return _ANY_SECRET.search(data) is not None or begins_key(data) == "secret"

    @classmethod
    def is_public(cls, text: str) -> bool:
        """See :meth:`Cipher.is_public`."""
        return text.startswith(_PUBLIC)

    @property
    def has_keys(self) -> bool:
        """See :attr:`Cipher.has_keys`."""
        return bool(self._keys)

    def take(self, text: str, where: str) -> bool:
        """See :meth:`Cipher.take`."""
        if _SECRET not in text:
            return False
        self._keys.append(text.strip().encode() + b"\n")
        return True

    def take_file(self, data: bytes, path: str) -> bool:
        """See :meth:`Cipher.take_file`; the key may be binary."""
        if begins_key(data) != "secret":
            return super().take_file(data, path)
        self._keys.append(data)
        return True

    def open(self, found: Format, tail: bytes, others: Iterable[bytes]) -> GpgDecryptor:
        """See :meth:`Cipher.open`."""
        if self._home is None:
            self._home = self._open_home()
        stage = gpg_decryptor(self._home, armored=found.armored, passphrase=self.given.passphrase)
        self._running.add(stage)
        return stage

    def close(self) -> None:
        """See :meth:`Cipher.close`."""
        for stage in list(self._running):
            stage.close()
        if self._home is not None:
            self._home.close()

    def _open_home(self) -> GpgHome:
        default = os.environ.get("GNUPGHOME") or os.path.expanduser("~/.gnupg")
        if not self._keys and (self.given.gnupghome is not None or os.path.isdir(default)):
            return GpgHome(self.given.gnupghome)
        home = GpgHome.private()
        try:
            for key in self._keys:
                import_secret_key(home, key)
        except BaseException:
            home.close()
            raise
        return home

    @classmethod
    def recipients_of(cls, text: str, where: str) -> list[str]:
        """See :meth:`Cipher.recipients_of`: a fingerprint, an address or a key."""
        if text.startswith(_PUBLIC):
            return [text]
        named = text.removeprefix(_PREFIX).strip()
        return [named] if parse_fingerprint(named) or _EMAIL.fullmatch(named) else []

    @classmethod
    def recipients_in(cls, data: bytes, path: str) -> list[str]:
        """See :meth:`Cipher.recipients_in`."""
        return [data.decode("latin-1")] if begins_key(data) == "public" or _PUBLIC.encode() in data else []

    @classmethod
    def encrypt(cls, recipients: Sequence[str], *, gnupghome: str | None, armor: bool) -> GpgEncryption:
        """See :meth:`Cipher.encrypt`."""
        keyring = Keyring(gnupghome)
        try:
            fingerprints, warnings = _collect(keyring, recipients)
            keys = keyring.keys(fingerprints)
        except BaseException:
            keyring.home.close()
            raise
        return GpgEncryption(keyring.home, keys, fingerprints, warnings=warnings, armor=armor)

    @classmethod
    def encrypt_with_passphrase(cls, passphrase: str, *, armor: bool) -> GpgEncryption:
        """See :meth:`Cipher.encrypt_with_passphrase`."""
        return GpgEncryption(GpgHome.private(), passphrase=passphrase, armor=armor)


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


def _key_ids(head: bytes, *, armored: bool) -> tuple[str, ...] | None:
    try:
        return message_key_ids(_dearmor(head) if armored else head)
    except (BackupError, binascii.Error):
        return None


def _dearmor(head: bytes) -> bytes:
    """The first bytes of an armored OpenPGP message (RFC 9580, section 6.2)."""
    _head, _separator, body = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    text = b"".join(body.split(b"\n=")[0].split())
    return base64.b64decode(text[: len(text) - len(text) % 4])
