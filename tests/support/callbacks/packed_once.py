"""Gives a run of ansible-playbook the packed modules of earlier runs, in the place where it looks for its own.

What it packs itself gets Python's bytecode beside each source; as modules share most of what they import, each source
is compiled once for all of them.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import marshal
import os
import zipfile
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: packed_once
type: aggregate
short_description: modules packed by earlier runs
description: Links the directory that MOBUL_LAB_PACKED names into the run's own, and compiles what is packed.
"""

# Of a file that is never compared with its source: PEP 552.
_HEADER = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little") + bytes(8)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Hears of nothing: plugins of this kind are loaded before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "packed_once"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        directory = Path(os.environ["MOBUL_LAB_PACKED"])
        os.symlink(directory, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
        _compile_what_is_packed(directory / "bytecode")


def _compile_what_is_packed(cache: Path) -> None:
    cache.mkdir(exist_ok=True)
    dump = module_common._CachedModule.dump

    # The one that packs a module holds its lock meanwhile, and nobody has it before it is dumped.
    def compiled(self: Any, path: str) -> None:
        archive = _with_bytecode(base64.b64decode(self.zip_data), cache)
        object.__setattr__(self, "zip_data", base64.b64encode(archive))
        dump(self, path)

    module_common._CachedModule.dump = compiled


def _with_bytecode(archive: bytes, cache: Path) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text)
            if name.endswith(".py"):
                target.writestr(f"{name}c", _bytecode(name, text, cache))
    return found.getvalue()


def _bytecode(name: str, text: bytes, cache: Path) -> bytes:
    path = cache / hashlib.sha256(name.encode() + b"\0" + text).hexdigest()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        code = _HEADER + marshal.dumps(compile(text, name, "exec", dont_inherit=True))
    # Others read it as soon as it has its name.
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(code)
    part.rename(path)
    return code
