"""What opens encrypted files: secret keys and passphrases of every format that can be read."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import BackupError, ConfigError, CryptoError, FormatError
from ..stream.files import RegularFile
from ..stream.stages import AtMost, Transform
from .age import Decryptor, Identity, ScryptIdentity, parse_identities
from .detect import Format, detect
from .gpg.home import GpgHome
from .gpg.openpgp import begins_key
from .gpg.stage import GpgDecryptor, gpg_decryptor, import_secret_key
from .legacy import envelope, openssl

STEP = "check the identities"
DECRYPT = "decrypt"
MAX_EXPANSION = 2000
"""How many times its size a file may have inside by default: gzip makes a thousandth of what is always the same."""
MAX_TOC_MIB = 128
"""Of memory for a dump's table of contents by default: some 100,000 objects, with definitions as long as they like."""
_MIB = 1024 * 1024
_ALWAYS_ALLOWED = 1024 * _MIB
"""Bytes that may be inside of any file."""
_MAX_KEY_FILE_BYTES = 1024 * 1024
_AGE_SECRET = re.compile(r"^\s*AGE-SECRET-KEY-", re.IGNORECASE | re.MULTILINE)
_PGP_SECRET = "-----BEGIN PGP PRIVATE KEY BLOCK-----"  # noqa: S105 - what such a key begins with
_PUBLIC = re.compile(r"age1[0-9a-z]+\Z|-----BEGIN PGP PUBLIC KEY BLOCK-----")


@dataclass(frozen=True)
class OpensslOptions:
    """What is known of how ``openssl enc`` was called; see :func:`openssl.derivations`."""

    kdf: str | None = None
    digest: str | None = None
    iterations: int | None = None


@dataclass
class _Keys:
    """Secrets by kind; its text form shows none of them."""

    age: list[Identity]
    gpg: list[bytes]
    envelope: list[bytes]

    def __repr__(self) -> str:
        return f"<{len(self.age)} age, {len(self.gpg)} gpg, {len(self.envelope)} envelope>"


class Decryption:
    """Everything that was given to decrypt with, and what reading may cost; made by :meth:`parse`, closed by whoever
    made it.

    :ivar max_toc: bytes of memory that the table of contents of a dump may take.
    """

    def __init__(
        self,
        keys: _Keys,
        passphrase: str | None,
        gnupghome: str | None,
        candidates: Sequence[openssl.Derivation],
        max_expansion: int,
        max_toc: int,
    ) -> None:
        self.max_toc = max_toc
        self._max_expansion = max_expansion
        self._keys = keys
        self._passphrase = passphrase
        self._gnupghome = gnupghome
        self._candidates = candidates
        self._home: GpgHome | None = None
        self._running: weakref.WeakSet[GpgDecryptor] = weakref.WeakSet()

    @classmethod
    def parse(
        cls,
        identities: Sequence[str] = (),
        passphrase: str | None = None,
        gnupghome: str | None = None,
        openssl_options: OpensslOptions | None = None,
        max_expansion: int = MAX_EXPANSION,
        max_toc_size: int = MAX_TOC_MIB,
    ) -> Decryption:
        """Read what the user gave. Nothing of it is ever shown.

        :param identities: each an age identity, an OpenPGP secret key or the 64 hexadecimal digits of an envelope's
            key, as text or as the path of a file that holds it. An age file of age identities opens with the
            passphrase.
        :param passphrase: of age, gpg and openssl files, and of protected keys.
        :param gnupghome: GnuPG home with secret keys; gpg's own choice by default.
        :param max_expansion: how many times its size a file of which no manifest tells may have inside.
        :param max_toc_size: MiB of memory that the table of contents of a dump may take.
        :raises ConfigError: naming the identity by its number or path.
        """
        options = openssl_options or OpensslOptions()
        candidates = openssl.derivations(options.kdf, options.digest, options.iterations)
        keys = _Keys([], [], [])
        for number, entry in enumerate(identities, start=1):
            _read(entry, number, keys, passphrase)
        if passphrase == "":
            raise ConfigError(STEP, "the passphrase is empty")
        if max_expansion < 1:
            raise ConfigError(STEP, f"max_expansion is {max_expansion}", hint="1 or more")
        if max_toc_size < 1:
            raise ConfigError(STEP, f"max_toc_size is {max_toc_size}", hint="MiB, 1 or more")
        return cls(keys, passphrase, gnupghome, candidates, max_expansion, max_toc_size * _MIB)

    @property
    def given(self) -> bool:
        """Whether there is anything beside what gpg may find by itself."""
        return bool(self._keys.age or self._keys.gpg or self._keys.envelope) or self._passphrase is not None

    def allowance(self, size: int) -> AtMost:
        """What lets through no more than may be inside of a file of *size* bytes of which no manifest tells.

        A few bytes that expand to petabytes would else keep everybody waiting.
        """
        limit = max(_ALWAYS_ALLOWED, size * self._max_expansion)
        return AtMost(limit, f"of {size:,} bytes", hint="if there can be that much inside, raise max_expansion")

    def transform_for(self, head: bytes, tail: bytes = b"", others: Iterable[bytes] = ()) -> Transform:
        """The decrypting stage for a file.

        Plaintext that comes out may be acted on only after its ``finalize`` has returned: gpg and the envelope
        prove at their end that a file is authentic, and every format that it is whole. ``openssl enc`` proves
        nothing at all (:data:`openssl.UNAUTHENTICATED`).

        :param head: the file's first :data:`detect.HEAD_BYTES`.
        :param tail: its last :data:`envelope.TAIL_BYTES`, where they can be had.
        :param others: further headers of an age file; see :func:`age.filekey.open_header`.
        :raises FormatError: the file is not encrypted in a known way.
        :raises CryptoError: what its format needs was not given.
        """
        found = detect(head)
        if found.scheme == "age":
            return Decryptor(self.age_identities(), armored=found is Format.AGE_ARMOR, others=others)
        if found.scheme == "gpg":
            return self._gpg(found)
        if found.scheme == "openssl":
            if self._passphrase is None:
                raise CryptoError(DECRYPT, "the file was encrypted by 'openssl enc': its password is needed")
            return openssl.OpensslDecryptor(
                self._passphrase, candidates=self._candidates, base64=found is Format.OPENSSL_BASE64
            )
        if found is Format.ENVELOPE:
            return envelope.EnvelopeDecryptor(self._envelope_key(), iv=envelope.find_iv(tail))
        told = {Format.EMPTY: "it is empty", Format.UNKNOWN: "no known format"}.get(found, f"it is {found.value}")
        raise FormatError(
            DECRYPT,
            f"the file is not encrypted: {told}",
            hint="age, gpg, openssl enc and AES-256-GCM envelopes are read",
        )

    def transforms_for(self, head: bytes, tail: bytes = b"") -> list[Transform]:
        """The same for a chain of stages: empty where the file is not encrypted."""
        return [self.transform_for(head, tail)] if detect(head).scheme else []

    def close(self) -> None:
        """End what still runs and remove what was laid out privately; safe to call twice."""
        for stage in list(self._running):
            stage.close()
        if self._home is not None:
            self._home.close()

    def age_identities(self) -> list[Identity]:
        """What age files open with.

        :raises CryptoError: nothing of that kind was given.
        """
        identities: list[Identity] = list(self._keys.age)
        if self._passphrase is not None:
            identities.append(ScryptIdentity(self._passphrase))
        if not identities:
            raise CryptoError(
                DECRYPT,
                "the file is an age file, and no age identity or passphrase was given",
                hint="give the secret key (AGE-SECRET-KEY-1...) of one of its recipients",
            )
        return identities

    def _gpg(self, found: Format) -> Transform:
        if self._home is None:
            self._home = self._open_home()
        stage = gpg_decryptor(self._home, armored=found is Format.GPG_ARMOR, passphrase=self._passphrase)
        self._running.add(stage)
        return stage

    def _open_home(self) -> GpgHome:
        default = os.environ.get("GNUPGHOME") or os.path.expanduser("~/.gnupg")
        if not self._keys.gpg and (self._gnupghome is not None or os.path.isdir(default)):
            return GpgHome(self._gnupghome)
        home = GpgHome.private()
        try:
            for key in self._keys.gpg:
                import_secret_key(home, key)
        except BaseException:
            home.close()
            raise
        return home

    def _envelope_key(self) -> bytes:
        keys = list(self._keys.envelope)
        given = envelope.parse_key(self._passphrase or "")
        keys += [given] if given is not None and given not in keys else []
        if len(keys) == 1:
            return keys[0]
        raise CryptoError(
            DECRYPT,
            f"the file is an AES-256-GCM envelope: one key is needed, and {len(keys) or 'none'} were given",
            hint="give the 64 hexadecimal digits of ENCRYPTION_KEY as an identity",
        )


def _read(entry: str, number: int, keys: _Keys, passphrase: str | None) -> None:
    where = f"identity {number}"
    if _take(entry, keys, where):
        return
    path = os.path.expanduser(entry.strip())
    # Something that is no path may be a secret: only what can be one is shown.
    if "\n" in entry.strip() or "\0" in entry or not os.path.isdir(os.path.dirname(path) or "."):
        raise _unknown(where)
    if "/" not in path and not os.path.exists(path):
        raise _unknown(where)
    with RegularFile(path, step=STEP) as file:
        data = file.read_at(0, _MAX_KEY_FILE_BYTES)
    if begins_key(data) == "secret":
        keys.gpg.append(data)
        return
    if detect(data).scheme == "age":
        data = _open_identity_file(data, path, passphrase)
    if not _take(data.decode("utf-8", "replace"), keys, path):
        raise ConfigError(STEP, f"{path} holds no secret key of a known kind")


def _take(text: str, keys: _Keys, where: str) -> bool:
    """Put the secrets in *text* where they belong; False when there are none."""
    if _AGE_SECRET.search(text):
        try:
            keys.age += parse_identities(text)
        except ConfigError as error:
            raise ConfigError(STEP, f"{where}: {error.message}", hint=error.hint) from None
    elif _PGP_SECRET in text:
        keys.gpg.append(text.strip().encode() + b"\n")
    elif (key := envelope.parse_key(text)) is not None:
        keys.envelope.append(key)
    elif _PUBLIC.match(text.strip()):
        raise ConfigError(STEP, f"{where} is a public key, and to decrypt takes the secret one")
    else:
        return False
    return True


def _open_identity_file(data: bytes, path: str, passphrase: str | None) -> bytes:
    if passphrase is None:
        raise ConfigError(STEP, f"{path} is encrypted", hint="give its passphrase")
    decryptor = Decryptor([ScryptIdentity(passphrase)], name=f"open {path}")
    try:
        return decryptor.update(data) + decryptor.finalize()
    except BackupError as error:
        raise ConfigError(STEP, f"{path} cannot be opened: {error.message}", hint="is the passphrase right?") from None


def _unknown(where: str) -> ConfigError:
    return ConfigError(
        STEP,
        f"{where} is neither a known kind of secret key nor a file's path; it is not shown because it may be secret",
        hint="give an age identity (AGE-SECRET-KEY-1...), an armored OpenPGP secret key, 64 hex digits, or a path",
    )
