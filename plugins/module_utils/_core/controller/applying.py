"""A plan is carried out: each object is whole before the next is begun, so that a run that is cut off can go on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .changes import Change, left_line, removed_line
from .client import Client, ControllerError, Record
from .desired import DesiredObject
from .state import State

_STEP = "bring the controller to its state"
_UNDER_WAY = ("never updated", "new", "pending", "waiting", "running")
_LOOK_SECONDS = 2.0
_KEEPS_ITS_INPUTS = (
    "a type that credentials have keeps its inputs: rename it there, and run it again, which makes another"
)
_NEED_PLAYBOOKS = ("inventory_sources", "job_templates")


def apply(changes: Sequence[Change], state: State, client: Client, project_timeout: float) -> Iterator[str]:
    """Make and change what is planned; yields what was done, a line each, when it is.

    :param project_timeout: seconds in which a project must have its playbooks.
    :raises ControllerError: the controller refuses one.
    """
    fetched = False
    for change in changes:
        if change.wanted.kind in _NEED_PLAYBOOKS and not fetched:
            _wait_for_projects(state, client, project_timeout)
            fetched = True
        try:
            state.found[change.wanted.key] = _object(change, state, client)
            _rest(change, state, client)
        except ControllerError as error:
            if change.wanted.kind == "credential_types" and change.record and "inputs" in change.fields:
                error.explain(error.message, _KEEPS_ITS_INPUTS)
            if error.hint is None:
                error.explain(error.message, "correct it, and run it again")
            raise
        yield change.line


def _object(change: Change, state: State, client: Client) -> Record:
    """Create or change the object and return it as the controller answers."""
    one, record = change.wanted, change.record
    body = {**change.fields, **{name: state.id_of(key) for name, key in change.references.items()}}
    if record is None:
        identity = "identifier" if one.kind == "workflow_job_template_nodes" else "name"
        # A reference to nothing is the default.
        given = {name: value for name, value in body.items() if name not in change.references or value is not None}
        made: Record = _sent(client, "POST", f"{one.kind}/", {identity: one.name, **given}, one)
        return made
    if not body:
        return record
    for step in _steps(one, body):
        record = _sent(client, "PATCH", f"{one.kind}/{record['id']}/", step, one)
    return record


def _steps(one: DesiredObject, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The requests of a change, by their bodies.

    What an instance group may have depends on whether it is a container group: a controller looks for that in the
    request itself, and for what an ordinary one has at what there was before.
    """
    if one.kind != "instance_groups":
        return [body]
    kind = {"is_container_group": one.fields["is_container_group"]}
    ordinary_now = body.get("is_container_group") is False
    return [kind, body] if ordinary_now else [{**body, **kind}]


def _rest(change: Change, state: State, client: Client) -> None:
    """Set what belongs to an object: links, survey, approval."""
    one = change.wanted
    path = f"{one.kind}/{state.found[one.key]['id']}"
    if change.survey:
        _sent(client, "POST", f"{path}/survey_spec/", one.survey, one)
    if change.approval:
        _approval(change, path, client)
    for part, keys in change.links.items():
        ids = [state.id_of(key) for key in keys]
        there = state.links(one, part) if change.record is not None else []
        # The order counts, or a place must be free first: what goes, goes before the rest comes.
        keeps = part != "instance_groups"
        for number in there:
            if not (keeps and number in ids):
                _sent(client, "POST", f"{path}/{part}/", {"id": number, "disassociate": True}, one)
        for wanted in ids:
            if not (keeps and wanted in there):
                _sent(client, "POST", f"{path}/{part}/", {"id": wanted}, one)


def _approval(change: Change, path: str, client: Client) -> None:
    one, record = change.wanted, change.record
    there = (record or {}).get("summary_fields", {}).get("unified_job_template") or {}
    if record is not None and there.get("unified_job_type") == "workflow_approval":
        _sent(client, "PATCH", f"workflow_approval_templates/{record['unified_job_template']}/", one.approval, one)
    else:
        _sent(client, "POST", f"{path}/create_approval_template/", one.approval, one)


def _sent(client: Client, method: str, path: str, body: Mapping[str, Any], one: DesiredObject) -> Any:
    try:
        return client.request(method, path, body)
    except ControllerError as error:
        if error.step != _STEP:
            raise ControllerError(_STEP, f"{one.title}: {error.message}", hint=error.hint) from error
        raise


def _wait_for_projects(state: State, client: Client, seconds: float) -> None:
    end = time.monotonic() + seconds
    for key, record in state.found.items():
        if not key.startswith("projects:") or not record.get("scm_type"):
            continue
        status = record["status"]
        while status in _UNDER_WAY and time.monotonic() < end:
            status = client.request("GET", f"projects/{record['id']}/")["status"]
            if status in _UNDER_WAY:
                time.sleep(_LOOK_SECONDS)
        if status not in ("successful", "ok"):
            raise ControllerError(
                "bring the project to the controller",
                f"{record['name']} is {status}",
                hint="look at its last job there, and check scm_url, scm_branch and credential of awx_project",
            )


def remove(leftovers: Sequence[tuple[str, Record]], client: Client) -> Iterator[str]:
    """Remove what is not wanted any more; yields what was done. What went with something else is gone by then.

    :raises ControllerError: the controller keeps one.
    """
    for leftover in leftovers:
        try:
            client.request("DELETE", leftover[1]["url"])
        except ControllerError as error:
            kept = f"{left_line(*leftover)}: {error.message}"
            hint = error.hint or "a job may be running with it: wait, and run it again"
            raise ControllerError("remove what is not wanted any more", kept, hint=hint) from error
        yield removed_line(leftover)
