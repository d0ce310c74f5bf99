"""Runs of a playbook share packed modules, in which there is bytecode beside each source."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import pytest
from ansible.executor import module_common
from support import packed_modules
from support.playbooks import Playbooks


@pytest.mark.next
def test_what_a_run_has_packed_is_compiled_for_the_next_one(tmp_path: Path) -> None:
    playbooks = Playbooks(tmp_path)
    inventory = playbooks.inventory({"here": {}})
    assert playbooks.run(playbooks.task("ansible.builtin.ping", {}), inventory).status == 0
    (path,) = packed_modules.directory().glob("ansible.modules.ping-*-none")
    packed = module_common._CachedModule.load(str(path))
    names = zipfile.ZipFile(io.BytesIO(base64.b64decode(packed.zip_data))).namelist()
    sources = {name for name in names if name.endswith(".py")}
    assert sources
    assert {f"{name}c" for name in sources} <= set(names)
    before = path.stat()
    assert playbooks.run(playbooks.directory / "playbook.yml", inventory).status == 0
    assert path.stat().st_ino == before.st_ino
