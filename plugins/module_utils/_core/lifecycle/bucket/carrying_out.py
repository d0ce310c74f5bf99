"""Doing what was planned, and proving that the store has kept it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ...locations.s3.errors import S3Error
from ...locations.s3.store import Store
from .declared import Declared
from .features import LIFECYCLE, OBJECT_LOCK, Feature
from .planning import Plan, Step, lifecycle_call, plan_bucket
from .reading import BucketState, read_state
from .rules import canonical, is_own

LOOKS = 10
PAUSE_SECONDS = 2.0
"""Stores may take a moment before they tell what they were told."""


def carry_out(store: Store, declared: Declared, plan: Plan) -> BucketState:
    """Do the steps of *plan*, then read everything again; return the bucket as it is.

    A store that forgets a part of a lifecycle rule makes another rule of it: without its limit of size, ours would
    archive the catalogue. Then the rules of before are brought back.

    :raises S3Error: a step failed, or the store has not kept what it took; what it did keep stays.
    """
    done: list[str] = []
    for step in plan.steps:
        try:
            _do(store, step)
        except S3Error as error:
            if done:
                error.add(f"done before: {', '.join(done)}")
            raise
        done.append(step.told)
    state, left = _look_again(store, declared, plan)
    if left:
        raise _not_kept(store, plan, state, left)
    return state


def _do(store: Store, step: Step) -> None:
    try:
        if step.feature is None:
            store.call("make the bucket", step.operation, **_placed(store, dict(step.parameters)))
        else:
            step.feature.write(store, step.operation, **step.parameters)
    except S3Error as error:
        if hint := _hint(step, error):
            error.hint = hint
            error.args = (error.step, error.message, hint)
        raise


def _hint(step: Step, error: S3Error) -> str | None:
    """What to do next, where this step knows better than the error."""
    if step.feature is None:
        found = {403: "the credentials need s3:CreateBucket", 400: "set region to where the bucket shall be"}
        return found.get(error.status)
    if step.feature is OBJECT_LOCK and not OBJECT_LOCK.unknown(error) and error.status in (400, 409):
        return (
            "a bucket is best made with Object Lock, which create: true does; a store may allow it afterwards where "
            "versioning is enabled; leave object_lock out to go without"
        )
    return None


def _placed(store: Store, parameters: dict[str, Any]) -> dict[str, Any]:
    """With the region, which AWS wants to be told everywhere but in its first one."""
    region = store.settings.region
    if region and region != "us-east-1":
        parameters["CreateBucketConfiguration"] = {"LocationConstraint": region}
    return parameters


def _look_again(store: Store, declared: Declared, plan: Plan) -> tuple[BucketState, list[Feature]]:
    """The bucket as the store tells it now, and the settings that are not what they should be."""
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE_SECONDS)
        state = read_state(store, declared)
        left = [step.feature for step in plan.steps if step.feature]
        if state.exists:
            left = [step.feature for step in plan_bucket(declared, state).steps if step.feature]
            if _others(plan.after) != _others(state):
                left.append(LIFECYCLE)
        if not left or (LIFECYCLE in left and _is_something_else(plan, state)):
            break
    return state, left


def _is_something_else(plan: Plan, state: BucketState) -> bool:
    """Whether the lifecycle rules are neither those that were set nor still those of before."""
    return _rules(state) not in (_rules(plan.before), _rules(plan.after))


def _rules(state: BucketState) -> list[Any]:
    return sorted((canonical(rule) for rule in state.rules or ()), key=repr)


def _others(state: BucketState) -> list[Any]:
    """The lifecycle rules that are not ours."""
    return _rules(replace(state, rules=tuple(rule for rule in state.rules or () if not is_own(rule))))


def _not_kept(store: Store, plan: Plan, state: BucketState, left: list[Feature]) -> S3Error:
    names = ", ".join(dict.fromkeys(feature.name for feature in left))
    options = ", ".join(dict.fromkeys(feature.leave_out for feature in left))
    error = store.error(
        "read the bucket again",
        f"the store took {names} and tells something else now",
        hint=f"run again should it only be slow; otherwise it does not know what it took, and {options} leaves that "
        "as it is",
    )
    if LIFECYCLE in left and _is_something_else(plan, state):
        operation, parameters = lifecycle_call(plan.before, plan.before.rules or ())
        try:
            LIFECYCLE.write(store, operation, **parameters)
            error.add("the lifecycle rules of before were brought back")
        except S3Error as failure:
            error.add(f"the lifecycle rules of before could not be brought back: {failure}")
    return error
