"""What opens encrypted files: secret keys and passphrases of every format that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ..errors import ConfigError, FormatError
from ..stream.key_files import path_of, read_key_file
from ..stream.stages import AtMost, Transform
from .age.cipher import AgeCipher, open_identity_file
from .cipher import DECRYPT, Cipher, DecryptionOptions, OpensslOptions
from .cipher import IDENTITIES_STEP as STEP
from .ciphers import CIPHERS
from .detect import EMPTY, UNKNOWN, detect

MAX_EXPANSION = 2000
"""How many times its size a file may have inside by default: gzip makes a thousandth of what is always the same."""
MAX_TOC_MIB = 128
"""Of memory for a dump's table of contents by default: some 100,000 objects, with definitions as long as they like."""
_MIB = 1024 * 1024
_ALWAYS_ALLOWED = 1024 * _MIB
"""Bytes that may be inside of any file."""
_WANTED = (
    "an identity begins with AGE-SECRET-KEY-1, lies in the file that age-keygen wrote, or is an OpenPGP secret key"
)
AnyCipher = TypeVar("AnyCipher", bound=Cipher)


class Decryption:
    """Everything that was given to decrypt with, and what reading may cost; made by :meth:`parse`, closed by whoever
    made it.

    :ivar max_toc: bytes of memory that the table of contents of a dump may take.
    """

    def __init__(
        self, ciphers: Mapping[str, Cipher], given: DecryptionOptions, max_expansion: int, max_toc: int
    ) -> None:
        self.max_toc = max_toc
        self._max_expansion = max_expansion
        self._ciphers = ciphers
        self._given = given

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
        given = DecryptionOptions(detect, passphrase, gnupghome, openssl_options or OpensslOptions())
        ciphers = {name: cipher(given) for name, cipher in CIPHERS.items()}
        for number, entry in enumerate(identities, start=1):
            _read(entry, f"identity {number}", list(ciphers.values()), passphrase)
        if passphrase == "":
            raise ConfigError(STEP, "the passphrase is empty")
        if max_expansion < 1:
            raise ConfigError(STEP, f"max_expansion is {max_expansion}", hint="1 or more")
        if max_toc_size < 1:
            raise ConfigError(STEP, f"max_toc_size is {max_toc_size}", hint="MiB, 1 or more")
        return cls(ciphers, given, max_expansion, max_toc_size * _MIB)

    @property
    def given(self) -> bool:
        """Whether there is anything beside what gpg may find by itself."""
        return self._given.passphrase is not None or any(cipher.has_keys for cipher in self._ciphers.values())

    def cipher(self, kind: type[AnyCipher]) -> AnyCipher:
        """The cipher of this name, with the keys that the user gave for it."""
        found = self._ciphers[kind.name]
        if not isinstance(found, kind):
            raise AssertionError(f"two ciphers are called {kind.name}")
        return found

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
        nothing at all (:data:`.legacy.openssl.UNAUTHENTICATED`).

        :param head: the file's first :data:`detect.HEAD_BYTES`.
        :param tail: its last :data:`.cipher.TAIL_BYTES`, where they can be had.
        :param others: further headers of an age file; see :func:`age.filekey.open_header`.
        :raises FormatError: the file is not encrypted in a known way.
        :raises CryptoError: what its format needs was not given.
        """
        found = detect(head)
        if found.scheme is None:
            reason = {EMPTY: "it is empty", UNKNOWN: "no known format"}.get(found, f"it is {found.title}")
            raise FormatError(
                DECRYPT,
                f"the file is not encrypted: {reason}",
                hint=f"these are read: {', '.join(cipher.formats[0].title for cipher in CIPHERS.values())}",
            )
        return self._ciphers[found.scheme].open(found, tail, others)

    def transforms_for(self, head: bytes, tail: bytes = b"") -> list[Transform]:
        """The same for a chain of stages: empty where the file is not encrypted."""
        return [self.transform_for(head, tail)] if detect(head).scheme else []

    def close(self) -> None:
        """End what still runs and remove what was laid out privately; safe to call twice."""
        for cipher in self._ciphers.values():
            cipher.close()


def _read(entry: str, where: str, ciphers: Sequence[Cipher], passphrase: str | None) -> None:
    if any(cipher.take(entry, where) for cipher in ciphers):
        return
    if any(cipher.is_public(entry.strip()) for cipher in ciphers):
        raise _public(where)
    path = path_of(entry)
    if path is None:
        raise _unknown(where)
    data = read_key_file(path, STEP, where)
    if AgeCipher.detect(data):
        data = open_identity_file(data, path, passphrase)
    if any(cipher.take_file(data, path) for cipher in ciphers):
        return
    if any(cipher.is_public(data.decode("utf-8", "replace").strip()) for cipher in ciphers):
        raise _public(path)
    raise ConfigError(STEP, f"{path} holds no secret key of a known kind", hint=_WANTED)


def _public(where: str) -> ConfigError:
    return ConfigError(STEP, f"{where} is a public key, and to decrypt takes the secret one", hint=_WANTED)


def _unknown(where: str) -> ConfigError:
    return ConfigError(
        STEP,
        f"{where} is neither a known kind of secret key nor the path of a file that is there; it is not shown because "
        "it may be secret",
        hint="give an age identity (AGE-SECRET-KEY-1...), an armored OpenPGP secret key, 64 hex digits, or a path",
    )
