"""Modules as Ansible sends them, packed once for all runs of the laboratory.

For each run Ansible looks through all that a module imports and packs it, and for each task Python compiles all that it
imports: together more than what most tasks do. Here a run finds what an earlier one has packed, with Python's own
bytecode beside each source; a Python that it is not for compiles the source, as ever.
"""

from __future__ import annotations

from pathlib import Path

from . import workspace

_CALLBACKS = Path(__file__).with_name("callbacks")


def directory() -> Path:
    """The directory in which Ansible stores packed modules."""
    path = workspace.root() / "packed"
    path.mkdir(exist_ok=True)
    return path


def environment() -> dict[str, str]:
    """What makes ansible-playbook use and fill the directory of this run of the laboratory."""
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "packed_once",
        "MOBUL_LAB_PACKED": str(directory()),
    }
