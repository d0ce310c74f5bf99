# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose Python is too old for the modules.

Such a Python does not get far enough to say so: it stops at syntax or at an import that it does not know, of Ansible's
own files where it is older still. So the host is asked for its version where a module has failed without a word.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._ansible import NEEDED_PYTHON

_ASK = "import sys; sys.stdout.write('python %d.%d.%d at %s' % (tuple(sys.version_info[:3]) + (sys.executable,)))"
_VERSION_LINE = re.compile(r"python ((\d+)\.(\d+)\.\d+) at (\S[^\r\n]*)")


def named(action: Any, result: dict[str, Any]) -> dict[str, Any]:
    """*result* of the module that *action* has run, or what it comes of where the host's Python is too old."""
    # A module of this collection that fails says at which step.
    if not result.get("failed") or "step" in result or action._task.async_val:
        return result
    version = _query(action)
    if version is None or (int(version[2]), int(version[3])) >= NEEDED_PYTHON:
        return result
    step, needed = "start the module", ".".join(map(str, NEEDED_PYTHON))
    problem = f"needs Python >= {needed}; this is {version[1]} at {version[4]}"
    hint = f"install Python {needed} or newer on the host, and name it as ansible_python_interpreter"
    return {"failed": True, "changed": False, "msg": f"{step}: {problem} ({hint})", "step": step, "hint": hint}


def _query(action: Any) -> re.Match[str] | None:
    """What the Python that the module was run by says of itself."""
    with contextlib.suppress(Exception):
        interpreter = (action._used_interpreter or "").lstrip("#!").strip()
        if interpreter:
            found = action._low_level_execute_command(f"{interpreter} -c {shlex.quote(_ASK)}")
            return _VERSION_LINE.search(str(found["stdout"]))
    return None
