"""What a project is to be restored to, held against what the platform has before anything is ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...durations import STEP as OPTIONS
from ...durations import parse_duration, parse_time
from ...errors import ConfigError, PreflightError
from .backups import AVAILABLE, PATH, Backups, ManagedBackup, RestorePoint, read_backups, read_points
from .client import ApiError, Client
from .project import Project, moment, read_project, require_usable
from .restore_points import check_point_name

STEP = "check what is to be restored"
_ASK = "supabase_backup_info tells what there is"


@dataclass(frozen=True)
class RestoreRequest:
    """The requested restore: exactly one of the first three fields is set.

    :param to: a moment in UTC, of whole seconds.
    :param backup_id: a daily backup's number.
    :param restore_point: its name.
    :param environment: which the inventory says that the project is; None where it does not.
    :param expect_environment: which the caller takes it for.
    :param expect_project: the project's name, as the caller knows it; None for any.
    :param wait: whether to stay until it has ended, so many seconds at most.
    """

    to: datetime | None
    backup_id: int | None
    restore_point: str | None
    environment: str | None
    expect_environment: str
    expect_project: str | None
    wait: bool
    wait_seconds: float

    @classmethod
    def parse(cls, params: Mapping[str, Any], now: datetime) -> RestoreRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        given = [name for name in ("to", "backup_id", "restore_point") if params[name] not in (None, "")]
        if len(given) != 1:
            message = " and ".join(given) + " were given" if given else "nothing says what to restore to"
            raise ConfigError(OPTIONS, message, hint="give one of to, backup_id and restore_point; nothing was changed")
        expected, environment = params["expect_environment"], params["environment"]
        if not expected:
            hint = "say which environment the project belongs to: for example expect_environment: staging"
            raise ConfigError(OPTIONS, "expect_environment is missing", hint=hint)
        if environment and environment != expected:
            message = f"the project is of environment {environment!r}, and expect_environment is {expected!r}"
            raise ConfigError(OPTIONS, message, hint="nothing was changed")
        point = params["restore_point"] or None
        return cls(
            to=_moment(params["to"], now) if "to" in given else None,
            backup_id=params["backup_id"],
            restore_point=None if point is None else check_point_name(point, "restore_point"),
            environment=environment or None,
            expect_environment=expected,
            expect_project=params["expect_project"] or None,
            wait=params["wait"],
            wait_seconds=parse_duration(params["wait_timeout"], "wait_timeout").total_seconds(),
        )


def _moment(text: str, now: datetime) -> datetime:
    if text.strip().lstrip("+-0.") == "" or text.strip().lower() == "now":
        # The platform takes 0 for now.
        hint = "give the moment to go back to, for example 2026-11-23T06:00:00Z"
        raise ConfigError(OPTIONS, f"to is {text!r}: nothing would be restored", hint=hint)
    found = parse_time(text, "to").replace(microsecond=0)
    if found >= now:
        raise ConfigError(
            OPTIONS, f"to is {moment(found)}, and it is {moment(now)}", hint="give a moment of the past, in UTC"
        )
    return found


@dataclass(frozen=True)
class Plan:
    """The request that will be sent to the platform, and its effects.

    :param path: below the project.
    :param target: the option and its value, as the module returns it.
    :param moment: of which everything will be, in UTC; None where the API does not tell.
    :param what: in words, as the subject of a sentence.
    :param lines: for a person.
    """

    project: Project
    path: str
    document: Mapping[str, object]
    target: Mapping[str, object]
    moment: str | None
    what: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def make_plan(client: Client, request: RestoreRequest, now: datetime) -> Plan:
    """Read the project and its backups, and check the request against them.

    :raises BackupError: it cannot be restored to that; nothing was changed.
    """
    project = read_project(client)
    if request.expect_project is not None and project.name != request.expect_project:
        message = (
            f"project_ref {project.ref} is project {project.name!r}, and expect_project is {request.expect_project!r}"
        )
        raise ConfigError(OPTIONS, message, hint="nothing was changed")
    require_usable(project)
    backups = read_backups(client)
    if request.to is not None:
        order = _to_moment(project, backups, request.to)
    elif request.backup_id is not None:
        order = _to_backup(project, backups, request.backup_id)
    else:
        order = _to_point(client, project, backups, str(request.restore_point))
    reached = None if order.at is None else moment(order.at)
    lines = (
        f"project {project}, environment {request.expect_environment}: {order.what}",
        f"what was written after {reached or 'that'} is lost; the project cannot be reached meanwhile",
        "the files of its storage stay as they are now",
    )
    warnings: tuple[str, ...] = ()
    if request.environment is None:
        warnings = (f"only the caller says that project {project} is of {request.expect_environment!r}",)
    return Plan(project, f"{PATH}{order.path}", order.document, order.target, reached, order.what, lines, warnings)


@dataclass(frozen=True)
class _Order:
    path: str
    document: Mapping[str, object]
    target: Mapping[str, object]
    at: datetime | None
    what: str


def _to_moment(project: Project, backups: Backups, to: datetime) -> _Order:
    if not backups.pitr_enabled:
        hint = (
            "it is an add-on of Supabase's dashboard; backup_id takes a daily backup, mobul.backup.restore one of yours"
        )
        raise PreflightError(
            STEP, f"point-in-time recovery is off in project {project}: nothing was changed", hint=hint
        )
    earliest, latest = backups.earliest, backups.latest
    if earliest is None or latest is None:
        message = f"project {project} has point-in-time recovery, and no moment to go to yet: nothing was changed"
        raise PreflightError(STEP, message, hint=_ASK)
    if not earliest <= to <= latest:
        message = f"to is {moment(to)}, and the recovery goes from {moment(earliest)} to {moment(latest)}"
        raise PreflightError(STEP, f"{message}: nothing was changed", hint="give a moment between them, in UTC")
    what = f"point-in-time recovery to {moment(to)}"
    return _Order("/restore-pitr", {"recovery_time_target_unix": int(to.timestamp())}, {"to": moment(to)}, to, what)


def _to_backup(project: Project, backups: Backups, backup_id: int) -> _Order:
    found = next((one for one in backups.backups if one.id == backup_id), None)
    if found is None:
        ids = ", ".join(str(one.id) for one in backups.newest_first[:10]) or "none"
        raise PreflightError(
            STEP, f"project {project} has no backup {backup_id}: it has {ids}; nothing was changed", hint=_ASK
        )
    _check_backup(project, found)
    what = f"daily backup {found.id} of {moment(found.inserted_at)}"
    return _Order("/restore", {"id": found.id}, {"backup_id": found.id}, found.inserted_at, what)


def _check_backup(project: Project, found: ManagedBackup) -> None:
    if not found.good:
        message = f"backup {found.id} of project {project} is {found.status}: nothing was changed"
        raise PreflightError(STEP, message, hint=f"take one that is COMPLETED: {_ASK}")
    if not found.is_physical_backup:
        message = f"backup {found.id} of project {project} is a logical one, and the API restores physical ones"
        hint = "Supabase's dashboard restores it; mobul.backup.restore restores one of your own"
        raise PreflightError(STEP, f"{message}: nothing was changed", hint=hint)


def _to_point(client: Client, project: Project, backups: Backups, name: str) -> _Order:
    try:
        found: RestorePoint | None = next(iter(read_points(client, name)), None)
    except ApiError as error:
        if error.status in (400, 402, 403) and not backups.pitr_enabled:
            error.explain(
                f"project {project} has no restore points, as point-in-time recovery is off: nothing was changed",
                "backup_id takes a daily backup, mobul.backup.restore one of yours",
            )
        raise
    if found is None:
        raise PreflightError(STEP, f"project {project} has no restore point {name!r}: nothing was changed", hint=_ASK)
    if found.status != AVAILABLE:
        message = f"restore point {name!r} of project {project} is {found.status}: nothing was changed"
        raise PreflightError(STEP, message, hint=f"{_ASK}; to goes back to any moment of point-in-time recovery")
    what = f"restore point {name!r}"
    if found.completed_on is not None:
        what += f" of {moment(found.completed_on)}"
    return _Order("/undo", {"name": name}, {"restore_point": name}, found.completed_on, what)
