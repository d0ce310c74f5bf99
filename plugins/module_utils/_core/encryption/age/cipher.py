"""age among the ciphers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...errors import BackupError, ConfigError, CryptoError
from ..cipher import DECRYPT, IDENTITIES_STEP, RECIPIENTS_STEP, Cipher, DecryptionOptions, Encryption, Format
from .armor import ArmorReader
from .decryptor import Decryptor
from .encryptor import Encryptor
from .errors import ArmorError, HeaderError
from .filekey import Identity, Recipient
from .header import MAX_STANZAS, Header, HeaderParser
from .keys import could_be_recipient, parse_identities, parse_recipient
from .passphrase import ScryptIdentity, ScryptRecipient
from .ranges import head_size
from .stream import CHUNK_SIZE, NONCE_SIZE

_SECRET = re.compile(rb"AGE-SECRET-KEY-|AGE-PLUGIN-", re.IGNORECASE)
_IDENTITY = re.compile(r"^\s*AGE-SECRET-KEY-", re.IGNORECASE | re.MULTILINE)
_PUBLIC = re.compile(r"age1[0-9a-z]+\Z")
_TAG_BYTES = 16
_ARMOR_LINE_BYTES = 48
_ARMOR_FRAME = len("-----BEGIN AGE ENCRYPTED FILE-----\n-----END AGE ENCRYPTED FILE-----\n")


class AgeEncryption(Encryption):
    """Encryption to age recipients, or to one passphrase."""

    scheme = "age"
    suffix = ".age"

    def __init__(self, to: Sequence[Recipient], recipients: Sequence[str], *, armor: bool) -> None:
        super().__init__(recipients, armor=armor)
        self._to = to

    def transform(self) -> Encryptor:
        """See :meth:`Encryption.transform`."""
        return Encryptor(self._to, armor=self.armor)

    def head_size(self, beginning: bytes) -> int | None:
        """See :meth:`Encryption.head_size`: those of the header and the nonce."""
        return head_size(beginning)

    def fits(self, head: bytes, size: int, plain_size: int | None) -> bool:
        """See :meth:`Encryption.fits`; the size is exact."""
        if AgeCipher.detect(head) is not AgeCipher.formats[self.armor]:
            return False
        header = _header(head, armored=self.armor)
        # Who the recipients are is hidden by design; how many, is not.
        wanted = ["X25519"] * len(self.recipients) or ["scrypt"]
        if header is None or [stanza.type for stanza in header.stanzas] != wanted:
            return False
        return plain_size is None or size == _file_size(plain_size, header.size, armor=self.armor)


class AgeCipher(Cipher):
    """See :class:`Cipher`."""

    name = "age"
    formats = (Format("age", "age"), Format("age (armored)", "age", armored=True))
    suffixes = (".age",)

    def __init__(self, given: DecryptionOptions) -> None:
        super().__init__(given)
        self._keys: list[Identity] = []

    @classmethod
    def detect(cls, head: bytes) -> Format | None:
        """See :meth:`Cipher.detect`."""
        if head.startswith(b"age-encryption.org/"):
            return cls.formats[0]
        return cls.formats[1] if head.lstrip().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----") else None

    @classmethod
    def is_secret(cls, data: bytes) -> bool:
        """See :meth:`Cipher.is_secret`."""
        return _SECRET.search(data) is not None

    @classmethod
    def is_public(cls, text: str) -> bool:
        """See :meth:`Cipher.is_public`."""
        return _PUBLIC.match(text) is not None

    @property
    def has_keys(self) -> bool:
        """See :attr:`Cipher.has_keys`."""
        return bool(self._keys)

    def take(self, text: str, where: str) -> bool:
        """See :meth:`Cipher.take`."""
        if not _IDENTITY.search(text):
            return False
        try:
            self._keys += parse_identities(text)
        except ConfigError as error:
            raise ConfigError(IDENTITIES_STEP, f"{where}: {error.message}", hint=error.hint) from None
        return True

    def identities(self) -> list[Identity]:
        """What age files open with.

        :raises CryptoError: nothing of that kind was given.
        """
        identities = list(self._keys)
        if self.given.passphrase is not None:
            identities.append(ScryptIdentity(self.given.passphrase))
        if not identities:
            raise CryptoError(
                DECRYPT,
                "the file is an age file, and no age identity or passphrase was given",
                hint="give the secret key (AGE-SECRET-KEY-1...) of one of its recipients",
            )
        return identities

    def open(self, found: Format, tail: bytes, others: Iterable[bytes]) -> Decryptor:
        """See :meth:`Cipher.open`."""
        return Decryptor(self.identities(), armored=found.armored, others=others)

    @classmethod
    def recipients_of(cls, text: str, where: str) -> list[str]:
        """See :meth:`Cipher.recipients_of`."""
        if not text.lower().startswith("age1") or len(text.split()) != 1:
            return []
        return [_checked(text, where)]

    @classmethod
    def recipients_in(cls, data: bytes, path: str) -> list[str]:
        """See :meth:`Cipher.recipients_in`; one a line, with comments and blank lines between."""
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        return [_checked(line, path) for line in lines] if lines and could_be_recipient(lines[0]) else []

    @classmethod
    def encrypt(cls, recipients: Sequence[str], *, gnupghome: str | None, armor: bool) -> AgeEncryption:
        """See :meth:`Cipher.encrypt`."""
        to = {str(recipient): recipient for recipient in map(parse_recipient, recipients)}
        if len(to) > MAX_STANZAS:
            raise ConfigError(RECIPIENTS_STEP, f"there are {len(to)} recipients", hint=f"{MAX_STANZAS} at most")
        return AgeEncryption(list(to.values()), list(to), armor=armor)

    @classmethod
    def encrypt_with_passphrase(cls, passphrase: str, *, armor: bool) -> AgeEncryption:
        """See :meth:`Cipher.encrypt_with_passphrase`."""
        return AgeEncryption([ScryptRecipient(passphrase)], (), armor=armor)


def open_identity_file(data: bytes, path: str, passphrase: str | None) -> bytes:
    """The secret keys in an age file that is encrypted with a passphrase."""
    if passphrase is None:
        raise ConfigError(IDENTITIES_STEP, f"{path} is encrypted", hint="give its passphrase")
    decryptor = Decryptor([ScryptIdentity(passphrase)], name=f"open {path}")
    try:
        return decryptor.update(data) + decryptor.finalize()
    except BackupError as error:
        message = f"{path} cannot be opened: {error.message}"
        raise ConfigError(IDENTITIES_STEP, message, hint="is the passphrase right?") from None


def _checked(text: str, where: str) -> str:
    try:
        parse_recipient(text)
    except ConfigError as error:
        raise ConfigError(RECIPIENTS_STEP, f"{where}: {error.message}", hint=error.hint) from None
    return text


def _file_size(plain_size: int, header_size: int, *, armor: bool) -> int:
    """Bytes of an age file: header, nonce, chunks of 64 KiB with a tag each, and armor where wanted."""
    chunks = max(1, -(-plain_size // CHUNK_SIZE))
    size = header_size + NONCE_SIZE + plain_size + chunks * _TAG_BYTES
    if not armor:
        return size
    lines = -(-size // _ARMOR_LINE_BYTES)
    return _ARMOR_FRAME + 4 * -(-size // 3) + lines


def _header(head: bytes, *, armored: bool) -> Header | None:
    try:
        data = ArmorReader().update(head) if armored else head
        return HeaderParser().feed(data)
    except (HeaderError, ArmorError):
        return None
