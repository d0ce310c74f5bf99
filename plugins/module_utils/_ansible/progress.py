# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a module in a file, for the worker that waits for the module: ``plugin_utils/progress.py`` reads it.

The worker names the file in the environment of the task. Whatever goes wrong with it, the module's work goes on.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
from collections.abc import Iterator

from .._core import progress
from .._core.texts import visible

VARIABLE = "MOBUL_BACKUP_PROGRESS"
"""Names the file, in the environment of the module."""
_STEP_SECONDS = 1.0
_WORK = "at work"
"""The stage of what has no name of its own."""
_LINE_BYTES = 5120
_LONGEST = {"name": 100, "table": 100, "doing": 200}
"""Characters, each of which takes up to 12 bytes of the line."""


@contextlib.contextmanager
def written_down() -> Iterator[None]:
    """Within the block the progress is kept in the file that the environment names, if it names one."""
    # No program that is started inherits it.
    path = os.environ.pop(VARIABLE, "")
    if not path:
        yield
        return
    write = functools.partial(_write, path)
    with progress.beside(write, name="progress"), progress.followed(), progress.stage(_WORK, counting=False):
        yield


def _write(path: str, over: threading.Event) -> None:
    # Anybody may write to the folder: what is there already is somebody else's.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with contextlib.suppress(OSError):
        file = os.open(path, flags, 0o600)
        try:
            while not over.wait(_STEP_SECONDS):
                if (found := progress.snapshot()) is not None:
                    for text, longest in _LONGEST.items():
                        found[text] = visible(found[text])[:longest]
                    data = json.dumps(found).encode("ascii")
                    # One line, always at the same place: a reader sees a whole one, or one that it cannot parse.
                    os.pwrite(file, data.ljust(_LINE_BYTES) + b"\n", 0)
        finally:
            os.close(file)
            os.unlink(path)
