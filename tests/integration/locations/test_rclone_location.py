"""What a remote of rclone promises beyond the suite: broken uploads, twins, kills, secrets, and clear refusals."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Leftover
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone import process, writer
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.location import RcloneLocation
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.store import Entry, RcloneStore
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.upload import Upload
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.writer import RcloneWriter
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from support.lab import RcloneRemote, S3Server, new_directory, wait_until
from support.location_backends.local import files_below
from support.location_backends.rclone import bucket_config
from support.locations import BytesSource, mounted_tmpfs
from support.s3_proxy import S3Proxy, error

MIB = 1024 * 1024
CANARY = "canary-6c1f0e8b"


def location_of(options: dict[str, object]) -> RcloneLocation:
    location = open_location(options)
    assert isinstance(location, RcloneLocation)
    return location


def daemon_pid(location: RcloneLocation) -> int:
    pid = location._store.daemon.pid
    assert isinstance(pid, int)
    return pid


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.fixture
def drive(rclone_config: RcloneRemote) -> Iterator[RcloneLocation]:
    """A remote with a server-side rename, checked."""
    location = location_of(rclone_config.location("Backups"))
    location.check()
    yield location
    location.close()


@pytest.fixture
def files(rclone_config: RcloneRemote) -> Callable[[], set[str]]:
    """What is behind :func:`drive`."""
    return lambda: files_below(rclone_config.root / "Backups")


@pytest.fixture
def bucket(s3_server: S3Server, s3_bucket: str) -> Iterator[RcloneLocation]:
    """A remote without a rename, checked."""
    config = str(bucket_config(s3_server))
    location = location_of({"name": "cloud", "type": "rclone", "remote": f"cloud:{s3_bucket}", "config": config})
    location.check()
    yield location
    location.close()


def broken_off(location: RcloneLocation, path: str, size: int, how: str, *, buffered: bool) -> None:
    upload = Upload(location._store.daemon, location._store.remote, path, buffered=buffered)
    upload.send(b"x" * size)
    time.sleep(0.05)
    if how == "closed":
        upload._connection.close()
    elif how == "ended early":
        upload._connection.sock.sendall(b"0\r\n\r\n")
        upload._connection.getresponse().read()
    else:
        upload.cancel()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("how", ["closed", "half closed", "ended early"])
@pytest.mark.parametrize("size", [1, 50_000, 12 * MIB])
def test_a_body_that_breaks_off_is_no_object_in_a_bucket(
    bucket: RcloneLocation, s3_server: S3Server, s3_bucket: str, size: int, how: str
) -> None:
    broken_off(bucket, "label/object", size, how, buffered=False)
    time.sleep(0.1)
    assert files_below(s3_server.root / s3_bucket) == set()
    assert bucket.stat("label/object") is None


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[RcloneLocation]:
    """A store without a rename that stores whatever rclone gives it."""
    config = tmp_path / "rclone.conf"
    config.write_text("[memory]\ntype = memory\n")
    location = location_of({"name": "memory", "type": "rclone", "remote": "memory:bucket", "config": str(config)})
    location._store.ask("make the bucket", "operations/mkdir", fs="memory:bucket", remote="")
    yield location
    location.close()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("how", ["closed", "half closed", "ended early"])
@pytest.mark.parametrize("size", [1, 50_000, 12 * MIB])
def test_a_body_that_breaks_off_is_no_object_in_a_simple_store(memory: RcloneLocation, size: int, how: str) -> None:
    broken_off(memory, "label/object", size, how, buffered=False)
    time.sleep(0.1)
    assert memory.stat("label/object") is None


WRITE_AND_WAIT = """
import sys
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
location = open_location({"name": "drive", "type": "rclone", "remote": sys.argv[1], "config": sys.argv[2]})
writer = location.writer("label/set/object")
writer.write(b"x" * int(sys.argv[3]))
print(location._store.daemon.pid, flush=True)
sys.stdin.read()
"""


def killed_during_an_upload(options: dict[str, object], size: int, *, with_rclone: bool) -> None:
    """Kill a process that uploads to ``label/set/object``, maybe its rclone first."""
    argv = [sys.executable, "-c", WRITE_AND_WAIT, str(options["remote"]), str(options["config"]), str(size)]
    environment = {**os.environ, "TMPDIR": str(new_directory("killed"))}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        helper = int(child.stdout.readline())
        assert alive(helper)
        time.sleep(0.1)
        if with_rclone:
            os.kill(helper, signal.SIGKILL)
        child.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(helper), what="rclone to end with its parent")


@pytest.mark.parametrize(("size", "with_rclone"), [(1000, False), (4 * MIB, True), (4 * MIB, False)])
def test_a_killed_run_leaves_no_object_and_no_rclone(
    drive: RcloneLocation,
    rclone_config: RcloneRemote,
    files: Callable[[], set[str]],
    size: int,
    with_rclone: bool,
) -> None:
    killed_during_an_upload(rclone_config.location("Backups"), size, with_rclone=with_rclone)
    assert list(drive.list("")) == []
    assert drive.stat("label/set/object") is None
    leftovers = list(drive.leftovers(""))
    if with_rclone and size > MIB:
        assert [leftover.key for leftover in leftovers] == ["label/set/object"]
    drive.put("label/set/object", b"the next run")
    for leftover in leftovers:
        drive.discard(leftover)
        drive.discard(leftover)
    assert files() == {"label/set/object"}


@pytest.mark.parametrize(("size", "with_rclone"), [(1000, True), (12 * MIB, False)])
def test_a_killed_run_leaves_no_object_in_a_bucket(
    bucket: RcloneLocation, s3_server: S3Server, s3_bucket: str, size: int, with_rclone: bool
) -> None:
    options: dict[str, object] = {"remote": f"cloud:{s3_bucket}", "config": str(bucket_config(s3_server))}
    killed_during_an_upload(options, size, with_rclone=with_rclone)
    assert list(bucket.list("")) == []
    # What this server collects the parts of an open upload in is no object.
    assert not any(".rclone_temp_multipart" not in path for path in files_below(s3_server.root / s3_bucket))


def test_an_abort_leaves_no_directory(drive: RcloneLocation) -> None:
    writer = drive.writer("label/set/object")
    writer.write(b"x" * MIB)
    writer.abort()
    assert list(drive.list_directories("label")) == []


def test_only_what_is_unfinished_can_be_discarded(drive: RcloneLocation) -> None:
    receipt = drive.put("label/object", b"data")
    info = drive.stat(receipt.key)
    assert info is not None
    for token in ("label/object", "../outside"):
        with pytest.raises((LocationError, ConfigError)):
            drive.discard(Leftover("label/object", info.modified, token))
    assert drive.get("label/object") == b"data"


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that lists late gets no second chance."""
    monkeypatch.setattr(writer, "_PAUSES", ())


def test_a_store_that_lists_late_gets_some_time(
    drive: RcloneLocation, rclone_config: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = RcloneStore.entries
    looks: list[str] = []

    def late(store: RcloneStore, step: str, directory: str, **options: Any) -> list[Entry] | None:
        found = entries(store, step, directory, **options)
        looks.append(step)
        return found if looks.count(step) > 1 else []

    monkeypatch.setattr(RcloneStore, "entries", late)
    drive.put("label/object", b"data")
    assert looks.count("verify label/object") == looks.count("finish label/object") == 2
    assert files_below(rclone_config.root) == {"Backups/label/object"}


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone"])
def test_an_object_that_arrived_otherwise_than_sent_is_removed_and_told(
    bucket: RcloneLocation, s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    stored = s3_server.root / s3_bucket / "label/object"
    finish = RcloneWriter._finish

    def finish_and_damage(writer: RcloneWriter) -> None:
        finish(writer)
        if damage == "gone":
            stored.unlink()
        elif damage == "truncated":
            stored.write_bytes(b"dat")
        else:
            stored.write_bytes(b"dbta")
        os.utime(stored.parent)

    monkeypatch.setattr(RcloneWriter, "_finish", finish_and_damage)
    told = {"flipped": "md5", "truncated": "3 bytes arrived, 4 were sent", "gone": "does not have it"}
    with pytest.raises(LocationError, match=told[damage]):
        bucket.put("label/object", b"data")
    assert bucket.stat("label/object") is None
    assert files_below(s3_server.root / s3_bucket) == set()


@pytest.mark.usefixtures("no_patience")
def test_a_damaged_upload_is_found_before_it_gets_its_name(
    drive: RcloneLocation, rclone_config: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = RcloneWriter._finish

    def finish_and_truncate(writer: RcloneWriter) -> None:
        finish(writer)
        [path] = (rclone_config.root / "Backups/label").iterdir()
        path.write_bytes(b"dat")

    monkeypatch.setattr(RcloneWriter, "_finish", finish_and_truncate)
    with pytest.raises(LocationError, match="3 bytes arrived, 4 were sent"):
        drive.put("label/object", b"data")
    assert files_below(rclone_config.root) == set()


def test_the_proof_is_the_best_that_the_store_gives_for_nothing(drive: RcloneLocation, bucket: RcloneLocation) -> None:
    assert drive.put("label/object", b"data").proof == "size"
    assert bucket.put("label/object", b"data").proof == "md5"


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[tuple[RcloneLocation, Path]]:
    """A remote that has two objects named ``label/a:b``, as Google Drive may, and the directory behind it."""
    root = tmp_path / "store"
    (root / "label").mkdir(parents=True)
    config = tmp_path / "rclone.conf"
    # Both an encoded and a plain colon are read as a colon.
    config.write_text("[twins]\ntype = local\nencoding = Slash,Colon,InvalidUtf8,Dot\n")
    (root / "label/a:b").write_bytes(b"one")
    (root / "label/a\uff1ab").write_bytes(b"other")
    (root / "label/single").write_bytes(b"fine")
    location = location_of({"name": "drive", "type": "rclone", "remote": f"twins:{root}", "config": str(config)})
    yield location, root
    location.close()


def test_two_objects_of_one_name_are_named(twins: tuple[RcloneLocation, Path]) -> None:
    location, _root = twins
    # That a kind of store allows this is known of Google Drive, and not of the directory that stands for it.
    daemon, traits = location._store._opened()
    location._store._open = daemon, replace(traits, doubles=True)
    for ask in (
        lambda: list(location.list("")),
        lambda: list(location.list("label")),
        lambda: location.stat("label/a:b"),
        lambda: location.get("label/a:b"),
    ):
        with pytest.raises(LocationError, match="two objects named 'label/a:b'") as error:
            ask()
        assert "rclone dedupe" in str(error.value)
    assert location.get("label/single") == b"fine"
    assert location.stat("label/single") is not None


def test_a_twin_that_appears_during_an_upload_is_told(twins: tuple[RcloneLocation, Path]) -> None:
    location, root = twins
    writer = location.writer("label/c:d")
    writer.write(b"data")
    ask = location._store.ask

    def ask_and_plant(step: str, method: str, **parameters: Any) -> Any:
        answer = ask(step, method, **parameters)
        if method == "operations/movefile":
            (root / "label/c:d").write_bytes(b"data")
        return answer

    location._store.ask = ask_and_plant
    with pytest.raises(LocationError, match="two objects named 'label/c:d'") as error:
        writer.commit()
    assert writer.receipt is None
    # Whoever cleans up must not remove what is somebody else's.
    assert error.value.taken
    assert (root / "label/c:d").exists()


def answering(monkeypatch: pytest.MonkeyPatch, after_the_move: Callable[[], None]) -> None:
    """Let every rename be carried out, and *after_the_move* happen before its answer comes."""
    ask = RcloneStore.ask

    def ask_and_meddle(store: RcloneStore, step: str, method: str, **parameters: Any) -> Any:
        answer = ask(store, step, method, **parameters)
        if method == "operations/movefile":
            after_the_move()
        return answer

    monkeypatch.setattr(RcloneStore, "ask", ask_and_meddle)


def test_a_rename_whose_answer_is_lost_has_succeeded(
    drive: RcloneLocation, files: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose() -> None:
        raise LocationError("gdrive", "finish", "the connection broke")

    answering(monkeypatch, lose)
    assert drive.put("label/object", b"data").size == 4
    assert files() == {"label/object"}


@pytest.mark.usefixtures("no_patience")
def test_an_object_that_is_damaged_under_its_name_is_removed(
    drive: RcloneLocation, rclone_config: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage() -> None:
        (rclone_config.root / "Backups/label/object").write_bytes(b"dat")

    answering(monkeypatch, damage)
    with pytest.raises(LocationError, match="3 bytes arrived, 4 were sent"):
        drive.put("label/object", b"data")
    assert files_below(rclone_config.root) == set()


@pytest.mark.usefixtures("no_patience")
def test_a_rename_that_is_not_carried_out_fails_and_leaves_nothing(
    drive: RcloneLocation, files: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = RcloneStore.ask

    def ask_or_forget(store: RcloneStore, step: str, method: str, **parameters: Any) -> Any:
        return {} if method == "operations/movefile" else ask(store, step, method, **parameters)

    monkeypatch.setattr(RcloneStore, "ask", ask_or_forget)
    with pytest.raises(LocationError, match="did not rename it"):
        drive.put("label/object", b"data")
    assert files() == set()


@pytest.mark.usefixtures("no_patience")
def test_a_name_that_is_taken_in_the_last_moment_is_not_replaced(
    drive: RcloneLocation, rclone_config: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = RcloneStore.ask

    def plant_and_ask(store: RcloneStore, step: str, method: str, **parameters: Any) -> Any:
        if method == "operations/movefile":
            (rclone_config.root / "Backups/label/object").write_bytes(b"theirs")
        return ask(store, step, method, **parameters)

    monkeypatch.setattr(RcloneStore, "ask", plant_and_ask)
    with pytest.raises(LocationError, match="exists already") as error:
        drive.put("label/object", b"ours")
    assert error.value.taken
    assert drive.get("label/object") == b"theirs"
    assert files_below(rclone_config.root) == {"Backups/label/object"}


def test_deleting_removes_every_object_of_the_name(twins: tuple[RcloneLocation, Path]) -> None:
    location, root = twins
    location.delete("label/a:b")
    # rclone finds only the one whose name it would give itself.
    assert (root / "label/single").exists()
    assert not (root / "label/a\uff1ab").exists()


def refusal(options: dict[str, object]) -> str:
    location = location_of(options)
    try:
        with pytest.raises(LocationError) as error:
            location.check()
        return str(error.value)
    finally:
        location.close()


def test_a_missing_remote_is_named_with_those_that_are_known(rclone_webdav: RcloneRemote) -> None:
    with rclone_webdav.config.open("a") as config:
        config.write(f"token = {CANARY}\n")
    told = refusal(rclone_webdav.location("Backups", remote="gdirve"))
    assert "no remote 'gdirve'" in told
    assert "gdrive, webdav" in told
    assert CANARY not in told


def test_an_empty_configuration_is_told(tmp_path: Path) -> None:
    config = tmp_path / "rclone.conf"
    config.touch()
    told = refusal({"name": "drive", "type": "rclone", "remote": "gdrive:x", "config": str(config)})
    assert "knows no remote at all" in told


def test_a_missing_configuration_is_told(rclone_config: RcloneRemote) -> None:
    options = {**rclone_config.location("x"), "config": "/nowhere/rclone.conf"}
    assert "/nowhere/rclone.conf cannot be read" in refusal(options)


def test_a_configuration_with_a_password_is_told(rclone_config: RcloneRemote) -> None:
    encrypted = b64encode(os.urandom(96)).decode()
    rclone_config.config.write_text(f"# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\n{encrypted}\n")
    assert "RCLONE_CONFIG_PASS" in refusal(rclone_config.location("x"))


def test_a_missing_rclone_is_told(rclone_config: RcloneRemote) -> None:
    told = refusal({**rclone_config.location("x"), "rclone_path": "/nowhere/rclone"})
    assert "/nowhere/rclone is not installed" in told
    assert "install rclone" in told


@pytest.mark.parametrize("serves", ["exit 1", "sleep 60"], ids=["refuses to start", "never serves"])
def test_a_program_that_does_not_serve_is_told(
    rclone_config: RcloneRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serves: str
) -> None:
    from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone import daemon

    monkeypatch.setattr(daemon, "_START_SECONDS", 0.5)
    program = tmp_path / "rclone"
    program.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "rclone v1.60.1-DEV" && exit\nexec {serves}\n')
    program.chmod(0o755)
    told = refusal({**rclone_config.location("x"), "rclone_path": str(program)})
    assert "is rclone 1.60.1; 1.65.0 or newer is needed" in told
    program.write_text(program.read_text().replace("1.60.1-DEV", "1.75.2"))
    told = refusal({**rclone_config.location("x"), "rclone_path": str(program)})
    assert "ended with status 1" in told or "did not begin to serve" in told


def test_a_missing_bucket_is_told_and_not_made(s3_server: S3Server) -> None:
    config = str(bucket_config(s3_server))
    options: dict[str, object] = {"name": "cloud", "type": "rclone", "remote": "cloud:misspelt", "config": config}
    assert "cloud:misspelt does not exist" in refusal(options)
    assert not (s3_server.root / "misspelt").exists()


def test_wrong_credentials_are_told(rclone_webdav: RcloneRemote) -> None:
    text = rclone_webdav.config.read_text()
    rclone_webdav.config.write_text(re.sub("user = .*", f"user = {CANARY}", text))
    told = refusal(rclone_webdav.location("x", remote="webdav"))
    assert "denies access" in told
    assert CANARY not in told


class Portal(BaseHTTPRequestHandler):
    """Answers whatever it is asked for with the same page."""

    page = b""
    status = 200

    def do_PROPFIND(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    do_GET = do_HEAD = do_OPTIONS = do_PROPFIND  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (200, b"<!DOCTYPE html><html><body>Please log in<br></html>"),
        (200, b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>Please log in</body></html>'),
        (207, b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"></D:multistatus>'),
    ],
    ids=["a page", "a page that is XML", "no entry"],
)
def test_what_answers_in_the_same_way_to_everything_is_no_empty_store(
    rclone_config: RcloneRemote, status: int, page: bytes
) -> None:
    # Fault 58.
    handler = type("Page", (Portal,), {"page": page, "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, rclone_config.config.open("a") as config:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        config.write(f"[portal]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{server.server_port}\n")
        config.flush()
        try:
            with contextlib.closing(open_location(rclone_config.location("Backups", remote="portal"))) as location:
                for look in (location.list, location.list_directories):
                    for prefix in ("", "shop"):
                        with pytest.raises(LocationError):
                            list(look(prefix))
        finally:
            server.shutdown()


def test_a_store_that_is_down_is_told_as_something_that_may_pass(rclone_webdav: RcloneRemote) -> None:
    text = rclone_webdav.config.read_text()
    rclone_webdav.config.write_text(re.sub("url = .*", "url = http://127.0.0.1:9", text))
    location = location_of(rclone_webdav.location("x", remote="webdav"))
    with pytest.raises(LocationError, match="does not answer") as error:
        location.check()
    assert error.value.transient
    location.close()


def test_a_store_that_stalls_is_given_up(rclone_webdav: RcloneRemote) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        text = rclone_webdav.config.read_text()
        url = f"url = http://127.0.0.1:{listener.getsockname()[1]}"
        rclone_webdav.config.write_text(re.sub("url = .*", url, text))
        location = location_of({**rclone_webdav.location("x", remote="webdav"), "stall_timeout": 1})
        # The listener never says a word, so that who comes back has given it up.
        with pytest.raises(LocationError, match="does not answer") as error:
            location.check()
        assert error.value.transient
        location.close()


def test_a_full_store_fails_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_TRY_PAUSES", (0.01,) * 4)
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.1)
    with mounted_tmpfs(tmp_path / "small", "size=4m,mode=0700") as path:
        remote = RcloneRemote(tmp_path / "rclone.conf", root=path)
        location = location_of(remote.location("Backups"))
        location.check()
        other = open_location({"name": "disk", "type": "local", "path": str(tmp_path / "disk")})
        other.check()
        data = os.urandom(8 * MIB)
        sinks = [location.writer("set/object"), other.writer("set/object")]
        outcomes = Pipeline(BytesSource(data), [], sinks).run()
        assert [outcome.error is None for outcome in outcomes] == [False, True]
        assert "location 'gdrive'" in str(outcomes[0].error)
        assert "the store is full" in str(outcomes[0].error)
        assert files_below(path) == set()
        assert other.get("set/object") == data
        location.close()


@pytest.mark.parametrize(
    "remote",
    [
        "",
        "no-colon",
        ":local:/tmp",
        "/a/directory",
        "./relative",
        "-flag:x",
        "a/b:c",
        "name:a/../b",
        "name:a]b",
        None,
        5,
    ],
)
def test_a_remote_that_cannot_be_right_is_refused_before_anything_is_touched(remote: object) -> None:
    with pytest.raises(ConfigError, match="drive"):
        open_location({"name": "drive", "type": "rclone", "remote": remote})


@pytest.mark.parametrize(
    "options", [{"config": "relative.conf"}, {"stall_timeout": 0}, {"stall_timeout": "long"}, {"stall_timeout": True}]
)
def test_another_option_that_cannot_be_right_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        open_location({"name": "drive", "type": "rclone", "remote": "gdrive:x", **options})


def test_opening_a_location_starts_nothing(rclone_config: RcloneRemote) -> None:
    location = location_of(rclone_config.location("Backups"))
    assert location._store._open is None
    assert list(rclone_config.root.iterdir()) == []


def test_neither_arguments_nor_environment_of_rclone_carry_a_secret(
    rclone_webdav: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "RCLONE_RC_PASS", "MOBUL_SECRET"):
        monkeypatch.setenv(name, CANARY)
    options = rclone_webdav.location("x", remote=f"webdav,headers='X-Token,{CANARY}'")
    location = location_of(options)
    location.check()
    location.put("label/object", b"data")
    for file in ("cmdline", "environ"):
        told = Path(f"/proc/{daemon_pid(location)}/{file}").read_bytes().decode()
        assert CANARY not in told
        assert "RCLONE" in told or "rcd" in told
    with pytest.raises(LocationError) as error:
        location.get("label/missing")
    assert CANARY not in str(error.value)
    location.close()


def test_a_secret_in_a_connection_string_is_not_in_errors(rclone_config: RcloneRemote) -> None:
    options = rclone_config.location("x", remote=f"gdrive,type=webdav,url='http://127.0.0.1:9/{CANARY}',pass={CANARY}")
    told = refusal(options)
    assert CANARY not in told
    assert "no-such" not in told


def test_the_socket_is_private_and_goes_with_the_daemon(drive: RcloneLocation) -> None:
    pid, path = daemon_pid(drive), Path(drive._store.daemon._path)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    drive.close()
    assert not alive(pid)
    assert not path.parent.exists()


def test_what_a_killed_run_left_of_its_socket_goes_with_the_next_but_nothing_that_is_in_use(
    rclone_config: RcloneRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = new_directory("sockets")
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    with socket.socket(socket.AF_UNIX) as served, socket.socket(socket.AF_UNIX) as abandoned:
        for name, listener in (("served", served), ("abandoned", abandoned), ("young", None), ("empty", None)):
            place = directory / f"mobul-rclone-{name}"
            place.mkdir(mode=0o700)
            if listener is not None:
                listener.bind(str(place / "socket"))
            if name != "young":
                os.utime(place, (0, 0))
        served.listen()
        location = location_of(rclone_config.location("Backups"))
        location.check()
        location.close()
    assert {path.name for path in directory.iterdir()} == {"mobul-rclone-served", "mobul-rclone-young"}


def test_a_long_temporary_directory_is_no_obstacle(
    rclone_config: RcloneRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    location = location_of(rclone_config.location("Backups"))
    location.check()
    location.close()
    assert list(deep.iterdir()) == []


def test_a_location_that_is_forgotten_ends_its_rclone(rclone_config: RcloneRemote) -> None:
    location = location_of(rclone_config.location("Backups"))
    location.check()
    pid = daemon_pid(location)
    del location
    gc.collect()
    assert not alive(pid)


def test_rclone_outlives_the_thread_that_needed_it_first(rclone_config: RcloneRemote) -> None:
    location = location_of(rclone_config.location("Backups"))
    thread = threading.Thread(target=location.check)
    thread.start()
    thread.join()
    pid = daemon_pid(location)
    time.sleep(0.2)
    assert alive(pid)
    location.put("label/object", b"data")
    assert daemon_pid(location) == pid
    location.close()


def test_rclone_that_died_is_started_again(drive: RcloneLocation) -> None:
    drive.put("label/first", b"data")
    pid = daemon_pid(drive)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), what="rclone to end")
    drive.put("label/second", b"data")
    assert [info.key for info in drive.list("")] == ["label/first", "label/second"]


def test_rclone_that_dies_during_an_upload_fails_it(drive: RcloneLocation, files: Callable[[], set[str]]) -> None:
    writer = drive.writer("label/object")
    for _ in range(9):
        writer.write(b"x" * MIB)
    os.kill(daemon_pid(drive), signal.SIGKILL)
    with pytest.raises(LocationError, match="broke the connection off"):
        for _ in range(100):
            writer.write(b"x" * MIB)
    writer.abort()
    assert files() == set()


def test_what_is_still_in_memory_is_sent_again_should_rclone_die(
    drive: RcloneLocation, files: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_TRY_PAUSES", (0.01,) * 4)
    sink = drive.writer("label/object")
    data = os.urandom(3 * MIB)
    sink.write(data[:MIB])
    os.kill(daemon_pid(drive), signal.SIGKILL)
    sink.write(data[MIB:])
    sink.commit()
    assert drive.get("label/object", limit=len(data)) == data
    assert files() == {"label/object"}


@pytest.mark.parametrize("times", [1, 10**9])
def test_an_upload_that_the_store_refuses_for_a_while_is_sent_again(
    rclone_webdav: RcloneRemote, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    # After each refusal rclone itself waits a second.
    monkeypatch.setattr(writer, "_TRY_PAUSES", (0.01,) * 2)
    data = os.urandom(300_000)
    assert rclone_webdav.webdav is not None
    with S3Proxy(rclone_webdav.webdav.url) as proxy:
        text = rclone_webdav.config.read_text()
        rclone_webdav.config.write_text(re.sub("url = .*", f"url = {proxy.endpoint_url}", text))
        location = location_of(rclone_webdav.location("refusals", remote="webdav"))
        location.check()
        proxy.inject("PutObject", error(503, "ServiceUnavailable"), times=times)
        proxy.requests.clear()
        if times == 1:
            location.put("label/object", data)
            assert location.get("label/object") == data
            assert len(proxy.of("PutObject")) == 2
        else:
            with pytest.raises(LocationError) as caught:
                location.put("label/object", data)
            assert caught.value.transient
            assert len(proxy.of("PutObject")) == 3
            assert list(location.leftovers("")) == []
        location.delete("label/object")
        location.close()


def test_rclone_that_dies_during_a_download_fails_it(drive: RcloneLocation) -> None:
    drive.put("label/object", b"x" * (40 * MIB))
    reader = drive.read("label/object")
    next(reader)
    os.kill(daemon_pid(drive), signal.SIGKILL)
    with pytest.raises(LocationError):
        list(reader)


def test_a_closed_location_opens_again_when_it_is_used(drive: RcloneLocation) -> None:
    drive.put("label/object", b"data")
    drive.close()
    assert drive.get("label/object") == b"data"


def test_our_own_cpu_is_a_small_part_of_an_upload(drive: RcloneLocation) -> None:
    chunk = os.urandom(MIB)
    writer = drive.writer("label/object")
    before = time.process_time()
    for _ in range(64):
        writer.write(chunk)
    writer.commit()
    took = time.process_time() - before
    # The promise is 0.6 s for 290 MB, where SHA-256 takes 0.24 s.
    before = time.process_time()
    for _ in range(64):
        hashlib.sha256(chunk)
    assert took < 2.5 * (time.process_time() - before)


def test_the_defaults_are_those_of_the_documentation() -> None:
    location = RcloneLocation.create({"name": "drive", "type": "rclone", "remote": "gdrive:Backups"})
    assert location._store.stall_timeout == 60
