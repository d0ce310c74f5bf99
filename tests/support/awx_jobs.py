"""A job of the stand-in for a controller, run as AWX does it: by ansible-runner, with what the credentials inject.

How AWX 24.6 makes the inputs of a run is in its ``awx/main/models/credential`` and ``awx/main/tasks/jobs.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible_runner
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .awx_api import Controller
from .awx_rules import survey_errors


class Unsafe(str):
    """A text that Ansible takes for no template."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML in which all answers of a survey are marked unsafe, as AWX does."""


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


class Jobs:
    """Launches the job templates of a controller, in containers that are directories.

    :param environment: what the image has in its environment.
    """

    def __init__(self, controller: Controller, directory: Path, environment: Mapping[str, str]) -> None:
        self._controller = controller
        self._directory = directory
        self._environment = environment
        self._number = 0

    def launch(self, name: str, answers: Mapping[str, Any] | None = None, limit: str = "") -> ansible_runner.Runner:
        """Run a job to its end; how it ended is the caller's to look at.

        :raises ValueError: the controller would not start it.
        """
        self._number += 1
        place = self._directory / f"job{self._number}"
        template = self._controller.named("job_templates", name)
        for part in ("env", "inventory", "project"):
            (place / part).mkdir(parents=True, mode=0o700)
        (place / "project" / template["playbook"]).write_text(
            f"---\n- name: Run the procedure\n"
            f"  ansible.builtin.import_playbook: mobul.backup.{template['playbook'].removesuffix('.yml')}\n"
        )
        script = place / "inventory" / "hosts"
        script.write_text(f"#!{sys.executable}\nprint({self._inventory(template['inventory'])!r})\n")
        script.chmod(0o700)
        (place / "env" / "extravars").write_text(self._extra_variables(template, answers or {}))
        run = ansible_runner.run(
            private_data_dir=str(place),
            playbook=template["playbook"],
            limit=limit or None,
            cmdline="--check" if template["job_type"] == "check" else None,
            envvars={**self._environment, **self._injected(template, place / "env")},
            quiet=True,
        )
        print(run.stdout.read())
        return run

    def _inventory(self, number: int) -> str:
        """The JSON that the inventory script of AWX prints."""
        hosts = [one for one in self._controller.listed("hosts") if one["inventory"] == number]
        groups = [one for one in self._controller.listed("groups") if one["inventory"] == number]
        told: dict[str, Any] = {
            "_meta": {"hostvars": {one["name"]: json.loads(one["variables"] or "{}") for one in hosts}}
        }
        names = {one["id"]: one["name"] for one in hosts}
        for group in groups:
            members = self._controller.associations["groups", group["id"], "hosts"]
            told[group["name"]] = {"hosts": [names[member] for member in members]}
        return json.dumps(told)

    def _extra_variables(self, template: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
        """The survey's defaults, also the empty ones, and over them the answers."""
        spec = self._controller.surveys.get(template["id"], {})
        asked = {one["variable"]: one["default"] for one in spec.get("spec", [])}
        if unknown := set(answers) - set(asked):
            raise ValueError(f"{unknown} is not asked for")
        # Somebody answers in a form, which the defaults have filled in.
        given = {**asked, **answers}
        if errors := list(survey_errors(spec, given)):
            raise ValueError(errors[0])
        meta = {f"{prefix}_{name}": 1 for prefix in ("awx", "tower") for name in ("job_id", "job_template_id")}
        text: str = yaml.dump(
            {**meta, **{name: Unsafe(value) if isinstance(value, str) else value for name, value in given.items()}},
            Dumper=_Dumper,
        )
        return text

    def _injected(self, template: Mapping[str, Any], directory: Path) -> dict[str, str]:
        """The environment and the files that the credentials give a job."""
        found: dict[str, str] = {}
        environment = ImmutableSandboxedEnvironment()
        for number in self._controller.associations["job_templates", template["id"], "credentials"]:
            credential = self._controller.tables["credentials"][number]
            kind = self._controller.tables["credential_types"][credential["credential_type"]]
            values: dict[str, Any] = {name: value for name, value in credential["inputs"].items() if value}
            values["tower"] = SimpleNamespace(filename=SimpleNamespace())
            for label, text in kind["injectors"].get("file", {}).items():
                path = directory / f"tmp{number}{label.partition('.')[2]}"
                path.touch(mode=0o600)
                path.write_text(environment.from_string(text).render(values))
                setattr(values["tower"].filename, label.partition(".")[2], str(path))
            for variable, text in kind["injectors"].get("env", {}).items():
                found[variable] = environment.from_string(text).render(values)
        return found
