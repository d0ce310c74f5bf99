"""Ceph's object gateway: what it does otherwise than AWS, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket import applying
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket.run import run_bucket_policy
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.errors import S3Error
from ansible_collections.mobul.backup.plugins.modules.bucket_policy import ARGUMENTS
from support.lab import CephServer

from .conftest import LARGE

BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
WITHOUT = {"encryption": "none", "archive_after_days": 0}


@pytest.fixture
def bucket(ceph_server: CephServer) -> str:
    """A fresh bucket."""
    return ceph_server.create_bucket()


@pytest.fixture
def location(ceph_server: CephServer, bucket: str) -> Iterator[Location]:
    """The bucket as a location."""
    opened = open_location(ceph_server.location(bucket))
    yield opened
    opened.close()


def policy(server: CephServer, bucket: str, **options: Any) -> dict[str, Any]:
    place = server.location(bucket)
    given = {name: place[name] for name in ("bucket", "region", "endpoint_url", "access_key", "secret_key")}
    validated = ArgumentSpecValidator(ARGUMENTS).validate({**given, **options})
    assert validated.error_messages == []
    return run_bucket_policy(validated.validated_parameters, False)


def flags(server: CephServer, bucket: str) -> set[str]:
    found = server.client().get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    return {name for name, on in found.items() if on}


def test_a_public_access_block_that_forbids_every_write_is_told_by_the_check_with_the_way_out(
    ceph_server: CephServer, bucket: str, location: Location
) -> None:
    location.check()
    ceph_server.client().put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)
    with pytest.raises(LocationError, match=r"BlockPublicAcls, .*block_public_access: false removes it") as caught:
        location.check()
    assert "check the location" in str(caught.value)
    assert list(location.leftovers("")) == []
    done = policy(ceph_server, bucket, block_public_access=False, **WITHOUT)
    assert "no longer block public access" in done["changes"]
    assert flags(ceph_server, bucket) == set()
    location.check()
    location.put("object", LARGE)
    assert not policy(ceph_server, bucket, block_public_access=False, **WITHOUT)["changed"]


def test_a_block_that_would_forbid_every_write_is_taken_away_again(
    ceph_server: CephServer, bucket: str, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.01)
    before = {**dict.fromkeys(BLOCKED, False), "BlockPublicPolicy": True}
    ceph_server.client().put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)
    with pytest.raises(S3Error, match=r"taken away again \(.*block_public_access: false"):
        policy(ceph_server, bucket, **WITHOUT)
    assert flags(ceph_server, bucket) == {"BlockPublicPolicy"}
    location.put("object", b"data")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sse": "AES256"}, "sse: none"),
        ({"storage_class": "GLACIER"}, "correct storage_class"),
    ],
)
def test_a_refusal_without_a_word_names_the_options_that_ask_for_something(
    ceph_server: CephServer, bucket: str, options: dict[str, Any], told: str
) -> None:
    refused = open_location({**ceph_server.location(bucket), **options})
    with pytest.raises(LocationError) as caught:
        refused.check()
    refused.close()
    assert told in str(caught.value)
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [({}, "encryption: none leaves it as it is"), ({"encryption": "none"}, "archive_after_days: 0")],
)
def test_a_setting_that_is_refused_without_a_word_is_told_with_its_option(
    ceph_server: CephServer, bucket: str, options: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.01)
    with pytest.raises(S3Error) as caught:
        policy(ceph_server, bucket, block_public_access=False, **options)
    assert told in str(caught.value)
    assert "None" not in str(caught.value)


def test_legal_holds_are_set_and_seen_in_a_bucket_with_object_lock(ceph_server: CephServer) -> None:
    bucket = ceph_server.create_bucket(ObjectLockEnabledForBucket=True)
    opened = open_location(ceph_server.location(bucket))
    opened.put("object", b"data")
    assert opened.lock_state().enabled
    assert not opened.legal_hold("object")
    opened.set_legal_hold("object", True)
    assert opened.legal_hold("object")
    assert opened.protection("object") == "it is under a legal hold"
    opened.set_legal_hold("object", False)
    opened.close()


def test_an_object_is_locked_as_asked_for(ceph_server: CephServer) -> None:
    bucket = ceph_server.create_bucket(ObjectLockEnabledForBucket=True)
    locked = open_location({**ceph_server.location(bucket), "object_lock": {"mode": "GOVERNANCE", "days": 1}})
    locked.check()
    for key, data in (("small", b"data"), ("large", LARGE)):
        locked.put(key, data)
        assert "Object Lock (GOVERNANCE)" in str(locked.protection(key))
    locked.close()
