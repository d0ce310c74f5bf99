"""S3 servers under the suite of all locations: one of real files, one that is a model of AWS, and Ceph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from support.lab import CephServer, MotoServer, S3Server

from .backend import Backend, Maker

PREFIX = "some/prefix"


def contents(client: Any, bucket: str) -> set[str]:
    """The keys of all objects and unfinished uploads of a bucket, as the server lists them."""
    objects = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return {entry["Key"].removeprefix(f"{PREFIX}/") for entry in [*objects, *uploads]}


@contextmanager
def s3_files(_request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A bucket of a server that stores real files and does not know conditional writes."""
    with S3Server() as server:
        yield _backend(server, "bucket", prefix=PREFIX)


@contextmanager
def s3_model(_request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A bucket of a server that knows conditional writes, without a prefix."""
    with MotoServer() as server:
        yield _backend(server, "bucket")


@contextmanager
def s3_ceph(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A bucket of Ceph's gateway."""
    server: CephServer = request.getfixturevalue("ceph_server")
    yield _backend(server, f"bucket-{uuid4().hex[:12]}", prefix=PREFIX)


def _backend(server: S3Server | MotoServer | CephServer, bucket: str, *, prefix: str = "") -> Backend:
    server.create_bucket(bucket)
    client = server.client()
    return Backend(
        options=server.location(bucket, prefix=prefix),
        missing=server.location("no-such-bucket", prefix=prefix),
        stored=lambda: contents(client, bucket),
    )


BACKENDS: dict[str, Maker] = {"s3-files": s3_files, "s3-model": s3_model, "s3-ceph": s3_ceph}
