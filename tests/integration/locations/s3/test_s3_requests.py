"""What is asked of a store, and what is spared it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.location import S3Location
from support.lab import MotoServer
from support.s3_proxy import Forward, Reply, Request, S3Proxy, error

from .conftest import MIB, Place, payload

SMALL = payload(50_000, seed=3)
LARGE = payload(8 * MIB + 5, seed=4)
BOTH = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["one request", "multipart"])


@pytest.fixture
def model(moto_server: MotoServer) -> Iterator[Callable[..., tuple[S3Proxy, S3Location]]]:
    """Makes a location of moto's model of AWS behind a proxy."""
    made: list[tuple[S3Proxy, S3Location]] = []

    def make(bucket: str, **options: object) -> tuple[S3Proxy, S3Location]:
        proxy = S3Proxy(moto_server.endpoint_url)
        proxy.__enter__()
        wanted = {**moto_server.location(bucket), "endpoint_url": proxy.endpoint_url, **options}
        made.append((proxy, S3Location.create(wanted)))
        return made[-1]

    yield make
    for proxy, location in made:
        location.close()
        proxy.__exit__()


Model = Callable[..., tuple[S3Proxy, S3Location]]


def names(proxy: S3Proxy) -> list[str]:
    return [request.operation for request in proxy.requests]


def test_what_fits_into_one_part_is_one_request(place: Place) -> None:
    place.location.put("set/object", payload(8 * MIB))
    assert names(place.proxy) == ["HeadObject", "PutObject"]


def test_listings_and_small_objects_are_asked_for_without_the_client_library(place: Place) -> None:
    place.location.put("set/manifest.json", SMALL)
    assert all("Boto" in request.headers["user-agent"] for request in place.proxy.requests)
    before = len(place.proxy.requests)
    assert [info.key for info in place.location.list("set")] == ["set/manifest.json"]
    assert place.location.get("set/manifest.json") == SMALL
    asked = place.proxy.requests[before:]
    assert [request.operation for request in asked] == ["ListObjectsV2", "GetObject"]
    # The library names itself in each of its requests.
    assert [request.headers.get("user-agent") for request in asked] == [None, None]


def test_a_store_of_files_need_not_read_the_object_again(place: Place) -> None:
    receipt = place.location.put("set/object", LARGE)
    assert receipt.proof == "md5"
    after = names(place.proxy)[names(place.proxy).index("CompleteMultipartUpload") :]
    assert after == ["CompleteMultipartUpload"]


def test_checksums_travel_in_headers_and_are_proof_where_they_are_echoed(checksum_place: Place) -> None:
    place = checksum_place
    place.location.check()
    assert place.location.put("set/small", SMALL).proof == "crc32"
    assert place.location.put("set/large", LARGE).proof == "crc32"
    for request in [*place.proxy.of("PutObject"), *place.proxy.of("UploadPart")]:
        assert "x-amz-checksum-crc32" in request.headers
        assert "x-amz-trailer" not in request.headers
        assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


def test_additional_checksums_can_be_switched_off(place_of: Callable[..., Place]) -> None:
    place = place_of(checksums=False)
    place.location.check()
    for data, key in ((SMALL, "set/small"), (LARGE, "set/large")):
        assert place.location.put(key, data).proof == "md5"
        assert place.location.get(key) == data
    sent = {name for request in place.proxy.requests for name in request.headers}
    assert not {name for name in sent if "checksum" in name or "trailer" in name}


@BOTH
def test_a_store_is_told_never_to_replace(place: Place, data: bytes) -> None:
    place.location.put("set/object", data)
    last = place.proxy.of("CompleteMultipartUpload") if data is LARGE else place.proxy.of("PutObject")
    assert [request.headers.get("if-none-match") for request in last] == ["*"]


@BOTH
def test_an_object_that_only_the_store_can_see_is_not_replaced(
    moto_server: MotoServer, model: Model, data: bytes
) -> None:
    bucket = moto_server.create_bucket()
    proxy, location = model(bucket)
    moto_server.client().put_object(Bucket=bucket, Key="set/object", Body=b"first")
    # What HEAD says must not matter here: the other run may come right behind it.
    proxy.inject("HeadObject", error(404, "NotFound"))
    with pytest.raises(LocationError, match="exists"):
        location.put("set/object", data)
    proxy.clear()
    assert location.get("set/object") == b"first"
    assert list(location.leftovers("")) == []


@pytest.mark.sampled(2)
@BOTH
@pytest.mark.parametrize(
    "answer", [error(501, "NotImplemented"), error(400, "InvalidArgument", "If-None-Match")], ids=["501", "400"]
)
def test_a_store_that_refuses_conditions_gets_none(place: Place, data: bytes, answer: Any) -> None:
    def without_conditions(request: Any, forward: Any) -> Any:
        return answer(request, forward) if "if-none-match" in request.headers else forward(request)

    place.proxy.inject("PutObject", without_conditions)
    place.proxy.inject("CompleteMultipartUpload", without_conditions)
    place.location.put("set/object", data)
    place.location.put("set/next", data)
    assert place.stored() == {"set/object": data, "set/next": data}
    last = place.proxy.of("CompleteMultipartUpload") if data is LARGE else place.proxy.of("PutObject")
    assert ["if-none-match" in request.headers for request in last] == [True, False, False]
    with pytest.raises(LocationError, match="exists"):
        place.location.put("set/object", data)


@BOTH
def test_credentials_that_may_only_write_are_enough_to_write(place: Place, data: bytes) -> None:
    for operation in ("HeadObject", "GetObject", "ListObjectsV2"):
        place.proxy.inject(operation, error(403, "AccessDenied"))
    place.location.check()
    assert place.location.put("set/object", data).proof == "md5"
    assert place.stored() == {"set/object": data}


@BOTH
def test_a_conflict_with_another_request_is_tried_again(place: Place, data: bytes) -> None:
    for operation in ("PutObject", "CompleteMultipartUpload"):
        place.proxy.inject(operation, error(409, "ConditionalRequestConflict"), times=2)
    place.location.put("set/object", data)
    assert place.stored() == {"set/object": data}


@BOTH
def test_encryption_and_storage_class_are_those_asked_for(moto_server: MotoServer, model: Model, data: bytes) -> None:
    bucket = moto_server.create_bucket()
    _, location = model(bucket, sse="aws:kms", sse_kms_key_id="alias/backups", storage_class="STANDARD_IA")
    location.check()
    location.put("set/object", data)
    found = moto_server.client().head_object(Bucket=bucket, Key="set/object")
    assert found["ServerSideEncryption"] == "aws:kms"
    assert found["SSEKMSKeyId"] == "alias/backups"
    assert found["StorageClass"] == "STANDARD_IA"
    assert location.get("set/object") == data


def test_the_check_asks_for_what_a_real_upload_asks_for(moto_server: MotoServer, model: Model) -> None:
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    lock = {"mode": "GOVERNANCE", "days": 30}
    proxy, location = model(bucket, sse="AES256", storage_class="STANDARD_IA", object_lock=lock)
    location.check()
    location.put("set/object", LARGE)
    asked = ("x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-object-lock-mode")
    check, real = proxy.of("CreateMultipartUpload")
    assert [check.headers[name] for name in asked] == [real.headers[name] for name in asked]
    assert [check.headers[name] for name in asked] == ["AES256", "STANDARD_IA", "GOVERNANCE"]


@BOTH
def test_locked_objects_get_their_retention_and_a_checksum(moto_server: MotoServer, model: Model, data: bytes) -> None:
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    proxy, location = model(bucket, object_lock={"mode": "governance", "days": 30}, checksums=False)
    location.put("set/object", data)
    # Asked of the request, since moto keeps no retention of multipart uploads.
    (begun,) = proxy.of("CreateMultipartUpload") if data is LARGE else proxy.of("PutObject")
    assert begun.headers["x-amz-object-lock-mode"] == "GOVERNANCE"
    until = datetime.fromisoformat(begun.headers["x-amz-object-lock-retain-until-date"])
    assert timedelta(days=29, hours=23) < until - datetime.now(timezone.utc) <= timedelta(days=30)
    for request in [*proxy.of("PutObject"), *proxy.of("UploadPart")]:
        assert request.query.keys() & {"retention"} or "content-md5" in request.headers
    # What it did not keep was asked for again, until it did.
    found = moto_server.client().head_object(Bucket=bucket, Key="set/object")
    assert found["ObjectLockMode"] == "GOVERNANCE"
    assert found["ObjectLockRetainUntilDate"] - datetime.now(timezone.utc) > timedelta(days=29, hours=23)


def test_a_bucket_that_locks_nothing_is_refused_where_a_lock_is_asked_for(
    moto_server: MotoServer, model: Model, place_of: Callable[..., Place]
) -> None:
    # Fault 58.
    lock = {"mode": "GOVERNANCE", "days": 30}
    _, without = model(moto_server.create_bucket(), object_lock=lock)
    place = place_of(object_lock=lock)
    for location in (without, place.location):
        with pytest.raises(LocationError, match="object_lock is asked for, and the bucket has no Object Lock"):
            location.check(trial=True)


@BOTH
def test_an_object_that_the_store_does_not_lock_is_no_copy(
    moto_server: MotoServer, model: Model, place_of: Callable[..., Place], data: bytes
) -> None:
    # A store that takes the wish and forgets it.
    place = place_of(object_lock={"mode": "GOVERNANCE", "days": 30})
    with pytest.raises(LocationError, match="the bucket has no Object Lock"):
        place.location.put("set/object", data)
    assert place.stored() == {}
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    proxy, location = model(bucket, object_lock={"mode": "GOVERNANCE", "days": 30})

    def forget(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        for name in [name for name in reply.headers if name.startswith("x-amz-object-lock-")]:
            del reply.headers[name]
        return reply

    proxy.inject("HeadObject", forget)
    with pytest.raises(LocationError, match="not as object_lock asks for: it reports no lock"):
        location.put("set/object", data)


def test_a_lock_that_is_shorter_or_of_another_mode_is_no_lock(moto_server: MotoServer, model: Model) -> None:
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    proxy, location = model(bucket, object_lock={"mode": "COMPLIANCE", "days": 30})
    until = (datetime.now(timezone.utc) + timedelta(days=7)).isoformat()

    def otherwise(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        if reply.status == 200:
            reply.headers |= {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": until}
        return reply

    proxy.inject("HeadObject", otherwise)
    with pytest.raises(LocationError, match="it reports COMPLIANCE until 20"):
        location.put("set/object", SMALL)


@BOTH
def test_in_a_bucket_with_versions_there_is_one_version(moto_server: MotoServer, model: Model, data: bytes) -> None:
    bucket = moto_server.create_bucket()
    client = moto_server.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _, location = model(bucket)
    receipt = location.put("set/object", data)
    (version,) = client.list_object_versions(Bucket=bucket)["Versions"]
    assert version["VersionId"] == receipt.version_id  # type: ignore[attr-defined]
    assert version["Size"] == len(data)


def test_what_stands_for_a_directory_in_a_user_interface_is_no_object(moto_server: MotoServer, model: Model) -> None:
    bucket = moto_server.create_bucket()
    _, location = model(bucket)
    moto_server.client().put_object(Bucket=bucket, Key="label/", Body=b"")
    location.put("label/set/object", b"data")
    assert [found.key for found in location.list("")] == ["label/set/object"]
    assert [found.key for found in location.list("label")] == ["label/set/object"]


def in_small_pages(request: Any, forward: Any) -> Any:
    request.path += "&max-keys=2"
    return forward(request)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("names", ["set/object{}", "set/{}/object", "{}/set/object", "set/1/object{}"])
def test_a_listing_of_several_pages_is_whole_or_an_error(moto_server: MotoServer, model: Model, names: str) -> None:
    bucket = moto_server.create_bucket()
    proxy, location = model(bucket)
    keys = [f"label/{names.format(number)}" for number in range(5)]
    for key in keys:
        location.put(key, b"")
    proxy.clear()
    proxy.inject("ListObjectsV2", in_small_pages)
    assert [found.key for found in location.list("label")] == keys
    assert len(proxy.of("ListObjectsV2")) > 2
    asked = len(proxy.of("ListObjectsV2"))
    for skipped in range(asked):
        proxy.clear()
        proxy.inject("ListObjectsV2", in_small_pages)
        proxy.inject("ListObjectsV2", error(403, "AccessDenied"), skip=skipped)
        with pytest.raises(LocationError):
            list(location.list("label"))
        proxy.clear()
        proxy.inject("ListObjectsV2", in_small_pages)
        proxy.inject("ListObjectsV2", error(503, "SlowDown"), skip=skipped, times=1)
        assert [found.key for found in location.list("label")] == keys


def test_a_listing_of_directories_has_several_pages(moto_server: MotoServer, model: Model) -> None:
    bucket = moto_server.create_bucket()
    proxy, location = model(bucket)
    for number in range(5):
        location.put(f"set/{number}/object", b"")
    proxy.clear()
    proxy.inject("ListObjectsV2", in_small_pages)
    assert list(location.list_directories("set")) == [str(number) for number in range(5)]
    assert len(proxy.of("ListObjectsV2")) == 3
