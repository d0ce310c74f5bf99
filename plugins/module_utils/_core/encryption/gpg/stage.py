"""gpg as a stage of a pipeline.

While it decrypts, gpg hands out plaintext before it knows whether the message is authentic; only its last
status lines tell. So whoever decrypts must not act on a byte before :meth:`ending` has come to its end. Writing to a
file that becomes visible at the commit, which comes after it, is such a use.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from ...errors import BackupError, CryptoError, SourceError
from ...stream.process import ProcessFilter
from ...stream.stages import Expanding
from .home import S2K_COUNT, GpgHome, passphrase_pipe, read_status
from .openpgp import ArmorFrame, MessageFrame

ENCRYPT = "encrypt with gpg"
DECRYPT = "decrypt with gpg"
# Explicit, because gpg would otherwise ask its agent to measure the machine first.
_S2K = ("--s2k-mode", "3", "--s2k-count", str(S2K_COUNT), "--s2k-digest-algo", "SHA512", "--cipher-algo", "AES256")


class GpgFilter(Expanding):
    """One run of gpg over the stream; the program starts with the first bytes.

    :param arguments: options and command.
    :param passphrase: given to gpg through a pipe.
    :param agent: whether gpg may start its agent.
    """

    name = "gpg"

    def __init__(
        self, home: GpgHome, arguments: Sequence[str], *, step: str, passphrase: str | None = None, agent: bool = True
    ) -> None:
        self._home = home
        self._arguments = list(arguments)
        self._step = step
        self._passphrase = passphrase
        self._agent = agent
        self._filter: ProcessFilter | None = None
        self._status: IO[bytes] | None = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Pass *chunk* to gpg and yield what it has written by then."""
        try:
            yield from self._started().pieces(chunk)
        except BackupError as error:
            raise self._explained(error) from error

    def ending(self) -> Iterator[bytes]:
        """End gpg's input, yield its last output; raise unless its exit status and its status lines say success."""
        try:
            yield from self._started().ending()
            self.judge(self.status())
        except BackupError as error:
            raise self._explained(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Kill gpg if it still runs; for a stream that was cancelled."""
        if self._filter is not None:
            self._filter.close()
        if self._status is not None:
            self._status.close()

    def judge(self, status: Sequence[str]) -> None:
        """Raise :class:`CryptoError` unless the status lines of a run that exited with 0 prove success."""

    def explain(self, status: Sequence[str]) -> CryptoError | None:
        """What a failed run's status lines mean, where they tell more than gpg's own words."""
        return None

    def status(self) -> tuple[str, ...]:
        """The status lines that gpg has written so far."""
        if self._status is None or self._status.closed:
            return ()
        return read_status(self._status.fileno())

    def _started(self) -> ProcessFilter:
        if self._filter is None:
            # A file rather than a pipe: however many lines a hostile message causes, gpg never waits for a reader.
            self._status = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            descriptors = [self._status.fileno()]
            arguments = ["--status-fd", str(descriptors[0])]
            if self._passphrase is not None:
                descriptors.append(passphrase_pipe(self._passphrase))
                arguments += ["--pinentry-mode", "loopback", "--passphrase-fd", str(descriptors[1])]
            else:
                # Fail at once instead of waiting for a person at some terminal.
                arguments += ["--pinentry-mode", "error"]
            try:
                argv = self._home.argv(*arguments, *self._arguments, agent=self._agent)
                self._filter = ProcessFilter(
                    argv, environment=self._home.environment(), step=self._step, pass_fds=descriptors
                )
            finally:
                for descriptor in descriptors[1:]:
                    os.close(descriptor)
        return self._filter

    def _explained(self, error: BackupError) -> BackupError:
        if not isinstance(error, SourceError):
            return error
        return self.explain(self.status()) or CryptoError(self._step, error.message)


class GpgEncryptor(GpgFilter):
    """The stage that encrypts; made by :func:`gpg_encryptor`."""

    def judge(self, status: Sequence[str]) -> None:
        """Raise unless gpg confirmed the end of the encryption."""
        if "END_ENCRYPTION" not in status:
            raise CryptoError(self._step, "gpg ended without confirming that it encrypted everything")


class GpgDecryptor(GpgFilter):
    """Decrypts and insists on one whole message with integrity protection; see :func:`gpg_decryptor`."""

    def __init__(self, home: GpgHome, *, armored: bool, passphrase: str | None) -> None:
        # --skip-verify: a signature inside proves nothing here, and gpg would fail for want of the signer's key.
        super().__init__(home, ["--skip-verify", "--decrypt"], step=DECRYPT, passphrase=passphrase)
        self._frame: ArmorFrame | MessageFrame = ArmorFrame() if armored else MessageFrame()

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Pass *chunk* on; raise as soon as it cannot belong to one whole message."""
        self._frame.update(chunk)
        yield from super().pieces(chunk)

    def ending(self) -> Iterator[bytes]:
        """The last plaintext; raise :class:`CryptoError` unless all of it is authentic."""
        yield from super().ending()
        self._frame.finalize()

    def judge(self, status: Sequence[str]) -> None:
        """One decryption, ended well, integrity proven. GOODMDC also stands for the newer AEAD packets."""
        names = [line.split(" ", 1)[0] for line in status]
        if names.count("DECRYPTION_OKAY") == 1 and names.count("GOODMDC") == 1 and "DECRYPTION_FAILED" not in names:
            return
        if "BEGIN_DECRYPTION" not in names:
            # gpg also ends well when the file ends within the session keys.
            self._frame.finalize()
            raise CryptoError(DECRYPT, "the file is an OpenPGP message, but not an encrypted one")
        raise self.explain(status) or CryptoError(DECRYPT, "gpg did not confirm that the message is authentic")

    def explain(self, status: Sequence[str]) -> CryptoError | None:
        """Tell apart a missing key, a missing or wrong passphrase, missing protection and damage."""
        fields = _by_name(status)
        if fields.get("DECRYPTION_INFO", [[]])[0][:1] == ["0"] and not _has_aead(fields):
            return CryptoError(
                DECRYPT,
                "the message has no integrity protection (no MDC), so that nobody can tell whether it was altered",
                hint="if its origin is beyond doubt, decrypt it by hand with gpg --ignore-mdc-error",
            )
        return self._explain_key(fields) or self._explain_damage(fields)

    def _explain_key(self, fields: dict[str, list[list[str]]]) -> CryptoError | None:
        if "DECRYPTION_KEY" in fields:
            return None
        wanted = _describe_keys([line[0] for line in fields.get("ENC_TO", [])])
        if "NEED_PASSPHRASE_SYM" in fields:
            if self._passphrase is None:
                return CryptoError(DECRYPT, "the file is encrypted with a passphrase, and none was given")
            return CryptoError(DECRYPT, "the passphrase is wrong, or the file is damaged")
        missing = {line[0] for line in fields.get("NO_SECKEY", [])}
        if not wanted:
            return None
        if missing.issuperset(line[0] for line in fields["ENC_TO"]):
            return CryptoError(
                DECRYPT,
                f"no key fits: the file is encrypted to {wanted}, and none of these secret keys is in {self._home}",
                hint="give the secret key as an identity, or the GnuPG home that holds it",
            )
        if self._passphrase is None:
            return CryptoError(
                DECRYPT,
                f"the secret key for {wanted} in {self._home} could not be used",
                hint="if it is protected by a passphrase, give that",
            )
        return CryptoError(DECRYPT, f"the secret key for {wanted} could not be used: is the passphrase right?")

    def _explain_damage(self, fields: dict[str, list[list[str]]]) -> CryptoError | None:
        if "BEGIN_DECRYPTION" in fields:
            return CryptoError(DECRYPT, "the file is damaged, truncated or was altered: gpg found it not authentic")
        if "NODATA" in fields:
            return CryptoError(DECRYPT, "gpg found no encrypted message in the file")
        return None


def gpg_encryptor(home: GpgHome, fingerprints: Sequence[str], *, armor: bool = False) -> GpgEncryptor:
    """Encrypts to public keys in a private *home* (:class:`gpg_keys.Keyring`).

    What comes is compressed already or is left so: gpg's own compression costs more time than all the rest.
    """
    arguments = ["--trust-model", "always", "--compress-algo", "none", *(["--armor"] if armor else [])]
    for fingerprint in fingerprints:
        arguments += ["--recipient", fingerprint]
    return GpgEncryptor(home, [*arguments, "--encrypt"], step=ENCRYPT, agent=False)


def gpg_passphrase_encryptor(home: GpgHome, passphrase: str, *, armor: bool = False) -> GpgEncryptor:
    """Encrypts with a passphrase, in a private *home*."""
    arguments = ["--compress-algo", "none", *_S2K, *(["--armor"] if armor else []), "--symmetric"]
    return GpgEncryptor(home, arguments, step=ENCRYPT, passphrase=passphrase, agent=False)


def gpg_decryptor(home: GpgHome, *, armored: bool = False, passphrase: str | None = None) -> GpgDecryptor:
    """Decrypts with the secret keys in *home*, or with *passphrase*, which also opens protected keys."""
    return GpgDecryptor(home, armored=armored, passphrase=passphrase)


def import_secret_key(home: GpgHome, data: bytes) -> None:
    """Put a secret key into a private *home*; raise :class:`CryptoError` when it is none. Nothing of it is shown."""
    result = home.run("--pinentry-mode", "error", "--import", stdin=data)
    imported = [line.split() for line in result.status if line.startswith("IMPORT_OK ")]
    if not any(int(field[1]) & 16 for field in imported):
        raise CryptoError("check the keys", "gpg could not import the secret key that was given")


def _by_name(status: Sequence[str]) -> dict[str, list[list[str]]]:
    fields: dict[str, list[list[str]]] = {}
    for line in status:
        name, *rest = line.split(" ")
        fields.setdefault(name, []).append(rest)
    return fields


def _has_aead(fields: dict[str, list[list[str]]]) -> bool:
    info = fields["DECRYPTION_INFO"][0]
    return len(info) > 2 and info[2] != "0"


def _describe_keys(key_ids: Sequence[str]) -> str:
    titles = ["a hidden recipient" if not key_id.strip("0") else key_id for key_id in dict.fromkeys(key_ids)]
    return " and ".join(filter(None, (", ".join(titles[:-1]), *titles[-1:])))
