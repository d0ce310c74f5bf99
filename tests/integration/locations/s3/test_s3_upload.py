"""The operation behind s3_upload: a verified object, or what was there before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.upload import run_s3_upload
from support.lab import MotoServer
from support.s3_proxy import Forward, Reply, Request, S3Proxy, error, flip_bit

from .conftest import MIB, Place, payload

SMALL = payload(70_000, seed=5)
LARGE = payload(8 * MIB + 3, seed=6)
DEFAULTS: dict[str, Any] = {
    "object": None,
    "if_exists": "verify",
    "content_type": None,
    "tags": {},
    "metadata": {},
    "checksums": True,
    "part_size": 8,
    "concurrency": 4,
}
Upload = Callable[..., dict[str, Any]]


@pytest.fixture
def src(tmp_path: Path) -> Path:
    path = tmp_path / "report.bin"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def upload(place: Place, src: Path) -> Upload:
    """Uploads *src* to *place*; further parameters may be given."""
    ours = ("bucket", "endpoint_url", "region", "access_key", "secret_key")
    connection = {name: place.options[name] for name in ours}

    def run(*, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        return run_s3_upload({**DEFAULTS, **connection, "src": str(src), **params}, check_mode)

    return run


@pytest.fixture
def model_upload(moto_server: MotoServer, src: Path) -> tuple[str, Any, Upload]:
    """A bucket of moto's model of AWS, its client, and an upload of *src* to it."""
    bucket = moto_server.create_bucket()
    connection = {
        "bucket": bucket,
        "endpoint_url": moto_server.endpoint_url,
        "region": moto_server.region,
        "access_key": moto_server.access_key,
        "secret_key": moto_server.secret_key,
    }

    def run(*, check_mode: bool = False, **params: Any) -> dict[str, Any]:
        return run_s3_upload({**DEFAULTS, **connection, "src": str(src), **params}, check_mode)

    return bucket, moto_server.client(), run


def sent(proxy: S3Proxy) -> list[str]:
    """What changed something, or sent more than the one byte of a trial."""
    names = ("PutObject", "UploadPart", "CompleteMultipartUpload", "DeleteObject")
    found = (request for request in proxy.requests if request.operation in names)
    return [request.operation for request in found if request.operation != "UploadPart" or len(request.body) > 1]


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_check_apply_apply_again(place: Place, upload: Upload, src: Path, data: bytes) -> None:
    src.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    planned = upload(check_mode=True)
    assert planned["changed"] and planned["bytes_sent"] == 0 and planned["object"]["proof"] is None
    assert not sent(place.proxy) and place.stored() == {}
    assert list(place.location.leftovers("")) == []

    done = upload()
    assert done["changed"] and done["bytes_sent"] == len(data)
    assert done["object"] | {"etag": None} == {
        "bucket": place.options["bucket"],
        "key": "report.bin",
        "size": len(data),
        "sha256": sha256,
        "etag": None,
        "version_id": None,
        "proof": "md5",
    }
    assert place.stored() == {"report.bin": data}
    assert done["diff"]["after"] == planned["diff"]["after"]

    place.proxy.clear()
    for check_mode in (True, False):
        again = upload(check_mode=check_mode)
        assert not again["changed"] and again["bytes_sent"] == 0
        assert again["object"]["sha256"] == sha256
        assert again["diff"]["before"] == again["diff"]["after"]
    assert not sent(place.proxy)


@pytest.mark.parametrize(("given", "key"), [("a/b", "a/b"), ("a/", "a/report.bin"), (None, "report.bin")])
def test_the_object_gets_its_name(place: Place, upload: Upload, src: Path, given: str | None, key: str) -> None:
    src.write_bytes(SMALL)
    assert upload(object=given)["object"]["key"] == key
    assert set(place.stored()) == {key}


def test_everything_asked_for_arrives(model_upload: tuple[str, Any, Upload]) -> None:
    bucket, client, upload = model_upload
    upload(
        object="a/b",
        sse="AES256",
        storage_class="STANDARD_IA",
        tags={"incident": "INC-1", "cost centre": 17},
        metadata={"Deploy-Id": "d1"},
        content_type="text/csv",
    )
    found = client.head_object(Bucket=bucket, Key="a/b")
    assert (found["ServerSideEncryption"], found["StorageClass"]) == ("AES256", "STANDARD_IA")
    assert found["ContentType"] == "text/csv"
    assert found["Metadata"]["deploy-id"] == "d1"
    assert found["Metadata"]["sha256"] == hashlib.sha256(LARGE).hexdigest()
    tags = client.get_object_tagging(Bucket=bucket, Key="a/b")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"incident": "INC-1", "cost centre": "17"}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_object_made_by_another_program_is_compared_by_its_etag(
    model_upload: tuple[str, Any, Upload], src: Path, data: bytes
) -> None:
    bucket, client, upload = model_upload
    src.write_bytes(data)
    client.upload_file(str(src), bucket, "report.bin")
    result = upload()
    assert not result["changed"]
    assert result["object"]["proof"] == "md5"


def test_an_object_that_nothing_else_tells_of_is_read(place: Place, upload: Upload, src: Path, s3_server: Any) -> None:
    def opaque(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        reply.headers["etag"] = '"opaque"'
        return reply

    s3_server.client().put_object(Bucket=str(place.options["bucket"]), Key="report.bin", Body=LARGE)
    place.proxy.inject("HeadObject", opaque)
    result = upload(checksums=False)
    assert not result["changed"]
    assert result["object"]["proof"] == "contents"
    src.write_bytes(LARGE[:-1] + b"!")
    with pytest.raises(BackupError, match="another contents"):
        upload(checksums=False)


def test_the_stores_own_sha256_is_believed(model_upload: tuple[str, Any, Upload], src: Path) -> None:
    bucket, client, upload = model_upload
    src.write_bytes(SMALL)
    client.put_object(
        Bucket=bucket, Key="report.bin", Body=SMALL, ChecksumAlgorithm="SHA256", ServerSideEncryption="aws:kms"
    )
    assert upload()["object"]["proof"] == "sha256"


@pytest.mark.parametrize("other", [b"other", LARGE[:-1] + b"!"], ids=["size", "bytes"])
def test_other_bytes_are_left_alone_unless_they_may_be_replaced(
    place: Place, upload: Upload, src: Path, other: bytes
) -> None:
    src.write_bytes(other)
    upload()
    src.write_bytes(LARGE)
    for check_mode in (True, False):
        with pytest.raises(BackupError, match="other contents") as failure:
            upload(check_mode=check_mode)
        assert "if_exists: replace" in str(failure.value)
    assert place.stored() == {"report.bin": other}

    planned = upload(if_exists="replace", check_mode=True)
    assert planned["changed"]
    assert place.stored() == {"report.bin": other}
    result = upload(if_exists="replace")
    assert result["changed"]
    assert result["diff"]["before"]["size"] == len(other)
    assert place.stored() == {"report.bin": LARGE}
    assert not upload(if_exists="replace")["changed"]


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_object_that_changed_since_it_was_compared_is_not_replaced(
    place: Place, upload: Upload, src: Path, s3_server: Any, data: bytes
) -> None:
    src.write_bytes(data)
    bucket = str(place.options["bucket"])
    old = s3_server.client().put_object(Bucket=bucket, Key="report.bin", Body=b"old")

    def somebody_else_first(request: Request, forward: Forward) -> Reply:
        s3_server.client().put_object(Bucket=bucket, Key="report.bin", Body=b"newer")
        return forward(request)

    # The first look is the comparison.
    place.proxy.inject("HeadObject", somebody_else_first, skip=1)
    with pytest.raises(BackupError, match="changed by somebody else"):
        upload(if_exists="replace")
    assert place.stored() == {"report.bin": b"newer"}

    s3_server.client().put_object(Bucket=bucket, Key="report.bin", Body=b"old")
    place.proxy.clear()
    upload(if_exists="replace")
    last = place.proxy.of("PutObject") or place.proxy.of("CompleteMultipartUpload")
    assert [request.headers.get("if-match") for request in last] == [old["ETag"]]


def test_a_store_that_knows_conditions_needs_no_look_before_it_replaces(
    moto_server: MotoServer, model_upload: tuple[str, Any, Upload], src: Path
) -> None:
    bucket, client, upload = model_upload
    src.write_bytes(SMALL)
    client.put_object(Bucket=bucket, Key="report.bin", Body=b"old")

    def somebody_else_first(request: Request, forward: Forward) -> Reply:
        client.put_object(Bucket=bucket, Key="report.bin", Body=b"newer")
        return forward(request)

    with S3Proxy(moto_server.endpoint_url) as proxy:
        proxy.inject("PutObject", somebody_else_first)
        with pytest.raises(BackupError, match="changed by somebody else"):
            upload(if_exists="replace", endpoint_url=proxy.endpoint_url)
    assert client.get_object(Bucket=bucket, Key="report.bin")["Body"].read() == b"newer"


def test_a_file_that_changes_meanwhile_is_not_uploaded(place: Place, upload: Upload, src: Path) -> None:
    def change_its_end(request: Request, forward: Forward) -> Reply:
        # By now the file was read once, and a little way for the second time. Not even its times show the change.
        before = src.stat()
        with src.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"!")
        os.utime(src, ns=(before.st_atime_ns, before.st_mtime_ns))
        return forward(request)

    os.truncate(src, 40 * MIB)
    place.proxy.inject("CreateMultipartUpload", change_its_end)
    with pytest.raises(SourceError, match="changed while it was read"):
        upload()
    assert place.stored() == {}
    assert list(place.location.leftovers("")) == []


def test_a_store_that_keeps_other_bytes_fails_the_upload(place: Place, upload: Upload) -> None:
    place.proxy.inject("UploadPart", flip_bit)
    with pytest.raises(BackupError, match="not stored as it was sent"):
        upload()
    assert place.stored() == {}


def test_credentials_that_may_only_write_can_upload_but_not_replace(place: Place, upload: Upload, src: Path) -> None:
    place.proxy.inject("HeadObject", error(403, "AccessDenied"))
    assert upload(check_mode=True)["changed"]
    assert upload()["changed"]
    assert place.stored() == {"report.bin": LARGE}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"src": "/no/such/file"}, "No such file"),
        ({"src": "/tmp"}, "not a regular file"),
        ({"src": "/dev/zero"}, "not a regular file"),
        ({"object": "/absolute"}, "not usable"),
        ({"object": "a/../b"}, "not usable"),
        ({"bucket": "s3://bucket/key"}, "without s3://"),
        ({"part_size": 4}, "from 5 to 5120"),
        ({"part_size": 6000}, "from 5 to 5120"),
        ({"concurrency": 0}, "1 to 64"),
        ({"metadata": {"sha256": "x"}}, "sha256"),
        ({"metadata": {"a b": "x"}}, "'a b'"),
        ({"metadata": {"a": "line\nbreak"}}, "ASCII"),
        ({"metadata": {"a": "x" * 2000}}, "2 KB"),
        ({"tags": {str(number): "x" for number in range(11)}}, "S3 takes 10"),
        ({"tags": {"a": "x" * 257}}, "256"),
        ({"tags": {"a&b": "x"}}, "'a&b'"),
        ({"sse_kms_key_id": "alias/x"}, "without sse: aws:kms"),
        ({"secret_key": None}, "secret_key is missing"),
        ({"object_lock": {"mode": "GOVERNANCE"}}, "mode and days"),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked_of_the_store(
    place: Place, upload: Upload, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as failure:
        upload(**change)
    assert told in str(failure.value)
    assert "location" not in str(failure.value)
    assert str(place.options["secret_key"]) not in str(failure.value)
    assert place.proxy.requests == []


def test_a_lock_is_kept_refused_or_told(
    upload: Upload, model_upload: tuple[str, Any, Upload], moto_server: MotoServer, src: Path
) -> None:
    # Fault 58.
    lock = {"mode": "GOVERNANCE", "days": 1}
    bucket, client, into_model = model_upload
    src.write_bytes(SMALL)
    for run in (upload, into_model):
        for check_mode in (True, False):
            with pytest.raises(BackupError, match="the bucket has no Object Lock"):
                run(object_lock=lock, check_mode=check_mode)
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)
    locked = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    assert into_model(bucket=locked, object_lock=lock)["warnings"] == []
    with S3Proxy(moto_server.endpoint_url) as proxy:

        def longer(request: Request, forward: Forward) -> Reply:
            reply = forward(request)
            if reply.status == 200:
                reply.headers["x-amz-object-lock-retain-until-date"] = "2099-01-01T00:00:00Z"
            return reply

        proxy.inject("HeadObject", longer)
        told = into_model(bucket=locked, object_lock=lock, endpoint_url=proxy.endpoint_url, object="other")
    assert told["warnings"] == ["object_lock asks for 1 days, but the store locks it until 2099-01-01 UTC"]
