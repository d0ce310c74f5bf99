"""What an archive keeps from being read says so, can be thawed, and is told how far that is."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Thaw
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.errors import S3Error
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.settings import parse_settings
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.store import Store
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.thaw import request_thaw, thaw_states
from support.lab import MotoServer, S3Server
from support.s3_proxy import S3Proxy, error

SET = "shop/2026/11/23/weekly_20261123_000000"
DUMP, GLOBALS, MANIFEST = (f"{SET}/{name}" for name in ("backup.dump.age", "globals.sql.age", "manifest.json"))


@pytest.fixture
def proxy(moto_server: MotoServer) -> Iterator[S3Proxy]:
    with S3Proxy(moto_server.endpoint_url) as made:
        yield made


@pytest.fixture
def options(moto_server: MotoServer, proxy: S3Proxy) -> dict[str, Any]:
    """A location with one set, whose large objects are in archives, and one more of the same day."""
    bucket = moto_server.create_bucket()
    client = moto_server.client()
    classes = {DUMP: "GLACIER", GLOBALS: "DEEP_ARCHIVE", MANIFEST: "STANDARD", f"{SET}1/other": "GLACIER"}
    for key, storage_class in classes.items():
        client.put_object(Bucket=bucket, Key=f"backups/{key}", Body=b"contents", StorageClass=storage_class)
    return {**moto_server.location(bucket, prefix="backups"), "endpoint_url": proxy.endpoint_url}


@pytest.fixture
def store(options: dict[str, Any]) -> Iterator[Store]:
    made = Store(parse_settings(options))
    yield made
    made.close()


@pytest.fixture
def hours_pass(moto_server: MotoServer) -> Iterator[None]:
    """Thawing takes as long as two looks at the object."""

    def set_progression(transition: dict[str, Any]) -> None:
        body = json.dumps({"model_name": "s3::keyrestore", "transition": transition}).encode()
        address = f"{moto_server.endpoint_url}/moto-api/state-manager/set-transition"
        urllib.request.urlopen(urllib.request.Request(address, body, method="POST")).close()

    set_progression({"progression": "manual", "times": 2})
    yield
    set_progression({"progression": "immediate"})


def test_reading_from_an_archive_says_that_it_must_be_thawed_and_the_manifest_can_be_read(
    options: dict[str, Any],
) -> None:
    location = open_location(options)
    try:
        with pytest.raises(S3Error, match=r"the object is archived .*backup_thaw asks for a copy"):
            b"".join(location.read(DUMP))
        assert location.get(MANIFEST) == b"contents"
    finally:
        location.close()


def test_the_archived_objects_of_a_set_are_told_and_nothing_is_asked_for(store: Store, proxy: S3Proxy) -> None:
    assert thaw_states(store, SET) == (Thaw(DUMP, "GLACIER", "archived"), Thaw(GLOBALS, "DEEP_ARCHIVE", "archived"))
    assert proxy.of("POST") == []


@pytest.mark.usefixtures("hours_pass")
def test_a_set_thaws_for_a_while_and_can_then_be_read_until_its_copies_go(
    store: Store, options: dict[str, Any], proxy: S3Proxy
) -> None:
    assert [thaw.state for thaw in request_thaw(store, SET, 5)] == ["thawing", "thawing"]
    assert len(proxy.of("POST")) == 2
    again = request_thaw(store, SET, 5)
    assert len(proxy.of("POST")) == 2
    while any(thaw.state == "thawing" for thaw in again):
        again = thaw_states(store, SET)
    assert [(thaw.key, thaw.state) for thaw in again] == [(DUMP, "available"), (GLOBALS, "available")]
    for thaw in again:
        assert thaw.until is not None
        assert abs(thaw.until - datetime.now(timezone.utc) - timedelta(days=5)) < timedelta(days=1)
    location = open_location(options)
    try:
        assert b"".join(location.read(DUMP)) == b"contents"
    finally:
        location.close()
    assert request_thaw(store, SET, 5) == again
    assert len(proxy.of("POST")) == 2


def test_what_another_has_asked_for_meanwhile_is_thawing(store: Store, proxy: S3Proxy) -> None:
    proxy.inject("POST", error(409, "RestoreAlreadyInProgress"))
    assert {thaw.state for thaw in request_thaw(store, SET, 5)} == {"thawing"}


def test_who_may_not_thaw_is_told_the_permission(store: Store, proxy: S3Proxy) -> None:
    proxy.inject("POST", error(403, "AccessDenied"))
    with pytest.raises(S3Error, match="thawing needs s3:RestoreObject"):
        request_thaw(store, SET, 5)


@pytest.mark.parametrize(("days", "tier"), [(0, "Standard"), (400, "Standard"), (1, "Now")])
def test_what_no_store_would_take_is_refused_before_it_is_asked(
    store: Store, proxy: S3Proxy, days: int, tier: str
) -> None:
    with pytest.raises(ConfigError):
        request_thaw(store, SET, days, tier=tier)
    assert proxy.requests == []


def test_a_store_without_archives_has_nothing_to_thaw(s3_server: S3Server, s3_bucket: str) -> None:
    location = s3_server.location(s3_bucket)
    s3_server.client().put_object(Bucket=s3_bucket, Key=DUMP, Body=b"contents")
    store = Store(parse_settings(location))
    try:
        assert request_thaw(store, SET, 5) == ()
    finally:
        store.close()
