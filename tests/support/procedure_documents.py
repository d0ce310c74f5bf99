"""Documents of procedures: as they are at their beginning, and as runs of the playbook have left them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jsonschema
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.checklists import ChecklistOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.document import Custody, Procedure
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.transitions import begin

from .lab import PROJECT
from .playbooks import Playbooks, Run

SCHEMA = json.loads((PROJECT / "docs" / "procedure.schema.json").read_text())
NOW = datetime(2026, 11, 26, 21, 0, tzinfo=timezone.utc)


def begun(procedure: str, state: str | None, wanted: ChecklistOptions, *, check_mode: bool = False) -> Procedure:
    """Return a document of a procedure of which no step is done yet."""
    return begin(
        procedure,
        state,
        host="shop",
        label="shop",
        environment="test",
        reference="v1.2",
        options=wanted,
        custody=Custody(user="ops", host="runner", job=None, by=None),
        check_mode=check_mode,
        now=NOW,
    )


def document(path: Path) -> dict[str, Any]:
    """What a run has left as its result, which fits the published schema."""
    told: dict[str, Any] = json.loads(path.read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    return told


def statuses(told: dict[str, Any]) -> dict[str, str]:
    """How each step of a document is, by its name."""
    return {step["name"]: step["status"] for step in told["steps"]}


def migrate(playbooks: Playbooks, inventory: Path, *arguments: str, **given: Any) -> tuple[Run, dict[str, Any]]:
    """A run of the playbook, and what it has left as its results, by host."""
    results = playbooks.directory / "results"
    results.mkdir(exist_ok=True)
    values = {"migration_id": "2026/11-add", "procedure_result_path": f"{results}/", **given}
    run = playbooks.run("mobul.backup.pre_migration", inventory, *arguments, "-e", json.dumps(values))
    found = {}
    for path in results.iterdir():
        told = document(path)
        found[told["host"]] = told
        path.unlink()
    return run, found
