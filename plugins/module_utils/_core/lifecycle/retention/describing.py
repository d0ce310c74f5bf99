"""A decision as modules return it."""

from __future__ import annotations

from typing import Any

from .planner import Decision


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Everything but the set's id, as values for playbooks."""
    return {
        "keep": decision.keep,
        "rule": decision.rule,
        "reason": decision.reason,
        "serves_as": list(decision.classes),
        "expires": None if decision.expires is None else f"{decision.expires:%Y-%m-%dT%H:%M:%SZ}",
    }
