"""Remotes of rclone under the suite of all locations: a directory, a WebDAV server and a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.lab import RcloneRemote, S3Server, WebdavServer, new_directory

from .backend import Backend, Maker
from .local import files_below


@contextmanager
def directory(_request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A remote that stands for Google Drive; its folder is made by check()."""
    remote = RcloneRemote()
    yield Backend(
        options=remote.location("Backups"),
        missing=remote.location("Backups", remote="nowhere"),
        stored=lambda: files_below(remote.root / "Backups"),
    )
    remote.close()


@contextmanager
def webdav(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A WebDAV server with a login."""
    server: WebdavServer = request.getfixturevalue("webdav_server")
    remote = RcloneRemote(webdav=server)
    folder = new_directory("webdav-root").name
    yield Backend(
        options=remote.location(folder, remote="webdav"),
        missing=remote.location(folder, remote="nowhere"),
        stored=lambda: files_below(server.root / folder),
    )
    remote.close()


@contextmanager
def bucket(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A bucket: no rename, and an upload is invisible until it is complete."""
    server: S3Server = request.getfixturevalue("s3_server")
    config = bucket_config(server)
    name = server.create_bucket()
    location: dict[str, object] = {"name": "cloud", "type": "rclone", "config": str(config)}
    yield Backend(
        options={**location, "remote": f"cloud:{name}/Backups"},
        missing={**location, "remote": "cloud:no-such-bucket/Backups"},
        stored=lambda: files_below(server.root / name / "Backups"),
    )
    server.remove_bucket(name)


def bucket_config(server: S3Server) -> Path:
    """A configuration whose remote ``cloud:`` holds the buckets of *server*."""
    config = new_directory("rclone-s3") / "rclone.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"[cloud]\ntype = s3\nprovider = Rclone\nendpoint = {server.endpoint_url}\nregion = {server.region}\n"
        f"access_key_id = {server.access_key}\nsecret_access_key = {server.secret_key}\n"
    )
    return config


BACKENDS: dict[str, Maker] = {"rclone": directory, "rclone-webdav": webdav, "rclone-bucket": bucket}
