"""Whatever a store or the way to it does wrong, an object is whole and proven or not there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3 import client, multipart
from support.lab import MotoServer, S3Server, free_port, wait_until
from support.s3_proxy import (
    ChecksumStore,
    Forward,
    Reply,
    Request,
    S3Proxy,
    cut_body,
    error,
    flip_bit,
    held,
    lose_reply,
    reset,
    slow,
)

from .conftest import LARGE, MIB, SMALL, Place, nothing_is_left, payload

BOTH = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["one request", "multipart"])


def test_an_upload_that_is_cut_is_aborted(place: Place) -> None:
    place.proxy.inject("UploadPart", error(500, "InternalError"), skip=1)
    writer = place.location.writer("set/object")
    with pytest.raises(LocationError):
        for _ in range(40):
            writer.write(payload(MIB))
        writer.commit()
    writer.abort()
    assert writer.receipt is None
    assert place.proxy.of("AbortMultipartUpload")
    assert nothing_is_left(place)


def test_what_a_killed_run_left_is_found_and_removed(place: Place) -> None:
    program = (
        "import os, sys, json\n"
        "from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location\n"
        "location = open_location(json.load(sys.stdin)); writer = location.writer('set/dump', size_hint=10**9)\n"
        "for _ in range(30): writer.write(bytes(2**20))\n"
        "os._exit(9)"
    )
    run = subprocess.run([sys.executable, "-c", program], input=json.dumps(place.options), text=True, check=False)
    assert run.returncode == 9
    before = datetime.now(timezone.utc)
    (found,) = place.location.leftovers("set")
    assert found.key == "set/dump"
    assert before - timedelta(minutes=1) < found.started <= datetime.now(timezone.utc)
    place.location.discard(found)
    place.location.discard(found)
    assert nothing_is_left(place)


HTML = "<!DOCTYPE html><html><head><title>Welcome</title><body>Please log in<br></html>"
XHTML = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Please log in</p></body></html>'
LISTING = (
    "<ListBucketResult><Name>{name}</Name><Prefix>{prefix}</Prefix>{more}"
    "<KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys></ListBucketResult>"
)
WHOLE = "<IsTruncated>false</IsTruncated>"
NO_LISTINGS = {
    "a page": (200, HTML),
    "a page that is XML": (200, XHTML),
    "nothing": (200, ""),
    "no content": (204, ""),
    "another bucket": (200, LISTING.format(name="other", prefix="sets/", more=WHOLE)),
    "no bucket": (200, LISTING.format(name="", prefix="sets/", more=WHOLE)),
    "another prefix": (200, LISTING.format(name="NAME", prefix="other/", more=WHOLE)),
    "no end": (200, LISTING.format(name="NAME", prefix="sets/", more="")),
    "buckets": (200, "<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("answer", NO_LISTINGS)
def test_what_is_no_listing_of_the_bucket_is_an_error_and_not_an_empty_bucket(place: Place, answer: str) -> None:
    # Fault 58.
    status, body = NO_LISTINGS[answer]
    place.location.put("sets/object", b"data")
    data = body.replace("NAME", str(place.options["bucket"])).encode()
    place.proxy.inject("ListObjectsV2", lambda _request, _forward: Reply(status, data))
    for look in (place.location.list, place.location.list_directories):
        with pytest.raises(LocationError) as caught:
            list(look("sets"))
        if not data.startswith(b"<!"):
            assert "no listing of this bucket" in caught.value.message
    place.proxy.clear()
    assert [info.key for info in place.location.list("sets")] == ["sets/object"]


@BOTH
def test_a_lost_answer_to_the_last_request_is_a_success(place: Place, data: bytes) -> None:
    place.proxy.inject("PutObject", lose_reply, times=1)
    place.proxy.inject("CompleteMultipartUpload", lose_reply, times=1)
    receipt = place.location.put("set/object", data)
    assert receipt.proof == "md5"
    assert place.stored() == {"set/object": data}
    assert len(place.proxy.of("UploadPart")) == (2 if data is LARGE else 0)


@BOTH
def test_an_answer_that_never_comes_back_is_a_success_too(place: Place, data: bytes) -> None:
    place.proxy.inject("PutObject", lose_reply)
    place.proxy.inject("CompleteMultipartUpload", lose_reply)
    place.location.put("set/object", data)
    assert place.stored() == {"set/object": data}


@BOTH
def test_after_a_lost_answer_an_object_of_somebody_else_is_not_taken_for_ours(
    place: Place, s3_server: S3Server, data: bytes
) -> None:
    def another_wins(_request: Request, _forward: Forward) -> Reply:
        body = bytes(len(data))
        s3_server.client().put_object(Bucket=str(place.options["bucket"]), Key="set/object", Body=body)
        return error(412, "PreconditionFailed")(_request, _forward)

    place.proxy.inject("PutObject", another_wins)
    place.proxy.inject("CompleteMultipartUpload", another_wins)
    with pytest.raises(LocationError, match="exists"):
        place.location.put("set/object", data)
    assert place.stored() == {"set/object": bytes(len(data))}


@BOTH
def test_bytes_damaged_on_the_way_are_sent_again(checksum_place: Place, data: bytes) -> None:
    place, store = checksum_place, ChecksumStore()

    def damage(request: Request, forward: Forward) -> Reply:
        return flip_bit(request, lambda changed: store(changed, forward))

    place.proxy.inject("PutObject", damage, times=1)
    place.proxy.inject("UploadPart", damage, times=1)
    place.location.check()
    assert place.location.put("set/object", data).proof == "crc32"
    assert place.stored() == {"set/object": data}


def test_damage_that_only_the_etag_shows_is_repaired_where_a_part_can_be_replaced(moto_server: MotoServer) -> None:
    with S3Proxy(moto_server.endpoint_url) as proxy:
        bucket = moto_server.create_bucket()
        options = {**moto_server.location(bucket), "endpoint_url": proxy.endpoint_url, "checksums": False}
        location = open_location(options)
        proxy.inject("UploadPart", flip_bit, times=1)
        assert location.put("set/object", LARGE).proof == "md5"
        assert len(proxy.of("UploadPart")) == 3
        assert location.get("set/object") == LARGE
        location.close()


@pytest.mark.parametrize("checksums", [True, False])
@BOTH
def test_a_store_that_keeps_other_bytes_fails_and_keeps_nothing(
    place_of: Callable[..., Place], data: bytes, checksums: bool
) -> None:
    place = place_of(checksums=checksums)
    place.proxy.inject("PutObject", flip_bit)
    place.proxy.inject("UploadPart", flip_bit)
    with pytest.raises(LocationError, match=r"damaged|not stored as it was sent"):
        place.location.put("set/object", data)
    assert nothing_is_left(place)


@BOTH
def test_an_echo_of_another_checksum_fails_and_keeps_nothing(checksum_place: Place, data: bytes) -> None:
    def other(request: Request, forward: Forward) -> Reply:
        reply = ChecksumStore()(request, forward)
        reply.headers["x-amz-checksum-crc32"] = "AAAAAA=="
        return reply

    place = checksum_place
    place.location.check()
    place.proxy.inject("PutObject", other)
    place.proxy.inject("UploadPart", other)
    with pytest.raises(LocationError, match="CRC-32"):
        place.location.put("set/object", data)
    assert nothing_is_left(place)


def test_parts_assembled_wrongly_fail_and_nothing_is_kept(checksum_place: Place) -> None:
    place, store = checksum_place, ChecksumStore()

    def other(request: Request, forward: Forward) -> Reply:
        reply = store(request, forward)
        reply.body = reply.body.replace(b"-2</ChecksumCRC32>", b"AA-2</ChecksumCRC32>")
        return reply

    place.proxy.inject("*", other)
    with pytest.raises(LocationError, match="of all parts"):
        place.location.put("set/object", LARGE)
    assert nothing_is_left(place)


def test_a_shorter_object_is_noticed_where_only_its_size_can_be_known(place: Place) -> None:
    def hide_etag(request: Request, forward: Forward) -> Reply:
        request.body = request.body[:-1]
        reply = forward(request)
        reply.headers["etag"] = '"opaque"'
        return reply

    place.proxy.inject("PutObject", hide_etag)
    # The length is not signed, so the server takes the shorter body.
    with pytest.raises(LocationError):
        place.location.put("set/object", SMALL)
    assert nothing_is_left(place)


def test_reading_goes_on_where_the_connection_broke(place: Place) -> None:
    place.location.put("set/object", LARGE)
    for count in (MIB, 2 * MIB + 5, 1):
        place.proxy.inject("GetObject", cut_body(count), times=1)
    assert place.location.get("set/object") == LARGE
    place.proxy.inject("GetObject", cut_body(1000), times=1)
    assert b"".join(place.location.read("set/object", offset=77, length=5 * MIB)) == LARGE[77 : 77 + 5 * MIB]


def test_reading_ends_when_it_makes_no_progress(place: Place) -> None:
    place.location.put("set/object", LARGE)
    place.proxy.inject("GetObject", cut_body(0))
    with pytest.raises(LocationError) as failure:
        list(place.location.read("set/object"))
    assert failure.value.transient
    assert len(place.proxy.of("GetObject")) == 5


@pytest.mark.parametrize("fault", [cut_body(2 * MIB), error(503, "SlowDown"), error(500, "InternalError")])
def test_a_small_object_that_cannot_be_had_at_the_first_try_is_read_the_usual_way(place: Place, fault: Any) -> None:
    place.location.put("set/object", LARGE)
    place.proxy.inject("GetObject", fault, times=1)
    assert place.location.get("set/object") == LARGE


def test_a_small_object_that_is_not_there_is_an_error_that_says_so(place: Place) -> None:
    with pytest.raises(LocationError, match="no object"):
        place.location.get("set/object")


def test_an_object_replaced_while_it_is_read_is_not_spliced(place: Place) -> None:
    place.location.put("set/object", LARGE)
    place.proxy.inject("GetObject", cut_body(2 * MIB), times=1)
    reader = place.location.read("set/object")
    next(reader)
    place.location.delete("set/object")
    place.location.put("set/object", payload(len(LARGE), seed=9))
    with pytest.raises(LocationError, match="replaced"):
        list(reader)


def test_giving_up_ends_soon_though_parts_are_under_way(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "_ABORT_SECONDS", 0.1)
    with held() as action:
        place.proxy.inject("UploadPart", action)
        writer = place.location.writer("set/object")
        for _ in range(17):
            writer.write(payload(MIB))
        wait_until(lambda: place.proxy.of("UploadPart"), what="a part to be under way")
        # No part is answered before it has returned.
        writer.abort()
        assert nothing_is_left(place)


def test_a_store_that_is_gone_does_not_hold_the_run_up(place_of: Callable[..., Place], s3_server: S3Server) -> None:
    place = place_of()
    writer = place.location.writer("set/object")
    writer.write(LARGE)
    place.proxy.inject("*", reset)
    with pytest.raises(LocationError):
        writer.commit()
    writer.abort()
    tries = Counter((request.operation, str(request.query.get("partNumber"))) for request in place.proxy.requests)
    # Each part that ends after the others were given up removes the upload once more.
    removals = tries.pop(("AbortMultipartUpload", "None"))
    assert max(tries.values()) <= 5
    assert removals <= 5 * (1 + sum(operation == "UploadPart" for operation, _part in tries))


def test_no_more_than_32_mib_are_under_way_however_many_objects_are_written(place: Place) -> None:
    place.proxy.inject("UploadPart", slow(0.05))
    writers = [place.location.writer(f"set/{number}") for number in range(3)]

    def write(writer: Any) -> None:
        for _ in range(26):
            writer.write(payload(MIB))
        writer.commit()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16 * MIB <= place.proxy.most_bytes_at_once <= 32 * MIB
    assert len(place.stored()) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"secret_key": "wrong-secret"}, "secret key does not belong"),
        ({"access_key": "AKIAUNKNOWN"}, "access key is not known"),
        ({"bucket": "no-such-bucket"}, "bucket does not exist"),
    ],
    ids=["secret", "access key", "bucket"],
)
def test_what_is_wrong_with_the_options_is_told_by_the_check(place: Place, change: dict[str, str], told: str) -> None:
    location = open_location({**place.options, **change})
    with pytest.raises(LocationError, match=told) as failure:
        location.check()
    text = str(failure.value)
    assert str(place.options["endpoint_url"]) in text
    assert failure.value.hint
    assert not failure.value.transient
    assert "wrong-secret" not in text
    assert str(place.options["secret_key"]) not in text


@pytest.mark.parametrize(("minutes", "word"), [(17, "behind"), (-17, "ahead")])
def test_a_wrong_clock_is_told_with_its_amount(place: Place, minutes: int, word: str) -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=minutes), usegmt=True)
    skewed = error(403, "RequestTimeTooSkewed", "The difference is too large", {"date": date})
    place.proxy.inject("CreateMultipartUpload", skewed)
    with pytest.raises(LocationError, match=rf"clock .* 0:(17:00|16:59|17:01) {word}") as failure:
        place.location.check()
    assert "NTP" in str(failure.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error(403, "AccessDenied", "Access Denied"), "s3:PutObject"),
        (error(400, "ExpiredToken", "expired"), "new temporary credentials"),
        (error(400, "InvalidStorageClass", "x"), "storage_class"),
        (error(400, "KMS.NotFoundException", "Key x does not exist"), "sse_kms_key_id"),
        (error(501, "NotImplemented", "A header you provided is not implemented"), "checksums: false"),
        (error(400, "InvalidRequest", "Bucket is missing Object Lock Configuration"), "enable Object Lock"),
        (error(301, "PermanentRedirect", "x", {"x-amz-bucket-region": "eu-central-1"}), "region: eu-central-1"),
        (error(400, "SomethingNew", "Surprise!"), "Surprise!"),
    ],
)
def test_a_refusal_says_what_to_do(place: Place, answer: Any, told: str) -> None:
    place.proxy.inject("CreateMultipartUpload", answer)
    with pytest.raises(LocationError) as failure:
        place.location.check()
    assert told in str(failure.value)
    assert f"bucket '{place.options['bucket']}'" in str(failure.value)


def test_an_endpoint_where_nobody_listens_is_told(place: Place) -> None:
    location = open_location({**place.options, "endpoint_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(LocationError, match="not reachable") as failure:
        location.check()
    assert failure.value.transient


def test_a_certificate_must_be_trusted() -> None:
    with S3Server(tls=True) as server:
        assert server.certificates is not None
        options = server.location(server.create_bucket())
        with pytest.raises(LocationError, match="ca_bundle"):
            open_location(options).check()
        location = open_location({**options, "ca_bundle": str(server.certificates.ca)})
        location.check()
        assert location.put("set/object", LARGE).proof == "md5"
        assert location.get("set/object") == LARGE
        location.close()


def test_missing_credentials_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_sessions", [])
    location = open_location({**place.options, "access_key": None, "secret_key": None})
    with pytest.raises(LocationError, match="no credentials"):
        location.check()


def test_a_missing_library_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    location = open_location(place.options)
    with pytest.raises(LocationError, match="pip install boto3"):
        location.check()
