"""Modules as Ansible sends them, packed once for all runs of the laboratory.

For each run Ansible looks through all that a module imports and packs it, and for each task Python compiles all that it
imports: together more than what most tasks do. Here a run finds what an earlier one has packed, with Python's own
bytecode beside each source; a Python that it is not for compiles the source, as ever.
"""

from __future__ import annotations

import base64
import compileall
import dataclasses
import io
import py_compile
import tempfile
import zipfile
from pathlib import Path

from ansible.executor import module_common

from . import workspace

_CALLBACKS = Path(__file__).with_name("callbacks")
_COMPILED = ".compiled"


def directory() -> Path:
    """Where Ansible puts what it has packed; a file that ends in ``.compiled`` stands for one with bytecode."""
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


def compile_new() -> None:
    """Put bytecode into what was packed since the last call."""
    for path in directory().iterdir():
        mark = path.with_name(path.name + _COMPILED)
        if path.suffix in (_COMPILED, ".lock") or path.name.endswith("-part") or mark.exists():
            continue
        with workspace.exclusive("packed"):
            if not mark.exists():
                packed = module_common._CachedModule.load(str(path))
                archive = base64.b64encode(_with_bytecode(base64.b64decode(packed.zip_data)))
                dataclasses.replace(packed, zip_data=archive).dump(str(path))
                mark.touch()


def _with_bytecode(archive: bytes) -> bytes:
    found = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as target:
        with zipfile.ZipFile(io.BytesIO(archive)) as source:
            source.extractall(directory)
        compileall.compile_dir(
            directory,
            maxlevels=20,
            stripdir=directory,
            quiet=2,
            legacy=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        for path in sorted(Path(directory).rglob("*")):
            target.write(path, path.relative_to(directory))
    return found.getvalue()
