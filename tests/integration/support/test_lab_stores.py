"""The laboratory's stores do what its tests rely on."""

from __future__ import annotations

import io
import stat

import boto3
import botocore.exceptions
import pytest
from support.lab import MotoServer, RcloneRemote, S3Server


def test_the_s3_server_stores_real_files(s3_server: S3Server, s3_bucket: str) -> None:
    s3_server.client().put_object(Bucket=s3_bucket, Key="a/b", Body=b"content")
    assert (s3_server.root / s3_bucket / "a" / "b").read_bytes() == b"content"


def test_the_s3_server_sees_files_that_change_behind_it(s3_server: S3Server, s3_bucket: str) -> None:
    client = s3_server.client()
    client.put_object(Bucket=s3_bucket, Key="a/b", Body=b"content")
    (s3_server.root / s3_bucket / "a" / "b").write_bytes(b"damaged!")
    (s3_server.root / s3_bucket / "a" / "c").touch()
    assert client.get_object(Bucket=s3_bucket, Key="a/b")["Body"].read() == b"damaged!"
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=s3_bucket)["Contents"]] == ["a/b", "a/c"]


def test_the_s3_server_joins_the_parts_of_an_upload(s3_server: S3Server, s3_bucket: str) -> None:
    parts = [bytes([number]) * (6 << 20) for number in range(3)]
    s3_server.client().upload_fileobj(io.BytesIO(b"".join(parts)), s3_bucket, "big")
    assert (s3_server.root / s3_bucket / "big").read_bytes() == b"".join(parts)


def test_the_s3_server_refuses_a_wrong_secret(s3_server: S3Server, s3_bucket: str) -> None:
    stranger = boto3.client(
        "s3",
        endpoint_url=s3_server.endpoint_url,
        region_name=s3_server.region,
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key="wrong",
    )
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        stranger.list_objects_v2(Bucket=s3_bucket)


def test_the_s3_server_comes_back_where_it_was() -> None:
    with S3Server(tls=True) as server:
        assert server.certificates is not None
        bucket, url = server.create_bucket(), server.endpoint_url
        assert url.startswith("https://")
        server.stop()
        server.start()
        assert server.endpoint_url == url
        listing = server.client(verify=str(server.certificates.ca)).list_buckets()
        assert [entry["Name"] for entry in listing["Buckets"]] == [bucket]


def test_moto_knows_conditional_writes(moto_server: MotoServer) -> None:
    bucket = moto_server.create_bucket()
    client = moto_server.client()
    client.put_object(Bucket=bucket, Key="manifest", Body=b"1", IfNoneMatch="*")
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="manifest", Body=b"2", IfNoneMatch="*")


def test_rclone_reaches_both_its_remotes(rclone_webdav: RcloneRemote) -> None:
    assert rclone_webdav.webdav is not None
    (rclone_webdav.root / "file").write_text("x")
    rclone_webdav.run("copy", "gdrive:file", "webdav:there")
    assert (rclone_webdav.webdav.root / "there" / "file").read_text() == "x"
    assert stat.S_IMODE(rclone_webdav.config.stat().st_mode) == 0o600
