"""The work of the module: from its parameters to an alert, and from there to the people who want to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError, ReportedError
from ...findings import Finding
from .alert import Alert, Announcement, merge
from .findings_of_results import findings_of, read_findings
from .redaction import Redaction
from .reporting import report
from .retry_budget import STEP
from .sending import send_all


class AlertFailed(ReportedError):
    """Not every channel has taken the alert."""


def run_backup_alert(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Send the alert to all channels and return the result.

    :raises AlertFailed: a channel failed, and ``must_deliver`` does not allow that.
    """
    channels, must_deliver = params["channels"] or (), params["must_deliver"]
    alert = _alert(params, Redaction(channels, close=False))
    result = report(alert, send_all(alert, channels, check_mode), check_mode, must_deliver=must_deliver)
    failed = [one for one in result["channels"] if one["status"] == "failed"]
    if must_deliver and failed:
        reasons = "; ".join(f"{one['name']}: {one['error']}" for one in failed)
        raise AlertFailed(STEP, f"{len(failed)} of {len(result['channels'])} channels failed: {reasons}", result)
    return result


def _alert(params: Mapping[str, Any], redaction: Redaction) -> Alert:
    result = params["result"]
    announcement = _announcement(params["announcement"], redaction)
    if result is None and not params["findings"] and announcement is None:
        raise ConfigError(
            "check the options",
            "there is nothing to send",
            hint="give result (the variable that a task has registered) or findings",
        )
    found = read_findings(params["findings"] or ())
    if result is not None:
        # What is no result, or none at all, comes of a task that never ran.
        results = result if isinstance(result, list) and result else [result]
        found += findings_of([one if isinstance(one, Mapping) else {} for one in results], params["source"])
    hidden = [
        Finding(
            check=one.check, subject=redaction.hide(one.subject), status=one.status, message=redaction.hide(one.message)
        )
        for one in found
    ]
    return Alert(params["label"], params["environment"] or "", params["source"], merge(hidden), announcement)


def _announcement(given: Mapping[str, Any] | None, redaction: Redaction) -> Announcement | None:
    if not given:
        return None
    return Announcement(
        given["state"], redaction.hide(given["subject"]), tuple(map(redaction.hide, given["lines"])), given["thread"]
    )
