"""The operation behind ``procedure_record``: the caller's values and a task's result in, the document out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ..backupset.signing import SigningKey, load_signing_key
from ..documents.strict_json import dumps
from ..errors import BackupError, ConfigError, FormatError
from .announcing import announcement, findings, title
from .checklists import ChecklistOptions
from .custody import custody
from .details import check_details, sealed_details
from .document import NO_GO, PROCEDURES, RECORD, Procedure
from .result_file import result_path, write_result
from .results import outcome_of
from .transitions import advance, begin, blamed, conclude, failure, finish
from .values import VALUES, check_values, reference_of, state_of

ASKED, SEALED, BEGUN, FINISHED = "asked", "sealed", "begun", "finished"

_STEP = "record the procedure"


def run_procedure_record(params: Mapping[str, Any], given: Mapping[str, object], check_mode: bool) -> dict[str, Any]:
    """Do one part of keeping the record, as the parameters of ``procedure_record`` say.

    :param given: the caller's variables as they stand, and what tells who runs it.
    :return: what the module returns.
    :raises BackupError: a value cannot be right, or the document cannot be written.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    if params["state"] == SEALED:
        values = check_values(params["procedure"], given, now)
        return {"changed": False, "attachments": sealed_details(values, params["recipients"], params["gnupghome"])}
    if params["state"] in (ASKED, BEGUN):
        return _begin(params, given, check_mode, now)
    document, path = _so_far(params["record"])
    values = params["record"].get("given") or {}
    if params["state"] == FINISHED:
        key, unsigned = _document_key(params)
        custody_line = _kept(
            path if path is None or key is None else f"{path}, signed by the key {key.key_id}", unsigned
        )
        ended = finish(document, custody_line, now)
        return _written(ended, path, check_mode, values, ended, key)
    name = params["step"] or blamed(document)
    # A failure ends the checklist: what comes of it later is no matter of the steps that follow.
    if params["step"] or failure(document) is None:
        outcome = outcome_of(params["result"] or {}, check_mode=check_mode, reused=params["reused"])
        document = advance(document, name, outcome, now)
    report = _written(document, path, check_mode, values, conclude(document, now))
    # The run's statistics have it from the beginning, and as it ended.
    del report["ansible_stats"]
    if params["step"] and (failed := failure(document)) is not None and failed.name == name:
        error = BackupError(_STEP, f"{title(document)}: {document.reason}")
        error.report = report
        raise error
    return report


def _begin(params: Mapping[str, Any], given: Mapping[str, object], check_mode: bool, now: datetime) -> dict[str, Any]:
    procedure = params["procedure"]
    if not procedure:
        raise ConfigError("check the options", "procedure is missing", hint="name it")
    values = check_values(procedure, given, now)
    if procedure not in PROCEDURES:
        return _asked(params["state"], procedure, values)
    check_details(values)
    path = result_path(values["procedure_result_path"], procedure, params["host"], params["hosts"])
    if params["must_tell"] and not params["told"]:
        hint = "name a channel, or set procedure_must_tell: false"
        raise ConfigError("check the options", "backup_alerts is empty, and procedure_must_tell is true", hint=hint)
    if params["state"] == ASKED:
        return _asked(ASKED, procedure, values)
    document = begin(
        procedure,
        state_of(procedure, values),
        host=params["host"],
        label=params["label"],
        environment=params["environment"] or None,
        reference=reference_of(procedure, values),
        options=ChecklistOptions(told=params["told"], must_tell=params["must_tell"], left_out=_left_out(params)),
        custody=custody(given),
        check_mode=check_mode,
        now=now,
    )
    return _written(document, path, check_mode, _checked_values(procedure, values), document)


def _asked(state: str, procedure: str, values: Mapping[str, str]) -> dict[str, Any]:
    if state != ASKED:
        raise ConfigError("check the options", f"{procedure} has no checklist", hint="give state: asked")
    return {"changed": False, "given": _checked_values(procedure, values)}


def _left_out(params: Mapping[str, Any]) -> dict[str, str]:
    found = {str(name): str(reason) for name, reason in (params["left_out"] or {}).items()}
    return {name: reason for name, reason in found.items() if reason}


def _so_far(record: Mapping[str, Any] | None) -> tuple[Procedure, str | None]:
    if not record or "document" not in record:
        raise ConfigError(
            "check the options", "record is missing", hint="give the variable that the task before has registered"
        )
    try:
        return Procedure.parse(dumps(record["document"])), record.get("path")
    except FormatError as error:
        raise ConfigError(_STEP, f"record has no document of a procedure: {error.message}") from None


def _checked_values(procedure: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values without texts that are to be read by nobody but those who can open the set."""
    private = {value.name for value in VALUES[procedure] if value.private}
    return {name: "" if name in private else text for name, text in values.items()}


def _document_key(params: Mapping[str, Any]) -> tuple[SigningKey | None, tuple[str, ...]]:
    """The key that signs the document, or why there is none although one was given."""
    if not params["document_key"]:
        return None, ()
    try:
        return load_signing_key(params["document_key"], params["document_key_passphrase"], option="document_key"), ()
    except BackupError as error:
        # It may be a file of the database's host.
        return None, (f"the document is not signed: {error}",)


def _kept(path: str | None, unsigned: tuple[str, ...]) -> tuple[str, ...]:
    return (*([path] if path else []), "statistics of the run: procedure_result", *unsigned)


def _written(
    document: Procedure,
    path: str | None,
    check_mode: bool,
    values: Mapping[str, str],
    announced: Procedure,
    key: SigningKey | None = None,
) -> dict[str, Any]:
    """Write the document; return what the module does.

    :param announced: the document that the announcement describes.
    :raises BackupError: it cannot be written; its report has the document, which is no go then.
    """
    if path is None or check_mode:
        return _report(document, path, False, values, announced)
    try:
        write_result(path, document, key)
    except BackupError as error:
        failed = replace(document, verdict=NO_GO, reason=str(error))
        error.report = _report(failed, path, False, values, failed)
        raise
    return _report(document, path, True, values, announced)


def _report(
    document: Procedure, path: str | None, changed: bool, values: Mapping[str, str], announced: Procedure
) -> dict[str, Any]:
    written = RECORD.write(document)
    return {
        "changed": changed,
        "document": written,
        "path": path,
        "given": dict(values),
        "verdict": document.verdict,
        "announcement": announcement(announced),
        "findings": [finding.to_dict() for finding in findings(announced)],
        "ansible_stats": {"data": {"procedure_result": {document.host: written}}, "per_host": False, "aggregate": True},
        "summary": [] if document.finished is None else _summary(document, path),
    }


def _summary(document: Procedure, path: str | None) -> list[str]:
    words = {"go": "GO", "no_go": "NO GO", "checked": "checked, nothing was done"}
    head = f"{title(document)} of {document.label}: {words[document.verdict]}"
    steps = [
        f"  {step.status:8}{step.title}{f': {step.evidence[0]}' if step.evidence else ''}" for step in document.steps
    ]
    return [
        f"{head}: {document.reason}" if document.verdict == NO_GO else head,
        *steps,
        *(f"  {line}" for line in document.differences),
        *([f"result: {path}"] if path and not document.check_mode else []),
    ]
