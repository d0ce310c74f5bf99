"""Modules as Ansible starts them: each in a process of its own, which a test may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from .backup_runs import die_with_parent

_DRIVER = """\
import importlib, json, sys
from ansible.module_utils import basic

basic.has_journal = False
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module(f"ansible_collections.mobul.backup.plugins.modules.{sys.argv[1]}").main()
"""


def start_module(name: str, options: Mapping[str, Any]) -> subprocess.Popen[str]:
    """A module under way; whoever starts it waits for it or kills it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call
    )
    if process.stdin is None:
        raise AssertionError("there is no pipe")
    with process.stdin as stdin:
        json.dump(dict(options), stdin)
    process.stdin = None
    return process
