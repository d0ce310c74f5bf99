"""Real runs of Ansible in which tasks of one module follow each other, for what a module is there."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from . import warm_playbooks
from .forks import MODULES_VARIABLE
from .playbooks import Playbooks
from .programs import LabError

Result = dict[str, Any]


def play(
    directory: Path,
    module: str,
    *tasks: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> tuple[list[Result], str]:
    """Run tasks of *module* on localhost, failed or not, with -vvv and --diff: their results, and all output.

    :param directory: where the files of the run are put.
    :param tasks: the module's options; ``check_mode`` is the task's own.
    :param variables: what templates in the options read.
    :param meanwhile: called again and again while the run lasts.
    """
    playbook, extra = (directory / name for name in ("playbook.yml", "variables.json"))
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": _steps(module, tasks)}]))
    extra.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **(variables or {})}))
    program = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(program), "-i", "localhost,", "-c", "local", "-vvv", "--diff", "-e", f"@{extra}", str(playbook)]
    environment = {**Playbooks(directory).environment, "HOME": str(directory)}
    if meanwhile is not None:
        # What is looked at are processes.
        environment[MODULES_VARIABLE] = ""
    with ThreadPoolExecutor(max_workers=1) as pool:
        run = pool.submit(warm_playbooks.run, argv, directory=directory, given=environment)
        while meanwhile is not None and not run.done():
            meanwhile()
            wait([run], 0.1)
        ended = run.result()
    text = ended.stdout + ended.stderr
    if ended.returncode != 0:
        raise LabError(text)
    # Told by the last task, which is none that starts a module.
    coded = re.findall(r'"msg": "([A-Za-z0-9+/=]+)"', ended.stdout)[-1]
    told = base64.b64decode(coded).decode()
    return json.loads(told), text.replace(coded, told)


def _steps(module: str, tasks: tuple[Mapping[str, Any], ...]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for number, options in enumerate(tasks):
        own = {name: value for name, value in options.items() if name != "check_mode"}
        step = {f"mobul.backup.{module}": own, "register": f"result{number}", "ignore_errors": True}
        steps.append({**step, "check_mode": options.get("check_mode", False)})
    together = ", ".join(f"result{number}" for number in range(len(tasks)))
    return [*steps, {"ansible.builtin.debug": {"msg": f"{{{{ [{together}] | to_json | b64encode }}}}"}}]
