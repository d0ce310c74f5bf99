# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run went for all of its hosts, in a few lines: the hosts with which something is wrong are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.findings import ended_badly
from ansible_collections.mobul.backup.plugins.module_utils._core.texts import visible

GOOD, FAILED, UNREACHABLE, PENDING = "good", "failed", "unreachable", "not reached"
_WORST_FIRST = (FAILED, UNREACHABLE, PENDING, GOOD)
_SHOWN = 80
"""So many characters of why; all of it was told where it failed."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of the run for one host."""

    host: str
    status: str
    why: str = ""


def failure_of(result: Mapping[str, Any]) -> str:
    """The line of what failed and was not told yet: of a host that is gone, and of what was held back; "" otherwise."""
    if result.get("unreachable"):
        return f"the host cannot be reached: {result.get('msg', '')}"
    return "" if result.get("failed") or not ended_badly(result) else str(result["msg"])


def lines_of(result: Mapping[str, Any]) -> list[str]:
    """What is said of a result, without what the line of its failure says already."""
    summary, failure = result.get("summary"), failure_of(result)
    if not isinstance(summary, list) or (failure and "verdict" in result):
        return []
    return [_without(str(line), failure) for line in summary]


def _without(line: str, failure: str) -> str:
    head, failed, why = line.partition(": failed: ")
    return f"{head}: failed" if failed and why in failure else line


def outcome_of(host: str, noted: bool, results: Sequence[Mapping[str, Any]], *, reached: bool = True) -> Outcome:
    """How it went for *host*.

    :param noted: whether it came to its end.
    :param results: what its tasks have registered.
    :param reached: whether the run came to it at all.
    """
    if noted:
        return Outcome(host, GOOD)
    if not reached:
        return Outcome(host, PENDING)
    if any(result.get("unreachable") for result in results):
        return Outcome(host, UNREACHABLE)
    bad = next((result for result in results if ended_badly(result)), {})
    return Outcome(host, FAILED, visible(str(bad.get("step") or "see above"))[:_SHOWN])


def table(title: str, outcomes: Sequence[Outcome]) -> list[str]:
    """The lines of the table; failed hosts come first."""
    named = {status: [one for one in outcomes if one.status == status] for status in _WORST_FIRST}
    lines = [f"{title}: {len(named[GOOD])} of {len(outcomes)} good"]
    bad = [one for status in _WORST_FIRST[:-1] for one in named[status]]
    width = max((len(one.host) for one in bad), default=0)
    lines += [f"{one.host:{width}}  {one.status}{f': {one.why}' if one.why else ''}" for one in bad]
    if named[GOOD]:
        lines.append("good: " + ", ".join(one.host for one in named[GOOD]))
    if bad:
        lines.append(f"to run it again for the others only: --limit {','.join(one.host for one in bad)}")
    return lines


def statistics(title: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same for programs: how many are good, and the names of the others."""
    named = {status: [one.host for one in outcomes if one.status == status] for status in _WORST_FIRST}
    others = {status.replace(" ", "_"): named[status] for status in _WORST_FIRST[:-1] if named[status]}
    return {"title": title, "hosts": len(outcomes), "good": len(named[GOOD]), **others}
