"""Object Lock: legal holds beside our own, what a bucket locks by itself, and stores that know none of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import run_backup_hold
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import LockState
from botocore.retries.standard import ExponentialBackoff
from support.lab import MotoServer, S3Server
from support.manifests import make_manifest
from support.s3_proxy import Reply, Request, S3Proxy, error

MANIFEST = make_manifest(artifacts=())
PLACE = MANIFEST.id.directory("shop")
SET_NAMES = ["drill.txt", "manifest.json"]
LOCK_QUERY, HOLD_QUERY = "object-lock", "legal-hold"


class Bucket:
    """A bucket with one set in it, the location that leads there through a proxy, and what its owner sees."""

    def __init__(self, server: MotoServer | S3Server, **options: Any) -> None:
        self.name = server.create_bucket(**options)
        self.client = server.client()
        self.proxy = S3Proxy(server.endpoint_url)
        self.proxy.__enter__()
        self.options = {**server.location(self.name), "endpoint_url": self.proxy.endpoint_url}
        self.location = open_location(self.options)

    def fill(self) -> Bucket:
        """Put the set there."""
        for name, data in zip(SET_NAMES, (b"one more object", MANIFEST.to_bytes()), strict=True):
            self.location.put(f"{PLACE}/{name}", data)
        return self

    def close(self) -> None:
        self.location.close()
        self.proxy.__exit__()

    def lock(self, **default: Any) -> Bucket:
        """Give it a default retention."""
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", **default}}
        configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        self.client.put_object_lock_configuration(Bucket=self.name, ObjectLockConfiguration=configuration)
        return self

    def run(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """What backup_hold does."""
        given = {"label": "shop", "backup": str(MANIFEST.id), "state": "held", "reason": "INC-1", "until": None}
        everything = {**given, "locations": [self.options], "verify_key": [], **options}
        result: dict[str, Any] = run_backup_hold(everything, check_mode)
        return result

    def names(self) -> list[str]:
        return [info.key.rpartition("/")[2] for info in self.location.list(PLACE)]

    def under_legal_hold(self) -> dict[str, bool]:
        """Name -> whether its newest version is, as the store tells its owner."""
        found: dict[str, bool] = {}
        for name in self.names():
            head = self.client.head_object(Bucket=self.name, Key=f"{PLACE}/{name}")
            found[name] = head.get("ObjectLockLegalHoldStatus") == "ON"
        return found

    def versions_under_legal_hold(self) -> list[str]:
        """The older versions that can never go by themselves."""
        found: list[str] = []
        for version in self.client.list_object_versions(Bucket=self.name).get("Versions", ()):
            one = {"Key": version["Key"], "VersionId": version["VersionId"]}
            head = self.client.head_object(Bucket=self.name, **one)
            if not version["IsLatest"] and head.get("ObjectLockLegalHoldStatus") == "ON":
                found.append(version["Key"])
        return found


Buckets = Callable[..., Bucket]


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    """Makes buckets on a server."""
    made: list[Bucket] = []

    def make(server: MotoServer | S3Server, **options: Any) -> Bucket:
        made.append(Bucket(server, **options))
        return made[-1]

    yield make
    for bucket in made:
        bucket.close()


@pytest.fixture
def locked(moto_server: MotoServer, buckets: Buckets) -> Bucket:
    """A bucket with Object Lock."""
    return buckets(moto_server, ObjectLockEnabledForBucket=True).fill()


def answer_query(bucket: Bucket, name: str, answer: Callable[..., Reply]) -> None:
    """Let the store answer requests with the query *name* (``legal-hold``, say) in another way."""

    def action(request: Request, forward: Callable[[Request], Reply]) -> Reply:
        return answer(request, forward) if name in request.query else forward(request)

    bucket.proxy.inject("*", action)


def asked(bucket: Bucket, name: str) -> bool:
    return any(name in request.query for request in bucket.proxy.requests)


def test_holding_puts_every_object_under_a_legal_hold_and_releasing_frees_all(locked: Bucket) -> None:
    result = locked.run()
    assert locked.under_legal_hold() == dict.fromkeys([*SET_NAMES, "hold.json"], True)
    assert (result["changed"], result["copies"][0]["legal_hold"], result["warnings"]) == (True, True, [])
    assert locked.run()["changed"] is False
    assert locked.run(state="released")["copies"][0]["legal_hold"] is False
    assert locked.under_legal_hold() == dict.fromkeys([*SET_NAMES, "released.json"], False)
    assert locked.run(state="released")["changed"] is False


def test_no_version_stays_locked_of_a_hold_that_was_exchanged_or_released(locked: Bucket) -> None:
    locked.run()
    assert locked.run(reason="INC-2", until="2999-01-01")["changed"] is True
    assert locked.under_legal_hold() == dict.fromkeys([*SET_NAMES, "hold.json"], True)
    assert locked.versions_under_legal_hold() == []
    locked.run(state="released")
    locked.run()
    assert locked.under_legal_hold() == dict.fromkeys([*SET_NAMES, "hold.json"], True)
    assert locked.versions_under_legal_hold() == []


def test_an_object_that_lost_its_legal_hold_gets_it_again(locked: Bucket) -> None:
    locked.run()
    key = f"{PLACE}/manifest.json"
    locked.client.put_object_legal_hold(Bucket=locked.name, Key=key, LegalHold={"Status": "OFF"})
    assert locked.run(check_mode=True)["changed"] is True
    assert locked.under_legal_hold()["manifest.json"] is False
    result = locked.run()
    assert result["summary"][1] == "s3: held, 1 object put under a legal hold"
    assert all(locked.under_legal_hold().values())


def test_a_bucket_without_object_lock_is_held_by_our_hold_alone(moto_server: MotoServer, buckets: Buckets) -> None:
    bucket = buckets(moto_server).fill()
    result = bucket.run()
    assert (result["changed"], result["copies"][0]["legal_hold"], result["warnings"]) == (True, None, [])
    assert "hold.json" in bucket.names()
    assert not asked(bucket, HOLD_QUERY)
    assert bucket.location.lock_state() == LockState()
    assert bucket.location.protection(f"{PLACE}/manifest.json") is None


def test_a_store_that_knows_none_of_it_keeps_its_bytes(s3_server: S3Server, buckets: Buckets) -> None:
    bucket = buckets(s3_server).fill()
    assert bucket.location.lock_state() == LockState()
    assert bucket.location.lock_days() is None
    assert bucket.run()["copies"][0]["legal_hold"] is None
    assert bucket.run(reason="INC-2")["changed"] is True
    assert bucket.location.get(f"{PLACE}/manifest.json") == MANIFEST.to_bytes()
    assert bucket.location.protection(f"{PLACE}/manifest.json") is None
    assert bucket.run(state="released")["changed"] is True
    assert bucket.names() == [*SET_NAMES, "released.json"]
    # It would take such a request for one that stores the object anew.
    assert not asked(bucket, HOLD_QUERY)


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "ObjectLockConfigurationNotFoundError"), (501, "NotImplemented"), (405, "MethodNotAllowed")],
)
def test_a_store_that_refuses_the_question_is_held_by_our_hold_alone(locked: Bucket, status: int, code: str) -> None:
    answer_query(locked, LOCK_QUERY, error(status, code))
    result = locked.run()
    assert (result["copies"][0]["legal_hold"], result["warnings"]) == (None, [])
    assert "hold.json" in locked.names()
    assert not any(locked.under_legal_hold().values())


def test_who_may_not_ask_for_object_lock_is_warned_and_the_set_is_held(locked: Bucket) -> None:
    answer_query(locked, LOCK_QUERY, error(403, "AccessDenied"))
    result = locked.run()
    assert result["copies"][0]["legal_hold"] is None
    assert len(result["warnings"]) == 1
    assert "s3:GetBucketObjectLockConfiguration" in result["warnings"][0]
    assert "hold.json" in locked.names()
    assert locked.location.lock_days() is None


def test_who_may_not_set_a_legal_hold_is_warned_and_the_set_is_held(locked: Bucket) -> None:
    def refuse(request: Request, forward: Callable[[Request], Reply]) -> Reply:
        return error(403, "AccessDenied")(request, forward) if request.body else forward(request)

    answer_query(locked, HOLD_QUERY, refuse)
    result = locked.run()
    assert (result["changed"], result["copies"][0]["legal_hold"]) == (True, False)
    assert "s3:PutObjectLegalHold" in result["warnings"][0]
    assert locked.run()["changed"] is False


def test_who_may_not_see_legal_holds_is_warned_and_the_set_is_held(locked: Bucket) -> None:
    answer_query(locked, HOLD_QUERY, error(403, "AccessDenied"))
    result = locked.run()
    assert result["copies"][0]["legal_hold"] is None
    assert "s3:GetObjectLegalHold" in result["warnings"][0]
    assert "hold.json" in locked.names()


def test_a_store_that_takes_offence_at_the_question_is_warned_about_and_the_set_is_held(locked: Bucket) -> None:
    answer_query(locked, LOCK_QUERY, error(400, "InvalidArgument", "what is object-lock"))
    result = locked.run()
    assert result["copies"][0]["legal_hold"] is None
    assert "what is object-lock" in result["warnings"][0]
    assert "hold.json" in locked.names()


def test_a_store_that_breaks_down_when_asked_for_object_lock_is_an_error(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    answer_query(locked, LOCK_QUERY, error(503, "SlowDown"))
    with pytest.raises(BackupError, match="look for Object Lock"):
        locked.run()
    with pytest.raises(LocationError):
        locked.location.lock_days()
    assert locked.names() == SET_NAMES


def test_a_bucket_that_is_missing_is_an_error_and_no_bucket_without_locks(locked: Bucket) -> None:
    gone = open_location({**locked.options, "bucket": "bucket-that-never-was"})
    with pytest.raises(LocationError, match="the bucket does not exist"):
        gone.lock_state()
    gone.close()


def test_why_the_store_would_not_let_an_object_go_is_told_in_words(moto_server: MotoServer, buckets: Buckets) -> None:
    bucket = buckets(moto_server, ObjectLockEnabledForBucket=True).lock(Days=30).fill()
    key = f"{PLACE}/manifest.json"
    until = datetime.now(timezone.utc) + timedelta(days=30)
    assert bucket.location.protection(key) in {
        f"Object Lock (GOVERNANCE) keeps it until {day:%Y-%m-%d %H:%M} UTC"
        for day in (until, until - timedelta(minutes=1))
    }
    bucket.location.set_legal_hold(key, True)
    told = bucket.location.protection(key)
    assert told is not None
    assert told.startswith("it is under a legal hold and Object Lock (GOVERNANCE) keeps it until ")
    assert bucket.location.protection(f"{PLACE}/nothing.json") is None


def test_a_retention_that_is_over_protects_nothing(locked: Bucket) -> None:
    key = f"{PLACE}/manifest.json"
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(timezone.utc) - timedelta(minutes=1)}
    locked.client.put_object_retention(Bucket=locked.name, Key=key, Retention=past)
    assert locked.location.protection(key) is None


@pytest.mark.parametrize(
    ("default", "own", "days"),
    [
        ({"Days": 30}, None, 30),
        ({"Years": 2}, None, 730),
        ({}, None, None),
        ({"Days": 30}, {"mode": "GOVERNANCE", "days": 90}, 90),
        ({}, {"mode": "GOVERNANCE", "days": 90}, 90),
    ],
)
def test_for_how_many_days_a_new_object_is_locked(
    moto_server: MotoServer, buckets: Buckets, default: Mapping[str, int], own: object, days: int | None
) -> None:
    bucket = buckets(moto_server, ObjectLockEnabledForBucket=True)
    if default:
        bucket.lock(**default)
    location = open_location({**bucket.options, "object_lock": own})
    try:
        assert location.lock_days() == days
        assert location.lock_state().enabled
    finally:
        location.close()
