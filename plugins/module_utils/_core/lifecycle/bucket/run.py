"""One bucket brought to its declared state: what the module ``bucket_policy`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BackupError
from ...locations.s3.store import Store
from .applying import apply
from .current_state import BucketState, read_state
from .declared import Declared
from .planning import Plan, plan_bucket


def run_bucket_policy(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read the bucket, plan, and carry out that plan; parameters and result as the module's documentation names them.

    :raises BackupError: something is wrong, which is found before anything is changed, unless it is the store's doing.
    """
    declared = Declared.parse(params)
    store = Store(declared.settings)
    try:
        plan = plan_bucket(declared, read_state(store, declared))
        state = plan.after
        if plan.steps and not check_mode:
            state = apply(store, declared, plan)
    except BackupError as error:
        # Whoever looked at several buckets has to know which one it was.
        error.report = {"bucket": {"name": declared.settings.bucket}}
        raise
    finally:
        store.close()
    return _result(declared, plan, state, check_mode)


def _result(declared: Declared, plan: Plan, state: BucketState, check_mode: bool) -> dict[str, Any]:
    name = declared.settings.bucket
    changes = [step.description for step in plan.steps]
    lines = [f"{'would' if check_mode else 'done:'} {change}" for change in changes] or ["is as declared"]
    header = f"s3://{name}"
    return {
        "changed": bool(changes),
        "changes": changes,
        "bucket": {"name": name, **state.shown()},
        "notes": list(plan.notes),
        "warnings": [f"bucket '{name}': {warning}" for warning in plan.warnings],
        "summary": [f"bucket '{name}': {line}" for line in (*lines, *plan.notes)],
        "diff": {
            "before_header": header,
            "after_header": header,
            "before": plan.before.shown(),
            "after": plan.after.shown(),
        },
    }
