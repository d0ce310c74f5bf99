"""A location behind a proxy that makes faults, in front of a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3 import client, writer
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.location import S3Location
from botocore.retries.standard import ExponentialBackoff
from support.lab import S3Server
from support.s3_proxy import ChecksumStore, S3Proxy

MIB = 1024 * 1024
real_delay = ExponentialBackoff.delay_amount


@dataclass(frozen=True)
class Place:
    """A fresh bucket, its files, and a location of it that goes through a proxy."""

    proxy: S3Proxy
    location: S3Location
    options: dict[str, object]
    files: Path

    def stored(self) -> dict[str, bytes]:
        """What is in the bucket."""
        found = (path for path in self.files.rglob("*") if path.is_file())
        return {str(path.relative_to(self.files)): path.read_bytes() for path in found}


def payload(size: int, seed: int = 0) -> bytes:
    """Bytes that no part of which equals another part."""
    return Random(seed).randbytes(size)


SMALL = payload(100_000, seed=1)
LARGE = payload(8 * MIB + 17, seed=2)


def nothing_is_left(place: Place) -> bool:
    return place.stored() == {} and list(place.location.leftovers("")) == []


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries, and for answers, that a test can afford."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    monkeypatch.setattr(writer, "_CONFLICT_SECONDS", 0.01)
    monkeypatch.setattr(client, "CONNECT_SECONDS", 5)


@pytest.fixture
def place_of(s3_server: S3Server) -> Iterator[Callable[..., Place]]:
    """Makes a :class:`Place`; options for the location may be given."""
    made: list[Place] = []

    def make(**options: object) -> Place:
        bucket = f"bucket-{uuid4().hex[:12]}"
        s3_server.client().create_bucket(Bucket=bucket)
        proxy = S3Proxy(s3_server.endpoint_url)
        proxy.__enter__()
        wanted = {**s3_server.location(bucket), "endpoint_url": proxy.endpoint_url, **options}
        made.append(Place(proxy, S3Location.create(wanted), wanted, s3_server.root / bucket))
        return made[-1]

    yield make
    for place in made:
        place.location.close()
        place.proxy.__exit__()


@pytest.fixture
def place(place_of: Callable[..., Place]) -> Place:
    """A store whose only proof is an ETag that is an MD5."""
    return place_of()


@pytest.fixture
def checksum_place(place_of: Callable[..., Place]) -> Place:
    """A store that checks and echoes additional checksums."""
    made = place_of()
    made.proxy.inject("*", ChecksumStore())
    return made
