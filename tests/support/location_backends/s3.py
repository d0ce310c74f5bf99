"""S3 servers under the suite of all locations: one of real files, one that is a model of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.lab import MotoServer, S3Server

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


def _backend(server: S3Server | MotoServer, bucket: str, *, prefix: str = "") -> Backend:
    server.create_bucket(bucket)
    client = server.client()
    return Backend(
        options=server.location(bucket, prefix=prefix),
        missing=server.location("no-such-bucket", prefix=prefix),
        stored=lambda: contents(client, bucket),
    )


BACKENDS: dict[str, Maker] = {"s3-files": s3_files, "s3-model": s3_model}
