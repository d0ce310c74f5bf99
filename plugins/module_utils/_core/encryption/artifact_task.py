"""What encrypting and decrypting a file have in common: its options, its destination, the one pass, the result."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import progress
from ..errors import BackupError, ConfigError, CryptoError, FormatError
from ..stream.files import FileSource, RegularFile, ReplacingFileSink
from ..stream.pipeline import Pipeline
from ..stream.stages import Transform
from ..stream.transforms import Sha256
from .cipher import TAIL_BYTES, OpensslOptions
from .detect import HEAD_BYTES
from .identities import Decryption

STEP = "check the options"


@dataclass(frozen=True)
class Request:
    """What was asked for; the options as the module documents them. Its text form shows no secret."""

    src: str
    dest: str | None
    state: str
    format: str | None
    recipients: tuple[str, ...] = field(repr=False)
    identities: tuple[str, ...] = field(repr=False)
    passphrase: str | None = field(repr=False)
    gnupghome: str | None
    armor: bool
    force: bool
    mode: int
    remove_src: bool
    openssl: OpensslOptions
    max_expansion: int

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Request:
        """Make a request of the module's parameters; raise :class:`ConfigError` if they cannot be right."""
        dest = params["dest"]
        return cls(
            src=_parse_path(params["src"]),
            dest=None if dest is None else _parse_path(dest),
            state=params["state"],
            format=params["format"],
            recipients=tuple(params["recipients"] or ()),
            identities=tuple(params["identities"] or ()),
            passphrase=params["passphrase"],
            gnupghome=params["gnupghome"],
            armor=params["armor"],
            force=params["force"],
            mode=parse_mode(params["mode"]),
            remove_src=params["remove_src"],
            openssl=OpensslOptions(params["openssl_kdf"], params["openssl_md"], params["openssl_iter"]),
            max_expansion=params["max_expansion"],
        )


def parse_mode(value: object) -> int:
    """Permission bits from octal text (``"0600"``)."""
    text = str(value)
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ConfigError(STEP, f"mode {text!r} is not an octal number of permissions", hint="'0600', in quotes")
    return mode


def _parse_path(text: str) -> str:
    if not text or "\0" in text:
        raise ConfigError(STEP, f"{text!r} is not a path")
    return os.path.expanduser(text)


@dataclass(frozen=True)
class Outcome:
    """What became of dest; sizes in bytes, None for what cannot be known without doing it.

    :param scheme: how the encrypted one of the two files is encrypted.
    """

    changed: bool
    scheme: str | None
    size: int | None
    sha256: str | None
    plaintext_size: int | None


class Task:
    """One run; a context manager that ends and removes what the ciphers need."""

    step: str

    def __init__(self, request: Request, check_mode: bool) -> None:
        self.request = request
        self.check_mode = check_mode
        self.warnings: list[str] = []
        self.resources = contextlib.ExitStack()
        if request.remove_src and os.path.islink(request.src):
            raise ConfigError(STEP, f"{request.src} is a symbolic link", hint="name the file itself to have it removed")
        self.decryption = Decryption.parse(
            request.identities, request.passphrase, request.gnupghome, request.openssl, request.max_expansion
        )
        self.resources.callback(self.decryption.close)

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.resources.close()

    def run(self) -> dict[str, Any]:
        """Make the destination file, or in check mode find out whether it would change; return the result."""
        if self.request.remove_src and not os.path.lexists(self.request.src):
            return self._run_without_src()
        source = self.open(self.request.src)
        dest = self._destination()
        if os.path.realpath(dest) == os.path.realpath(self.request.src):
            raise ConfigError(STEP, f"src and dest are the same file: {dest}", hint="name another dest")
        before = self._describe(dest)
        outcome = self.bring(source, dest, exists=before is not None)
        mode_changed = not outcome.changed and self._fix_mode(dest, before)
        removed = self.request.remove_src and self._remove(source)
        return self._result(dest, before, outcome, changed=outcome.changed or mode_changed or removed)

    def bring(self, source: RegularFile, dest: str, *, exists: bool) -> Outcome:
        """Write *dest* unless it has the right contents already."""
        raise NotImplementedError

    def judge_finished(self, file: RegularFile) -> Outcome:
        """What is left of an earlier run that removed src; raise if dest is not what was wanted."""
        raise NotImplementedError

    def default_destination(self) -> str:
        """The path of the destination where the user gave none."""
        raise NotImplementedError

    def recipients(self) -> list[str]:
        """The recipients as the module returns them."""
        return []

    def open(self, path: str) -> RegularFile:
        """Open a file for reading; it is closed at the end of the task."""
        return self.resources.enter_context(RegularFile(path, step=self.step))

    def pass_through(self, source: RegularFile, stage: Transform, dest: str) -> Sha256:
        """One pass of *source* through *stage* into *dest*; what came out."""
        digest = Sha256()
        sink = ReplacingFileSink(dest, mode=self.request.mode, step=self.step)
        stages = [stage, self.decryption.allowance(source.size), digest]
        with _naming(source.path), progress.stage(self.step, source.size):
            Pipeline(FileSource(source), stages, [sink], counted=True).run()
        return digest

    def decrypted_digest(self, file: RegularFile) -> Sha256:
        """The SHA-256 of the plaintext of *file*, which is not written anywhere."""
        digest = Sha256()
        stage = self.decrypting_stage(file)
        with _naming(file.path):
            Pipeline(FileSource(file), [stage, self.decryption.allowance(file.size), digest], []).run()
        return digest

    def decrypting_stage(self, file: RegularFile) -> Transform:
        """The stage that decrypts *file*."""
        tail = file.read_at(max(0, file.size - TAIL_BYTES), TAIL_BYTES)
        with _naming(file.path):
            return self.decryption.transform_for(file.read_at(0, HEAD_BYTES), tail)

    def _run_without_src(self) -> dict[str, Any]:
        dest = self._destination()
        before = self._describe(dest)
        if before is None:
            raise ConfigError(self.step, f"there is neither {self.request.src} nor {dest}")
        return self._result(dest, before, self.judge_finished(self.open(dest)), changed=self._fix_mode(dest, before))

    def _destination(self) -> str:
        dest = self.request.dest
        if dest is None:
            return self.default_destination()
        if dest.endswith("/") or os.path.isdir(dest):
            return os.path.join(dest, os.path.basename(self.default_destination()))
        return dest

    def _describe(self, dest: str) -> dict[str, Any] | None:
        """What is at *dest*, None for nothing. All but a regular file is refused, a planted link above all."""
        try:
            status = os.lstat(dest)
        except FileNotFoundError:
            _check_directory(os.path.dirname(dest) or ".")
            return None
        except OSError as error:
            raise ConfigError(STEP, f"{dest!r} cannot be a file: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(STEP, f"{dest} is there and is not a regular file", hint="remove it, or name another")
        return {"path": dest, "size": status.st_size, "mode": _octal(stat.S_IMODE(status.st_mode))}

    def _fix_mode(self, dest: str, before: dict[str, Any] | None) -> bool:
        if before is None or before["mode"] == _octal(self.request.mode):
            return False
        if not self.check_mode:
            os.chmod(dest, self.request.mode)
        return True

    def _remove(self, source: RegularFile) -> bool:
        """Remove src, now that dest is durable. What the disk keeps of it is not overwritten."""
        if self.check_mode:
            return True
        found = os.lstat(source.path)
        if (found.st_dev, found.st_ino) != (source.status.st_dev, source.status.st_ino):
            self.warnings.append(f"{source.path} was replaced while it was read, and is not removed")
            return False
        source.check_unchanged()
        if found.st_nlink > 1:
            self.warnings.append(f"{source.path} has other names, under which its contents remain")
        try:
            os.unlink(source.path)
        except OSError as error:
            raise BackupError("remove src", f"cannot remove {source.path}: {error.strerror}") from error
        return True

    def _result(self, dest: str, before: dict[str, Any] | None, outcome: Outcome, *, changed: bool) -> dict[str, Any]:
        after = {"path": dest, "size": outcome.size, "mode": _octal(self.request.mode)}
        return {
            "changed": changed,
            "src": self.request.src,
            "dest": dest,
            "format": outcome.scheme,
            "size": outcome.size,
            "sha256": outcome.sha256,
            "plaintext_size": outcome.plaintext_size,
            "recipients": self.recipients(),
            "warnings": self.warnings,
            "diff": {"before": before or {"path": dest, "state": "absent"}, "after": after},
        }


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Put the file's path before the message of an error within the block."""
    try:
        yield
    except (CryptoError, FormatError) as error:
        error.message = f"{path}: {error.message}"
        raise


def _check_directory(directory: str) -> None:
    if not os.path.isdir(directory):
        raise ConfigError(STEP, f"the directory {directory} does not exist", hint="create it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(STEP, f"the directory {directory} is not writable")


def _octal(mode: int) -> str:
    return f"{mode:04o}"
