"""Object Lock: what a bucket says of it, what keeps one object, and legal holds.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html. A legal hold is of one version of an object;
here that is always the newest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..base import LegalHoldDenied, LockState
from .errors import DENIED_CODES, S3Error
from .settings import ObjectLock
from .store import Store

_DAYS_OF_A_YEAR = 365
_UPLOADED_WITHIN = timedelta(days=1)
"""A lock begins when its object's upload does, which may be hours before its end."""
_LONGER = timedelta(hours=1)
"""What a lock may last longer than was asked for before that is told: clocks differ."""
_NONE_HERE = (
    "ObjectLockConfigurationNotFoundError",
    "NoSuchObjectLockConfiguration",
    "NoSuchObjectLegalHold",  # SeaweedFS
    "NoSuchObjectRetention",
)
_UNKNOWN_CALL = ("NotImplemented", "XNotImplemented", "MethodNotAllowed", "UnsupportedOperation")
_UNKNOWN_CALL_STATUS = (405, 501)


def read_lock_state(store: Store) -> LockState:
    """What the bucket says of Object Lock, and what the location's own ``object_lock`` adds to that.

    Only a bucket that says so counts as one with Object Lock: a store that does not know the question may answer
    another one (a listing, say) and takes the bytes of a legal hold for those of the object.
    """
    own = store.settings.object_lock
    try:
        reply = store.call("look for Object Lock", "get_object_lock_configuration")
    except S3Error as error:
        if error.code in _NONE_HERE or error.code in _UNKNOWN_CALL or error.status in _UNKNOWN_CALL_STATUS:
            return LockState()
        odd = error.status in (400, 404) and error.code != "NoSuchBucket"
        if error.transient or not (odd or error.code in DENIED_CODES):
            raise
        why = error.message
        if error.code in DENIED_CODES:
            why += "; to see whether the bucket has Object Lock takes s3:GetBucketObjectLockConfiguration"
        return LockState(days=own.period.days if own else None, unknown=why)
    configuration = reply.get("ObjectLockConfiguration") or {}
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return LockState()
    # What an object is given when it is made takes the place of the bucket's default.
    return LockState(enabled=True, days=own.period.days if own else _default_days(configuration))


def _default_days(configuration: Mapping[str, Any]) -> int | None:
    default = (configuration.get("Rule") or {}).get("DefaultRetention") or {}
    if default.get("Years"):
        return int(default["Years"]) * _DAYS_OF_A_YEAR
    return int(default["Days"]) if default.get("Days") else None


def require_lock(store: Store, step: str) -> LockState:
    """Refuse an ``object_lock`` for a bucket that locks nothing: stores take the wish and forget it, or repeat it.

    Where the bucket may not be asked, :func:`confirm_lock` tells.
    """
    if store.settings.object_lock is None:
        return LockState()
    state = read_lock_state(store)
    if not state.enabled and not state.unknown:
        raise store.error(
            step,
            "object_lock is asked for, and the bucket has no Object Lock",
            hint="mobul.backup.bucket makes a bucket with it; or leave object_lock out",
        )
    return state


def confirm_lock(store: Store, step: str, key: str) -> str:
    """See to it that the store keeps the new object as ``object_lock`` asks for, if it does.

    A store that has forgotten the wish, as some do for multipart uploads, is asked once more by a request of its own.

    :return: that it keeps it for longer, as nobody can remove it until then; "" otherwise.
    :raises S3Error: it does not keep it as was asked for.
    """
    own = store.settings.object_lock
    if own is None:
        return ""
    state = require_lock(store, step)
    kept, reported = _kept(store, step, key, own)
    # Only where it is known: to a store that does not know the request it is a new object.
    if kept is None and state.enabled:
        until = datetime.now(timezone.utc) + own.period
        with contextlib.suppress(S3Error):
            store.call(step, "put_object_retention", key, Retention={"Mode": own.mode, "RetainUntilDate": until})
        kept, reported = _kept(store, step, key, own)
    if kept is None:
        raise store.error(
            step,
            f"the store locked {key!r} not as object_lock asks for: it reports {reported}",
            hint="the bucket needs Object Lock, and the credentials s3:PutObjectRetention and s3:GetObjectRetention",
        )
    if kept <= datetime.now(timezone.utc) + own.period + _LONGER:
        return ""
    return f"object_lock asks for {own.period.days} days, but the store locks it until {kept:%Y-%m-%d} UTC"


def _kept(store: Store, step: str, key: str, own: ObjectLock) -> tuple[datetime | None, str]:
    """Until when the object is kept, or None with what the store tells instead."""
    found = store.head(step, key) or {}
    mode, until = found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")
    if not isinstance(until, datetime):
        return None, "no lock"
    least = datetime.now(timezone.utc) + own.period - _UPLOADED_WITHIN
    if mode == own.mode and until >= least:
        return until, ""
    return None, f"{mode or 'no mode'} until {_utc(until)}"


def read_protection(store: Store, key: str) -> str | None:
    """See :meth:`Location.protection`."""
    found = store.head(f"look for locks on {key}", key) or {}
    reasons: list[str] = []
    if found.get("ObjectLockLegalHoldStatus") == "ON":
        reasons.append("it is under a legal hold")
    until = found.get("ObjectLockRetainUntilDate")
    if isinstance(until, datetime) and until > datetime.now(timezone.utc):
        mode = found.get("ObjectLockMode")
        reasons.append(f"Object Lock{f' ({mode})' if mode else ''} keeps it until {_utc(until)}")
    return " and ".join(reasons) or None


def _utc(time: datetime) -> str:
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def read_legal_hold(store: Store, key: str) -> bool:
    """See :meth:`Location.legal_hold`."""
    try:
        reply = store.call(f"look for a legal hold on {key}", "get_object_legal_hold", key)
    except S3Error as error:
        # So a store says that the object never had one.
        if error.code in _NONE_HERE:
            return False
        raise _translated(store, error, "s3:GetObjectLegalHold") from error
    return bool((reply.get("LegalHold") or {}).get("Status") == "ON")


def write_legal_hold(store: Store, key: str, on: bool) -> None:
    """See :meth:`Location.set_legal_hold`."""
    step = f"{'set' if on else 'end'} the legal hold of {key}"
    try:
        store.call(step, "put_object_legal_hold", key, LegalHold={"Status": "ON" if on else "OFF"})
    except S3Error as error:
        raise _translated(store, error, "s3:PutObjectLegalHold") from error


def _translated(store: Store, error: S3Error, permission: str) -> S3Error | LegalHoldDenied:
    """*error*, or :class:`LegalHoldDenied` if it says that rights are missing."""
    if error.code not in DENIED_CODES:
        return error
    place = f"bucket '{store.settings.bucket}'"
    return LegalHoldDenied(
        store.settings.name, error.step, f"{place}: access is denied", hint=f"the credentials need {permission} there"
    )
