"""Doing what was planned, and proving that the store has kept it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ...locations.s3.errors import S3Error
from ...locations.s3.store import Store
from ...locations.s3.trial import ACLS_BLOCKED, try_writing
from .current_state import BucketState, read_state
from .declared import Declared
from .features import LIFECYCLE, OBJECT_LOCK, PUBLIC_ACCESS, Feature
from .planning import Plan, Step, lifecycle_call, plan_bucket
from .rules import canonical, is_own

LOOKS = 10
PAUSE_SECONDS = 2.0
"""Stores may take a moment before they tell what they were told."""


def apply(store: Store, declared: Declared, plan: Plan) -> BucketState:
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
        done.append(step.description)
    state, left = _look_again(store, declared, plan)
    if left:
        raise _not_kept(store, plan, state, left)
    if any(step.feature is PUBLIC_ACCESS for step in plan.steps) and declared.block_public_access:
        _require_writes(store, plan)
    return state


def _require_writes(store: Store, plan: Plan) -> None:
    """Raise where the store takes the block that was set for a ban on every write, and take it away again.

    Ceph's gateway does that with BlockPublicAcls. Whoever sets a bucket up need not be allowed to write to it, so what
    is forbidden without the block, too, says nothing of it.
    """
    error = _refused_write(store)
    if error is None or error.hint != ACLS_BLOCKED:
        return
    try:
        _block_as(store, plan.before)
        if _refused_write(store) is not None:
            _block_as(store, plan.after)
            return
        error.add("what was set for block_public_access was taken away again")
    except S3Error as failure:
        error.add(f"what was set for block_public_access could not be taken away again: {failure}")
    raise error


def _refused_write(store: Store) -> S3Error | None:
    try:
        try_writing(store, "try to write to the bucket", f".check-{uuid4().hex}")
    except S3Error as error:
        return error
    return None


def _block_as(store: Store, state: BucketState) -> None:
    """Give the bucket the public access block that it has in *state*."""
    flags = state.public_access or {}
    if any(flags.values()):
        PUBLIC_ACCESS.write(store, "put_public_access_block", PublicAccessBlockConfiguration=dict(flags))
    else:
        PUBLIC_ACCESS.write(store, "delete_public_access_block")


def _do(store: Store, step: Step) -> None:
    try:
        if step.feature is None:
            store.call("make the bucket", step.operation, **_placed(store, dict(step.parameters)))
        else:
            step.feature.write(store, step.operation, **step.parameters)
    except S3Error as error:
        if hint := _hint(step, error):
            error.advise(hint)
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
    if step.feature is LIFECYCLE and error.status in (400, 501) and (consequence := _archiving(step)):
        return f"{consequence}; lifecycle: false leaves all rules as they are"
    return None


def _archiving(step: Step) -> str:
    """How to do without the part of our rules that the fewest stores know; "" where it is not asked for."""
    rules = step.parameters.get("LifecycleConfiguration", {}).get("Rules", ())
    if not any("Transitions" in rule for rule in rules):
        return ""
    return "archive_after_days: 0 archives nothing, for stores without archive_storage_class or limits of size"


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
    """The lifecycle rules that this collection has not made."""
    return _rules(replace(state, rules=tuple(rule for rule in state.rules or () if not is_own(rule))))


def _not_kept(store: Store, plan: Plan, state: BucketState, left: list[Feature]) -> S3Error:
    names = ", ".join(dict.fromkeys(feature.name for feature in left))
    options = ", ".join(dict.fromkeys(feature.leave_out for feature in left))
    archiving = next(
        (consequence for step in plan.steps if step.feature is LIFECYCLE and (consequence := _archiving(step))), ""
    )
    if archiving and LIFECYCLE in left:
        options = f"{archiving}; and {options}"
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
