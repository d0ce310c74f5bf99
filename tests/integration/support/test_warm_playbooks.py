"""A fork of a process that has imported ansible-playbook does what a process of its own does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import warm_playbooks
from support.forks import MODULES_VARIABLE
from support.playbooks import Playbooks
from support.programs import PROJECT

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - debug: msg="{{ [lookup('env', 'GIVEN'), lookup('env', 'MOBUL_LEFT'), lookup('pipe', 'pwd; umask')] }}"
    - command: echo {{ lookup('config', 'DEFAULT_FORKS') }}
    - fail: msg="as it should"
      when: lookup('env', 'GIVEN') == 'wrong'
"""


@pytest.mark.next
@pytest.mark.parametrize(("word", "status"), [("right", 0), ("wrong", 2)])
def test_a_fork_and_a_process_tell_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, status: int
) -> None:
    playbooks = Playbooks(tmp_path)
    monkeypatch.setenv("MOBUL_LEFT", "set after the run got its environment")
    inventory, path = playbooks.inventory({"here": {}}), tmp_path / "playbook.yml"
    path.write_text(PLAYBOOK)
    given = {**playbooks.environment, "GIVEN": word, "ANSIBLE_FORKS": "7"}
    assert warm_playbooks.suits(given)
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), str(path), "-i", str(inventory)]
    mask = os.umask(0o027)
    try:
        fork = warm_playbooks.run(argv, directory=tmp_path, given=given)
        process = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=given)
    finally:
        os.umask(mask)
    assert fork.returncode == process.returncode == status
    assert (fork.stdout, fork.stderr) == (process.stdout, process.stderr)
    assert "0027" in fork.stdout and str(tmp_path) in fork.stdout


@pytest.mark.parametrize("name", ["ANSIBLE_LOG_PATH", "ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH", "TZ"])
def test_what_is_settled_by_imports_needs_a_process(tmp_path: Path, name: str) -> None:
    environment = Playbooks(tmp_path).environment
    assert warm_playbooks.suits(environment)
    assert not warm_playbooks.suits({**environment, name: "another"})


MODULE = """
- hosts: all
  gather_facts: false
  tasks:
    - command: sh -c 'umask; pwd; echo $GIVEN; tr "\\0" " " </proc/$PPID/cmdline'
      register: seen
    - debug: msg="{{ seen.stdout_lines }}"
"""


def test_a_fork_of_a_module_is_where_a_process_of_its_own_would_be(tmp_path: Path) -> None:
    playbooks = Playbooks(tmp_path)
    path = tmp_path / "playbook.yml"
    path.write_text(MODULE)
    inventory = playbooks.inventory({"here": {}})
    mask = os.umask(0o027)
    try:
        fork = playbooks.run(path, inventory, GIVEN="as given")
        process = playbooks.run(path, inventory, GIVEN="as given", **{MODULES_VARIABLE: ""})
    finally:
        os.umask(mask)
    [of_fork, of_process] = (run.output.partition('"msg": ')[2].partition("]")[0].split(",") for run in (fork, process))
    assert of_fork[:3] == of_process[:3]
    assert "0027" in of_fork[0] and "as given" in of_fork[2]
    assert "module_server.py" in of_fork[3] and "AnsiballZ_command" in of_process[3]


FORGOTTEN = """
import importlib, sys, zipfile
from support import module_server

package = "ansible_collections.mobul.backup.plugins.module_utils._core"
parts = package.split(".")
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for number in range(len(parts)):
        archive.writestr("/".join([*parts[: number + 1], "__init__.py"]), "")
    archive.writestr("/".join([*parts, "texts.py"]), "")
module_server.import_all()
texts = sys.modules[f"{package}.texts"]
module_server.keep_what_is_packed(sys.argv[1])
assert importlib.import_module(f"{package}.texts") is texts
try:
    importlib.import_module(f"{package}.errors")
except ModuleNotFoundError:
    print("not found")
"""


def test_a_fork_of_a_module_does_not_find_what_is_not_packed_with_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "tests")}
    argv = [sys.executable, "-c", FORGOTTEN, str(tmp_path / "packed.zip")]
    result = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert result.stdout == "not found\n", result.stderr
