"""One file into an encrypted or a decrypted one: what the module ``encrypt_artifact`` does.

Encryption is randomised, so running twice cannot simply compare. A ``dest`` that is there counts as done when

- encrypting: it is of the wanted format, for as many recipients (gpg: for exactly these keys), of the size that
  ``src`` gives, and either, where an identity or the passphrase is given, decrypts to exactly the bytes of ``src``,
  or else was written after the last change of ``src``. The latter is no proof, so ``src`` is never removed for it;
- decrypting: it has the SHA-256 of the decrypted stream, which is computed without writing anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, CryptoError, FormatError
from ..stream.files import RegularFile, check_space, file_digest
from .artifact_task import STEP, Outcome, Request, Task
from .cipher import FITS_BYTES
from .ciphers import CIPHERS
from .detect import HEAD_BYTES, detect
from .recipients import parse_encryption

_SUFFIXES = tuple(suffix for cipher in CIPHERS.values() for suffix in cipher.suffixes)


def run_encrypt_artifact(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring ``dest`` into the wanted state; parameters and result as the module's documentation names them.

    :raises BackupError: what was at ``dest`` before is as it was.
    """
    request = Request.parse(params)
    kind = _Encrypt if request.state == "encrypted" else _Decrypt
    with kind(request, check_mode) as task:
        return task.run()


class _Encrypt(Task):
    step = "encrypt the file"

    def __init__(self, request: Request, check_mode: bool) -> None:
        super().__init__(request, check_mode)
        self.encryption = parse_encryption(
            request.recipients,
            None if request.recipients else request.passphrase,
            request.gnupghome,
            scheme=request.format,
            armor=request.armor,
        )
        self.resources.callback(self.encryption.close)
        if not self.encryption.enabled:
            raise ConfigError(
                STEP, "neither recipients nor a passphrase are given", hint="give recipients or a passphrase"
            )
        self.warnings += self.encryption.warnings

    def recipients(self) -> list[str]:
        return list(self.encryption.recipients)

    def default_destination(self) -> str:
        return self.request.src + self.encryption.suffix

    def bring(self, source: RegularFile, dest: str, *, exists: bool) -> Outcome:
        found = detect(source.read_at(0, HEAD_BYTES))
        if found.scheme and not self.request.force:
            raise ConfigError(
                self.step, f"{source.path} is encrypted already ({found.title})", hint="force: true encrypts it again"
            )
        if exists and not self.request.force:
            file = self.open(dest)
            if self._was_made_from(file, source):
                return Outcome(False, self.encryption.scheme, file.size, file_digest(file), source.size)
        check_space(dest, self.encryption.size_limit(source.size), step=self.step)
        if self.check_mode:
            return Outcome(True, self.encryption.scheme, None, None, source.size)
        digest = self.pass_through(source, self.encryption.transform(), dest)
        return Outcome(True, self.encryption.scheme, digest.size, digest.hexdigest(), source.size)

    def judge_finished(self, file: RegularFile) -> Outcome:
        if not self.encryption.fits(file.read_at(0, FITS_BYTES), file.size, None):
            raise ConfigError(
                self.step,
                f"{self.request.src} does not exist, and {file.path} is not what encrypting it would have left",
            )
        return Outcome(False, self.encryption.scheme, file.size, file_digest(file), None)

    def _was_made_from(self, file: RegularFile, source: RegularFile) -> bool:
        if not self.encryption.fits(file.read_at(0, FITS_BYTES), file.size, source.size):
            return False
        if self.request.identities or self.request.passphrase is not None:
            return self._holds(file, source)
        # The change time shows what a copied or renamed src would hide behind an old modification time. Equal times
        # prove nothing: the clock of a file system stands still for some milliseconds.
        last_change = max(source.status.st_mtime_ns, source.status.st_ctime_ns)
        return not self.request.remove_src and file.status.st_mtime_ns > last_change

    def _holds(self, file: RegularFile, source: RegularFile) -> bool:
        try:
            return self.decrypted_digest(file).hexdigest() == file_digest(source)
        except (CryptoError, FormatError) as error:
            self.warnings.append(f"made anew, because what was there could not be compared: {error.message}")
            return False


class _Decrypt(Task):
    step = "decrypt the file"

    def default_destination(self) -> str:
        stem, suffix = os.path.splitext(self.request.src)
        if suffix.lower() not in _SUFFIXES:
            raise ConfigError(
                STEP, f"{self.request.src} does not end in one of {', '.join(_SUFFIXES)}", hint="name a dest"
            )
        return stem

    def bring(self, source: RegularFile, dest: str, *, exists: bool) -> Outcome:
        found = detect(source.read_at(0, HEAD_BYTES))
        scheme = found.scheme
        self.warnings += [found.warning] if found.warning else []
        compared = exists and not self.request.force
        if compared or self.check_mode:
            digest = self.decrypted_digest(source)
            same = compared and file_digest(self.open(dest)) == digest.hexdigest()
            if same or self.check_mode:
                check_space(dest, 0 if same else digest.size, step=self.step)
                return Outcome(not same, scheme, digest.size, digest.hexdigest(), digest.size)
        stage = self.decrypting_stage(source)
        # A gpg file may have been compressed; then only writing shows whether this was enough.
        check_space(dest, source.size, step=self.step)
        digest = self.pass_through(source, stage, dest)
        return Outcome(True, scheme, digest.size, digest.hexdigest(), digest.size)

    def judge_finished(self, file: RegularFile) -> Outcome:
        return Outcome(False, None, file.size, file_digest(file), file.size)
