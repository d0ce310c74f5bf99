"""What the tests of the ciphers share: whole files through push-style stages."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.cipher import TAIL_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.detect import HEAD_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.stages import Transform


def run_through(stage: Transform, data: bytes, size: int = 100_000) -> bytes:
    """All that comes out of *stage* when *data* goes in, in pieces of *size* bytes."""
    out = [stage.update(data[start : start + size]) for start in range(0, len(data), size)]
    return b"".join([*out, stage.finalize()])


def decrypt(decryption: Decryption, data: bytes, size: int = 100_000) -> bytes:
    """Return the plain bytes of *data*."""
    return run_through(decryption.transform_for(data[:HEAD_BYTES], data[-TAIL_BYTES:]), data, size)


def run(*argv: str | Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """The standard output of a program that must end well."""
    words: Sequence[str] = [str(word) for word in argv]
    done = subprocess.run(words, input=stdin, capture_output=True, env=dict(environment) if environment else None)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout
