"""A store that falls silent or trickles is given up within a bound, whatever is asked of it; only we may be slow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone import process
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone import store as rclone_store
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.location import RcloneLocation
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3 import store as s3_store
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.location import S3Location
from botocore.retries.standard import ExponentialBackoff
from support.lab import RcloneRemote, S3Server, WebdavServer
from support.slow_store import SlowLine

MIB = 1024 * 1024
DATA = Random(1).randbytes(3 * MIB)
IMPATIENT = 0.2
"""Seconds of a store that is known to be in trouble."""


class Clock:
    """Tells how long ago a store was given up; it stands still but for a test that moves it."""

    now = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What is waited for is the store's answer, and neither the next try nor the time until it is asked again."""
    clock = Clock()
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    # An rclone in the midst of a request to such a store does not end when it is asked to.
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.1)
    for module in (rclone_store, s3_store):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@dataclass(frozen=True)
class Scene:
    """A store with an object, and the location of it behind a line that can be slow."""

    line: SlowLine
    location: Location
    options: dict[str, object]

    def be_patient(self, seconds: float) -> None:
        """Another ``stall_timeout`` from now on, be it less than anybody can ask for."""
        if isinstance(self.location, S3Location):
            self.location._store.stall_limit.seconds = seconds
        elif isinstance(self.location, RcloneLocation):
            self.location._store.daemon._stall_limit.seconds = seconds


@pytest.fixture(params=["s3", "rclone"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A store of each kind that can be far away."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        direct = server.location(server.create_bucket())
        with SlowLine(server.endpoint_url) as line:
            yield from _scene(direct, {**direct, "endpoint_url": line.endpoint_url}, line)
        return
    webdav: WebdavServer = request.getfixturevalue("webdav_server")
    remote = RcloneRemote(webdav=webdav)
    with SlowLine(webdav.url) as line:
        slow = remote.config.with_name("slow.conf")
        slow.write_text(re.sub("url = .*", f"url = {line.endpoint_url}", remote.config.read_text()))
        direct = remote.location("Backups", remote="webdav")
        yield from _scene(direct, {**direct, "config": str(slow)}, line)
    remote.close()


def _scene(direct: dict[str, object], behind: dict[str, object], line: SlowLine) -> Iterator[Scene]:
    store = open_location(direct)
    store.check()
    store.put("sets/object", DATA)
    location = open_location({**behind, "stall_timeout": 1})
    # Programs are started and remotes looked for before anything is slow.
    assert [info.key for info in location.list("")] == ["sets/object"]
    yield Scene(line, location, behind)
    line.heal()
    location.close()
    store.delete("sets/object")
    store.close()


def silent(scene: Scene) -> None:
    scene.be_patient(IMPATIENT)
    scene.line.silence_after(2 * MIB)


def dead(scene: Scene) -> None:
    scene.be_patient(IMPATIENT)
    scene.line.silence_after(0)


def trickling(scene: Scene) -> None:
    scene.be_patient(IMPATIENT)
    scene.line.trickle(0.05)


@pytest.mark.parametrize("fault", [silent, trickling])
def test_reading_ends_with_an_error_that_names_the_option(scene: Scene, fault: Callable[[Scene], None]) -> None:
    fault(scene)
    with pytest.raises(LocationError, match=r"\(stall_timeout\)") as caught:
        list(scene.location.read("sets/object"))
    assert caught.value.transient
    # A hundred files do not wait one after the other.
    before = scene.line.connections
    with pytest.raises(LocationError, match="given up a moment ago"):
        list(scene.location.read("sets/object"))
    assert scene.line.connections == before


@pytest.mark.parametrize("fault", [dead, trickling])
def test_listing_and_looking_end_with_an_error(scene: Scene, fault: Callable[[Scene], None]) -> None:
    fault(scene)
    with pytest.raises(LocationError, match=r"\(stall_timeout\)"):
        list(scene.location.list("sets"))
    for look in (scene.location.stat, scene.location.get):
        with pytest.raises(LocationError):
            look("sets/object")


def test_writing_ends_with_an_error(scene: Scene) -> None:
    writer = scene.location.writer("sets/other")
    silent(scene)
    with pytest.raises(LocationError, match=r"\(stall_timeout\)"):
        for _ in range(20):
            writer.write(DATA)
        writer.commit()
    scene.line.heal()
    writer.abort()


def test_a_store_that_answers_again_is_read_again(scene: Scene, clock: Clock) -> None:
    dead(scene)
    with pytest.raises(LocationError):
        list(scene.location.list(""))
    scene.line.heal()
    clock.now += 1.1
    scene.be_patient(1)
    assert b"".join(scene.location.read("sets/object")) == DATA


def test_we_may_be_slower_than_any_store(scene: Scene) -> None:
    patient = open_location({**scene.options, "stall_timeout": 1})
    pieces = patient.read("sets/object")
    read = [next(pieces)]
    writer = patient.writer("sets/slow")
    writer.write(DATA[:MIB])
    time.sleep(1.3)
    assert b"".join([*read, *pieces]) == DATA
    writer.write(DATA[MIB:])
    writer.commit()
    assert patient.get("sets/slow", limit=len(DATA)) == DATA
    patient.delete("sets/slow")
    patient.close()
