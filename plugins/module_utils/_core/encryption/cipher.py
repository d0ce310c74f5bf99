"""What a format of encrypted files offers: to be told from others, to be opened and, where it is written, to be made.

A cipher is a subclass of :class:`Cipher` and a line of the table in :mod:`.ciphers`; one that is written too has a
subclass of :class:`Encryption` beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import ConfigError
from ..stream.stages import Transform

RECIPIENTS_STEP = "check the recipients"
IDENTITIES_STEP = "check the identities"
DECRYPT = "decrypt"
TAIL_BYTES = 1024
"""How many last bytes of a file :meth:`Cipher.open` wants, where they can be had."""
FITS_BYTES = 64 * 1024
"""How many first bytes of a file :meth:`Encryption.fits` wants."""
ONE_RECIPIENT = "there is one recipient only: if its key is lost, so is everything encrypted to it; add an offline one"
_STANZA_BYTES = 128
_SPARE_BYTES = 8192


@dataclass(frozen=True)
class Format:
    """A kind of file.

    :param title: what a person calls it.
    :param scheme: the name of the cipher that it is encrypted with; None when it is not.
    :param armored: whether it is text for the sake of channels that take nothing else.
    :param known: whether it is told from others at all.
    :param weak: whether its mark is so short that chance makes it.
    :param warning: what should be known of every such file.
    """

    title: str
    scheme: str | None = None
    armored: bool = False
    known: bool = True
    weak: bool = False
    warning: str = ""


@dataclass(frozen=True)
class OpensslOptions:
    """What is known of how ``openssl enc`` was called; see :func:`.legacy.openssl.derivations`."""

    kdf: str | None = None
    digest: str | None = None
    iterations: int | None = None


@dataclass(frozen=True)
class DecryptionOptions:
    """What a cipher decrypts with beside keys; its text form shows no secret.

    :param detect: what tells all kinds of files from each other, for a cipher whose key only shows by what comes out.
    """

    detect: Callable[[bytes], Format]
    passphrase: str | None = field(default=None, repr=False)
    gnupghome: str | None = None
    openssl: OpensslOptions = field(default_factory=OpensslOptions)


class Encryption:
    """How artifacts are encrypted: not at all, by this class itself. Closed by whoever made it.

    :cvar scheme: the cipher's name, or ``none``.
    :ivar suffix: what the artifact's name gets at its end.
    :ivar recipients: public keys (age) or fingerprints (gpg), as the manifest records them.
    :ivar warnings: what the user should know.
    """

    scheme: ClassVar[str] = "none"
    suffix = ""

    def __init__(self, recipients: Sequence[str] = (), *, warnings: Sequence[str] = (), armor: bool = False) -> None:
        self.recipients = tuple(recipients)
        self.warnings = (*warnings, *([ONE_RECIPIENT] if len(self.recipients) == 1 else []))
        self.armor = armor

    @property
    def enabled(self) -> bool:
        """Whether artifacts are encrypted."""
        return self.scheme != "none"

    def transform(self) -> Transform:
        """A new encrypting stage, for one artifact."""
        raise ConfigError(RECIPIENTS_STEP, "no recipients are given", hint="give at least one recipient")

    def transforms(self) -> list[Transform]:
        """The same for a chain of stages: empty where nothing is encrypted."""
        return [self.transform()] if self.enabled else []

    def head_size(self, beginning: bytes) -> int | None:
        """How many bytes at the beginning of a file can be proven by themselves; None where none can."""
        return None

    def size_limit(self, plain_size: int) -> int:
        """At most how many bytes *plain_size* bytes become."""
        if not self.enabled:
            return plain_size
        # A tag for each 64 KiB (age), a length for each 8 KiB on two levels (gpg).
        size = plain_size + plain_size // 2048 + _STANZA_BYTES * len(self.recipients) + _SPARE_BYTES
        return size * 4 * 65 // (3 * 64) if self.armor else size

    def fits(self, head: bytes, size: int, plain_size: int | None) -> bool:
        """Whether a file that is there already may have been made by this encryption.

        Encryption is randomised, so the bytes never tell. What tells without a key: format, for how many or which
        recipients, and the size.

        :param head: its first :data:`FITS_BYTES`.
        :param size: bytes of the whole file.
        :param plain_size: bytes of what it should hold; None if that is not known.
        """
        return False

    def close(self) -> None:
        """End what still runs and remove what was laid out privately; safe to call twice."""


class Cipher(ABC):
    """One format of encrypted files. An instance has what was given to open such files with.

    :cvar name: what options, results and manifests call it.
    :cvar formats: what :meth:`detect` tells of: the plain form and, where there is one, the armored one.
    :cvar suffixes: what the names of such files end in.
    """

    name: ClassVar[str]
    formats: ClassVar[tuple[Format, ...]]
    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, given: DecryptionOptions) -> None:
        self.given = given

    @classmethod
    @abstractmethod
    def detect(cls, head: bytes) -> Format | None:
        """Which of its :attr:`formats` a file is that begins with *head*; None where it is not of this cipher."""

    @classmethod
    def is_secret(cls, data: bytes) -> bool:
        """Whether there is a secret key of this cipher in *data*, which somebody took for a public one."""
        return False

    @classmethod
    def is_public(cls, text: str) -> bool:
        """Whether *text* is a public key of this cipher, which somebody took for a secret one."""
        return False

    @property
    def has_keys(self) -> bool:
        """Whether :meth:`take` or :meth:`take_file` has kept anything."""
        return False

    def take(self, text: str, where: str) -> bool:
        """Keep the secret keys in *text*; False when none of them is of this cipher.

        :param where: whose *text* it is, for an error, which never shows it.
        """
        return False

    def take_file(self, data: bytes, path: str) -> bool:
        """Keep the keys in the contents of an identity file; False if there are none of this cipher."""
        return self.take(data.decode("utf-8", "replace"), path)

    @abstractmethod
    def open(self, found: Format, tail: bytes, others: Iterable[bytes]) -> Transform:
        """A decrypting stage for a file of this cipher.

        :param found: what :meth:`detect` told of it.
        :param tail: its last :data:`TAIL_BYTES`, where they could be had.
        :param others: further headers of it, where it was rekeyed.
        :raises CryptoError: what it needs was not given.
        """

    def close(self) -> None:
        """End what still runs and remove what was laid out privately; safe to call twice."""

    @classmethod
    def recipients_of(cls, text: str, where: str) -> list[str]:
        """The recipients that an entry of the inventory names; none where it is not of this cipher.

        :param text: without white space around it; no secret key, and no path.
        :raises ConfigError: it is of this cipher, and nobody can encrypt to it.
        """
        return []

    @classmethod
    def recipients_in(cls, data: bytes, path: str) -> list[str]:
        """The recipients in the contents of a file of public keys; empty if there are none of this cipher."""
        return []

    @classmethod
    def encrypt(cls, recipients: Sequence[str], *, gnupghome: str | None, armor: bool) -> Encryption:
        """Encrypt to what :meth:`recipients_of` and :meth:`recipients_in` told, each of it once.

        :raises ConfigError: one of them cannot be encrypted to.
        """
        raise ConfigError(RECIPIENTS_STEP, f"{cls.name} is read and not written")

    @classmethod
    def encrypt_with_passphrase(cls, passphrase: str, *, armor: bool) -> Encryption:
        """Encrypt to a passphrase."""
        raise ConfigError(RECIPIENTS_STEP, f"{cls.name} takes no passphrase to encrypt with")
