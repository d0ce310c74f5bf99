"""Gives a run of ansible-playbook the packed modules of earlier runs, in the place where it looks for its own."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: packed_once
type: aggregate
short_description: modules packed by earlier runs
description: Links the directory that MOBUL_LAB_PACKED names into the run's own.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Hears of nothing: plugins of this kind are loaded before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "packed_once"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        os.symlink(os.environ["MOBUL_LAB_PACKED"], os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
