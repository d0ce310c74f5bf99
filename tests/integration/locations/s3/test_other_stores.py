"""Stores that speak S3 with an accent: what is known of each is answered here in its place, in front of a real server.

B2 and Google Cloud Storage refuse additional checksums in words of their own; Swift's s3api holds If-Match to another
ETag than it tells; SeaweedFS has a code of its own for what has no legal hold; old stores know ListObjects alone.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.store import Store
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.writer import S3Writer
from support.s3_proxy import Action, Forward, Reply, Request, error

from .conftest import LARGE, SMALL, Place

Places = Callable[..., Place]
MOMENT = "2026-11-22T00:00:00.000Z"
CHECKSUMS = ("x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm", "x-amz-checksum-mode")


def without(headers: tuple[str, ...], refusal: Action) -> Action:
    """A store that refuses requests with any of these headers."""

    def action(request: Request, forward: Forward) -> Reply:
        return refusal(request, forward) if set(headers) & set(request.headers) else forward(request)

    return action


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        (
            "*",
            error(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-algorithm' received for this API call."),
        ),
        ("*", error(400, "InvalidArgument")),
        ("*", error(501, "NotImplemented")),
    ],
    ids=["B2", "without a word", "not implemented"],
)
def test_additional_checksums_can_be_left_out_and_the_check_says_so(
    place_of: Places, operation: str, refusal: Action
) -> None:
    place = place_of()
    place.proxy.inject(operation, without(CHECKSUMS, refusal))
    with pytest.raises(LocationError, match="checksums: false") as caught:
        place.location.check()
    assert "None" not in str(caught.value)
    plain = place_of(checksums=False)
    plain.proxy.inject(operation, without(CHECKSUMS, refusal))
    plain.location.check()
    for key, data in (("small", SMALL), ("large", LARGE)):
        assert plain.location.put(key, data).proof == "md5"


def test_checksums_that_a_store_does_not_repeat_are_not_sent_with_what_follows(place: Place) -> None:
    place.proxy.inject("UploadPart", without(CHECKSUMS, error(403, "SignatureDoesNotMatch", "Invalid argument.")))
    place.location.check()
    for key, data in (("small", SMALL), ("large", LARGE)):
        assert place.location.put(key, data).proof == "md5"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("<Error><Code>InvalidRequest</Code></Error>", r"refused \(InvalidRequest\)"),
        ("<Error><Code>InvalidRequest</Code><Message/></Error>", r"refused \(InvalidRequest\)"),
        ("<Error><Code>AccessDenied</Code></Error>", r"access is denied \(AccessDenied\)"),
        ("", r"\(400\)"),
        ("<html>no</html>", r"400"),
    ],
)
def test_an_error_without_words_is_told_well(place: Place, answer: str, told: str) -> None:
    place.proxy.inject("CreateMultipartUpload", lambda _request, _forward: Reply(400, answer.encode()))
    with pytest.raises(LocationError, match=told) as caught:
        place.location.check()
    assert "None" not in str(caught.value)


def test_a_redirection_names_where_to(place: Place) -> None:
    headers = {"location": "https://bucket.s3.nowhere.example/key?token=secret"}
    redirection = error(307, "TemporaryRedirect", "Please re-send", headers)
    place.proxy.inject("CreateMultipartUpload", redirection)
    with pytest.raises(LocationError, match=r"endpoint_url: it names https://bucket\.s3\.nowhere\.example\)") as caught:
        place.location.check()
    assert "secret" not in str(caught.value)
    place.proxy.inject("*", redirection)
    with pytest.raises(LocationError, match="redirects in a circle"):
        place.location.check()


@pytest.mark.parametrize("code", ["NoSuchObjectLegalHold", "NoSuchObjectLockConfiguration"])
def test_what_never_had_a_legal_hold_has_none(place: Place, code: str) -> None:
    place.location.put("object", SMALL)
    place.proxy.inject("GetObject", error(404, code))
    assert not place.location.legal_hold("object")


@pytest.mark.parametrize("status", [200, 416])
def test_an_empty_object_has_no_range(place: Place, status: int) -> None:
    place.location.put("empty", b"")
    reply = error(416, "InvalidRange") if status == 416 else lambda _request, _forward: Reply(200)
    place.proxy.inject("GetObject", reply)
    for offset, length in ((0, 5), (0, 1), (7, None), (7, 3)):
        assert b"".join(place.location.read("empty", offset=offset, length=length)) == b""


def test_where_whole_objects_are_sent_a_beginning_is_all_that_can_be_read(place: Place) -> None:
    place.location.put("object", SMALL)
    place.proxy.inject("GetObject", lambda _request, _forward: Reply(200, SMALL))
    assert b"".join(place.location.read("object", length=1000)) == SMALL[:1000]
    with pytest.raises(LocationError, match="whole objects"):
        list(place.location.read("object", offset=1, length=1000))


def other_etag(request: Request, forward: Forward) -> Reply:
    """A store that sends another ETag with an object than it tells of it."""
    reply = forward(request)
    reply.headers["etag"] = '"of-the-manifest"'
    return reply


def test_another_etag_than_was_told_is_no_other_object(place: Place) -> None:
    place.location.put("object", SMALL)
    info = place.location.stat("object")
    assert info is not None and info.tag
    place.proxy.inject("GetObject", other_etag)
    assert b"".join(place.location.read("object", offset=5, length=10, tag=info.tag)) == SMALL[5:15]
    place.location.delete("object")
    place.location.put("object", SMALL[::-1])
    with pytest.raises(LocationError, match="was replaced while it was read"):
        list(place.location.read("object", offset=5, length=10, tag=info.tag))


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["one request", "multipart"])
def test_an_object_is_replaced_where_if_match_is_held_to_another_etag(place: Place, data: bytes) -> None:
    place.location.put("object", b"before")
    info = place.location.stat("object")
    assert info is not None
    place.proxy.inject("*", without(("if-match",), error(412, "PreconditionFailed")))
    store: Store = place.location._store
    writer = S3Writer(store, "object", replaces=info.tag)
    writer.write(data)
    writer.commit()
    assert place.stored() == {"object": data}


def test_conditions_that_a_store_does_not_know_are_left_out(place: Place) -> None:
    place.proxy.inject("*", without(("if-none-match",), error(501, "NotImplemented")))
    for key, data in (("small", SMALL), ("large", LARGE)):
        place.location.put(key, data)
    with pytest.raises(LocationError, match="exists already"):
        place.location.put("small", SMALL)


def test_a_listing_is_whole_where_only_its_first_version_is_known(place: Place) -> None:
    wanted = sorted(f"sets/{name}" for name in ("a b", "a+b", "a%20b", "c/1", "c/2", "d/1", "d/2", "e", "ü", "z"))
    for key in wanted:
        place.location.put(key, key.encode())

    def answer(request: Request, _forward: Forward) -> Reply:
        prefix, marker, delimiter = (request.query.get(name, [""])[0] for name in ("prefix", "marker", "delimiter"))
        names: list[str] = []
        for key in wanted:
            rest = key[len(prefix) :]
            common = delimiter and delimiter in rest
            name = prefix + rest.partition(delimiter)[0] + delimiter if common else key
            if key.startswith(prefix) and name > marker and name not in names:
                names.append(name)
        page, more = names[:3], len(names) > 3
        entries = "".join(
            f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
            if name.endswith("/")
            else f"<Contents><Key>{name}</Key><Size>1</Size><LastModified>{MOMENT}</LastModified></Contents>"
            for name in page
        )
        body = (
            f"<ListBucketResult><Name>{place.options['bucket']}</Name><Prefix>{prefix}</Prefix><Marker>{marker}</Marker>"
            f"<MaxKeys>3</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{entries}</ListBucketResult>"
        )
        return Reply(200, body.encode(), {"content-type": "application/xml"})

    place.proxy.inject("ListObjectsV2", answer)
    assert [info.key for info in place.location.list("")] == wanted
    assert [info.key for info in place.location.list("sets")] == wanted
    assert list(place.location.list_directories("sets")) == ["c", "d"]
