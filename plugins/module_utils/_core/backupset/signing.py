"""Signatures of manifests and records: Ed25519 (RFC 8032) over the stored bytes, kept as 64 raw bytes beside them.

So that ``openssl pkeyutl -verify -pubin -inkey signing.pub -rawin -in manifest.json -sigfile manifest.json.sig``
checks one without this software. Keys are what ``openssl genpkey -algorithm ed25519`` and ``openssl pkey -pubout``
write (PEM of PKCS #8 and SPKI, RFC 8410), or OpenSSH's.

What is signed says what it is: each document has its ``format``, label and id in it, and whoever reads one kind refuses
all others. So no signature of a record passes for that of a manifest, nor a hold's for a release's, even where one key
signs them all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from ..errors import ConfigError, CryptoError, missing_cryptography
from ..stream.key_files import path_of, read_key_file

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    LIBRARY_ERROR: ImportError | None = None
except ImportError as error:
    LIBRARY_ERROR = error

SIGNATURE_BYTES = 64

CHECK_STEP = "check the signature"
_SIGNING_STEP = "read the signing key"
_VERIFY_STEP = "read the verify key"
_MAX_FILE_BYTES = 64 * 1024
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|AGE-SECRET-KEY-", re.IGNORECASE)
_PUBLIC = re.compile(r"-----BEGIN [A-Z0-9 ]*PUBLIC KEY|(?:ssh|ecdsa|sk)-\S+ AAAA", re.IGNORECASE)
_SSH_PUBLIC = re.compile(r"^ssh-ed25519 [A-Za-z0-9+/=]+", re.MULTILINE)
_HOW_TO_MAKE = "`openssl genpkey -algorithm ed25519 -out signing.pem` makes one"
_HOW_TO_PUBLISH = "`openssl pkey -in signing.pem -pubout -out signing.pub` writes the public key"


class VerifyKey:
    """An Ed25519 public key that checks signatures."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self._raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the key's 32 bytes."""
        return hashlib.sha256(self._raw).hexdigest()[:16]

    def fits(self, data: bytes, signature: bytes) -> bool:
        """Whether *signature* was made over *data* with the private half of this key."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> str:
        """The key as ``openssl pkey -pubout`` writes it."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_bytes(encoding, form).decode("ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and other._raw == self._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return f"VerifyKey({self.key_id})"


class SigningKey:
    """A private key that manifests or records are signed with. Nothing but :meth:`to_pem` shows it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verify_key = VerifyKey(key.public_key())

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random Ed25519 private key."""
        require_library()
        return cls(Ed25519PrivateKey.generate())

    @property
    def key_id(self) -> str:
        """The id of the public key: the same that a verifier computes."""
        return self.verify_key.key_id

    def sign(self, data: bytes) -> bytes:
        """The signature over *data*: 64 bytes, the same every time."""
        return self._key.sign(data)

    def to_pem(self, passphrase: str | None = None) -> str:
        """The private key as PKCS #8, encrypted where a passphrase is given."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase.encode())
        return self._key.private_bytes(encoding, form, encryption).decode("ascii")

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def require_library() -> None:
    """Raise :class:`PreflightError` where the library ``cryptography`` is missing."""
    if LIBRARY_ERROR is not None:
        raise missing_cryptography("load the signature library", LIBRARY_ERROR) from LIBRARY_ERROR


def load_signing_key(text_or_path: str, passphrase: str | None = None, *, option: str = "signing_key") -> SigningKey:
    """Read an Ed25519 private key: its PEM text, or the path of a file with it.

    :param passphrase: of the key, where it has one.
    :param option: what the user gave it as.
    :raises ConfigError: it is anything else. No message repeats what was given, unless it is surely a path.
    """
    require_library()
    text = _contents(text_or_path, _SIGNING_STEP, option)
    if not _PRIVATE.search(text):
        public = _PUBLIC.search(text) is not None
        message = "this is a public key, not a private one" if public else "there is no private key in PEM form in it"
        raise ConfigError(_SIGNING_STEP, message, hint=_HOW_TO_MAKE)
    blocks = _blocks(text)
    if len(blocks) != 1:
        found = f"there are {len(blocks)} keys in it" if blocks else "there is no whole key in PEM form in it"
        raise ConfigError(_SIGNING_STEP, f"{found}; give one", hint=_HOW_TO_MAKE)
    return SigningKey(_decode_private(*blocks[0], passphrase))


def load_verify_keys(texts_or_paths: str | Sequence[str], *, option: str = "verify_key") -> tuple[VerifyKey, ...]:
    """Read Ed25519 public keys, each as PEM text or the path of a file with one or several.

    Several are needed while keys are rotated: old sets were signed with an old one.

    :param option: what the user gave them as.
    :return: at least one, unless nothing was given.
    :raises ConfigError: one is anything else. A private key given by mistake is named as such and never repeated.
    """
    given = [texts_or_paths] if isinstance(texts_or_paths, str) else texts_or_paths
    keys = [key for item in given for key in _public_keys(item, option)]
    return tuple(dict.fromkeys(keys))


def load_verify_key(text_or_path: str) -> VerifyKey:
    """Read one Ed25519 public key; see :func:`load_verify_keys`."""
    keys = load_verify_keys(text_or_path)
    if len(keys) != 1:
        raise ConfigError(_VERIFY_STEP, f"there are {len(keys)} keys in it; give one")
    return keys[0]


def sign(data: bytes, key: SigningKey) -> bytes:
    """The content of a ``.sig`` file for *data*."""
    return key.sign(data)


def verify(data: bytes, signature: bytes, keys: Iterable[VerifyKey], *, what: str = "the file") -> VerifyKey:
    """Return the key of *keys* that signed *data*; raise :class:`CryptoError` if none did.

    :param what: named in the error.
    :raises CryptoError: none of them did.
    """
    step = CHECK_STEP
    tried = list(keys)
    if len(signature) != SIGNATURE_BYTES:
        raise CryptoError(step, f"the signature of {what} is {len(signature)} bytes long, not {SIGNATURE_BYTES}")
    for key in tried:
        if key.fits(data, signature):
            return key
    known = ", ".join(key.key_id for key in tried) or "none"
    raise CryptoError(
        step,
        f"{what} was not signed with any of the verify keys ({known}), or it was changed since",
        hint="do not use it; take another copy, or give the key it was signed with where keys were rotated",
    )


def _contents(text_or_path: str, step: str, option: str) -> str:
    """The key's text. Errors name *option*: what was given may be hidden where they are shown."""
    if "-----BEGIN" in text_or_path or _PUBLIC.match(text_or_path) or _PRIVATE.match(text_or_path):
        return text_or_path
    path = path_of(text_or_path)
    if path is None:
        message = f"{option}: what was given is neither a key in PEM form nor the path of a file that is there"
        raise ConfigError(step, f"{message}; it is not shown because it may be secret")
    data = read_key_file(path, step, option)
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError(step, f"{option}: {path} is too long for a key")
    return data.decode("utf-8", "replace")


def _blocks(text: str) -> list[tuple[str, bytes]]:
    return [(match[1], _unfolded(match[0], match[1])) for match in _PEM.finditer(text)]


def _unfolded(block: str, kind: str) -> bytes:
    """The PEM block with its lines as they should be: YAML may have indented them or folded them into one."""
    begin, end = f"-----BEGIN {kind}-----", f"-----END {kind}-----"
    body = block.removeprefix(begin).removesuffix(end)
    # Only the older forms of other algorithms' keys have headers; theirs are lines.
    lines = [line.strip() for line in body.splitlines()] if ":" in body else body.split()
    return "\n".join([begin, *lines, end, ""]).encode()


def _decode_private(kind: str, pem: bytes, passphrase: str | None) -> Ed25519PrivateKey:
    secret = None if passphrase is None else passphrase.encode()
    read = serialization.load_ssh_private_key if kind.startswith("OPENSSH") else serialization.load_pem_private_key
    problem = None
    try:
        key = read(pem, password=secret)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        problem = _private_problem(kind, pem, passphrase)
    if problem is not None:
        # Raised out here and not chained: the cause's traceback would hold the key and the passphrase.
        raise ConfigError(_SIGNING_STEP, problem, hint=_HOW_TO_MAKE)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(_SIGNING_STEP, "this private key is not an Ed25519 key", hint=_HOW_TO_MAKE)
    return key


def _private_problem(kind: str, pem: bytes, passphrase: str | None) -> str:
    locked = kind.startswith("ENCRYPTED") or b"ENCRYPTED" in pem
    if passphrase is None and (locked or kind.startswith("OPENSSH")):
        return "the private key is damaged, or it has a passphrase and none was given"
    if passphrase is not None:
        return "the private key is damaged, or the passphrase does not fit (is there one?)"
    return "the private key is damaged or of a form that is not supported"


def _public_keys(text_or_path: str, option: str) -> list[VerifyKey]:
    require_library()
    text = _contents(text_or_path, _VERIFY_STEP, option)
    if _PRIVATE.search(text):
        raise ConfigError(
            _VERIFY_STEP,
            "this is a private key, not a public one; it is not shown here",
            hint=f"{_HOW_TO_PUBLISH}. Where others may have read the private key by now, replace it",
        )
    loaded = [_decode_public(pem, ssh=False) for _label, pem in _blocks(text)]
    loaded += [_decode_public(match[0].encode(), ssh=True) for match in _SSH_PUBLIC.finditer(text)]
    if not loaded:
        raise ConfigError(_VERIFY_STEP, "there is no Ed25519 public key in PEM form in it", hint=_HOW_TO_PUBLISH)
    return loaded


def _decode_public(encoded: bytes, *, ssh: bool) -> VerifyKey:
    try:
        key = serialization.load_ssh_public_key(encoded) if ssh else serialization.load_pem_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(_VERIFY_STEP, f"the public key is damaged: {error}", hint=_HOW_TO_PUBLISH) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(_VERIFY_STEP, "this public key is not an Ed25519 key", hint=_HOW_TO_MAKE)
    return VerifyKey(key)
