"""Throw-away OpenPGP keys in GnuPG homes of their own, made by the real gpg."""

from __future__ import annotations

import atexit
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import workspace

PASSPHRASE = "a passphrase of the key"


class GnupgHome:
    """A GnuPG home; :meth:`close` ends its agent."""

    def __init__(self) -> None:
        self.path = workspace.new_directory("gpg")
        self.path.chmod(0o700)
        # Otherwise each use of a passphrase costs what the machine can do in a noticeable time.
        (self.path / "gpg-agent.conf").write_text("s2k-count 65536\n")

        atexit.register(self.close)

    def __str__(self) -> str:
        return str(self.path)

    def run(self, *arguments: str | Path, stdin: bytes = b"", passphrase: str = "") -> bytes:
        """Run gpg, which must succeed, and return its standard output."""
        argv = ["gpg", "--homedir", str(self.path), "--batch", "--no-tty", "--pinentry-mode", "loopback"]
        argv += ["--passphrase", passphrase, "--quiet", *map(str, arguments)]
        done = subprocess.run(argv, input=stdin, capture_output=True)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    def close(self) -> None:
        """End what gpg has started for this home."""
        subprocess.run(["gpgconf", "--homedir", str(self.path), "--kill", "all"], capture_output=True)


@dataclass(frozen=True)
class Key:
    """One key pair in a home: a primary key that signs, and a subkey that is encrypted to."""

    home: GnupgHome
    fingerprint: str
    key_id: str

    def public(self, *, armor: bool = True) -> bytes:
        """Return the exported public key as bytes."""
        return self.home.run(*(["--armor"] if armor else []), "--export", self.fingerprint)

    def secret(self, *, armor: bool = True, passphrase: str = "") -> bytes:
        """Return the exported secret key as bytes."""
        options = ["--armor"] if armor else []
        return self.home.run(*options, "--export-secret-keys", self.fingerprint, passphrase=passphrase)


@dataclass(frozen=True)
class Keys:
    """Two ordinary keys in one home, one protected by a passphrase in another, and an empty home."""

    home: GnupgHome
    ops: Key
    escrow: Key
    protected: Key
    empty: GnupgHome


def make_key(
    home: GnupgHome, address: str, *, passphrase: str = "", expire: str = "never", encrypts: bool = True
) -> Key:
    """Make a new key on Curve25519 and return it."""
    home.run("--quick-gen-key", f"Throw Away <{address}>", "ed25519", "cert", expire, passphrase=passphrase)
    listing = home.run("--with-colons", "--list-keys", f"<{address}>").decode().splitlines()
    fingerprint = [line.split(":")[9] for line in listing if line.startswith("fpr:")][-1]
    if encrypts:
        home.run("--quick-add-key", fingerprint, "cv25519", "encr", expire, passphrase=passphrase)
    listing = home.run("--with-colons", "--list-keys", fingerprint).decode().splitlines()
    key_ids = [line.split(":")[4] for line in listing if line.startswith("sub:")]
    return Key(home, fingerprint, key_ids[0] if key_ids else "")


def processes_with(text: str) -> list[int]:
    """The processes, other than this one, that have *text* in their command line or environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            shown = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in shown:
            found.append(int(entry.name))
    return found
