"""Stores to back up to: real S3 and WebDAV protocols over real files, rclone remotes, and a model of AWS."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import workspace
from .certificates import Certificates, make_certificates
from .own_server import OwnServer
from .programs import Program, require_tool

REGION = "us-east-1"

# The body of an answer is not to wait until the client's kernel has confirmed the head, 40 ms.
_MOTO = """
from moto.server import main
from werkzeug.serving import WSGIRequestHandler
WSGIRequestHandler.disable_nagle_algorithm = True
main()
"""
# Tests change the files behind the servers.
_FRESH = ("--dir-cache-time", "1ms")


class S3Store(OwnServer):
    """What the servers that speak S3 have in common."""

    region = REGION
    endpoint_url = ""
    access_key: str
    secret_key: str

    def location(self, bucket: str, *, name: str = "s3", prefix: str = "") -> dict[str, Any]:
        """The bucket as a location of the collection's modules."""
        return {
            "name": name,
            "type": "s3",
            "bucket": bucket,
            "prefix": prefix,
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        }

    def client(self, service: str = "s3", **options: Any) -> Any:
        """A boto3 client of this server."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            **options,
        )


class S3Server(S3Store):
    """``rclone serve s3``: real signatures and multipart uploads over real files, a directory for each bucket.

    It ignores If-None-Match and knows neither lifecycle, versioning nor locks: :class:`MotoServer` does.

    :param root: where the buckets are; a directory of its own if none is given.
    :param tls: serve HTTPS, see :attr:`certificates`.
    :param address: host and port to listen on; any free port of loopback if none is given.
    :param etags: whether it tells an object's MD5, for which it reads the whole object at every request; real stores
        keep it.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        tls: bool = False,
        etags: bool = True,
        address: str = "127.0.0.1:0",
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        super().__init__("s3")
        self.root = root or self.directory / "buckets"
        self.root.mkdir(parents=True, exist_ok=True)
        self.access_key = access_key or f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_key = secret_key or secrets.token_urlsafe(30)
        self.certificates: Certificates | None = make_certificates(self.directory) if tls else None
        self._address = address
        self._etags = etags

    def start(self) -> S3Server:
        """Start the server; after a stop it comes back on the same port."""
        # Parts are compared with their MD5 when they arrive; hashing the object a second time on its way to the disk
        # is work that no store does on the machine of its client.
        options = ["--ignore-checksum", "--addr", self._address, *_FRESH]
        argv: list[str | Path] = [require_tool("rclone"), "serve", "s3", *options]
        if not self._etags:
            argv += ["--etag-hash", ""]
        if self.certificates:
            argv += ["--cert", self.certificates.certificate, "--key", self.certificates.key]
        self._program = Program(
            [*argv, self.root],
            log=self.log,
            environment={
                "RCLONE_CONFIG": os.devnull,
                # Not in argv: the tests look for secrets there.
                "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"',
            },
        )
        url = self._program.wait_for_output(r"Starting s3 server on \[(https?://([\d.]+:\d+))/?\]")
        self.endpoint_url, self._address = url[1], url[2]
        return self

    def create_bucket(self, name: str | None = None) -> str:
        """Make a bucket and return its name (a fresh one if none is given)."""
        name = name or f"bucket-{secrets.token_hex(5)}"
        (self.root / name).mkdir()
        return name

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        shutil.rmtree(self.root / name, ignore_errors=True)


class MotoServer(S3Store):
    """moto's model of AWS: conditional writes, versioning, lifecycle, Object Lock; it checks no signature."""

    access_key = "AKIAIOSFODNN7EXAMPLE"
    secret_key = "moto-takes-any-secret"

    def __init__(self) -> None:
        super().__init__("moto")

    def start(self) -> MotoServer:
        """Start the server without objects."""
        self._program = Program(
            [sys.executable, "-c", _MOTO, "-H", "127.0.0.1", "-p", "0"],
            log=self.log,
            environment={"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )
        self.endpoint_url = self._program.wait_for_output(r"Running on (http://[\d.]+:\d+)")[1]
        return self

    def create_bucket(self, name: str | None = None, **options: Any) -> str:
        """Make a bucket and return its name; *options* as of boto3's ``create_bucket``."""
        name = name or f"bucket-{secrets.token_hex(5)}"
        self.client().create_bucket(Bucket=name, **options)
        return name


class WebdavServer(OwnServer):
    """``rclone serve webdav`` with a login: a remote that is really remote."""

    user = "laboratory"

    def __init__(self, root: Path | None = None) -> None:
        super().__init__("webdav")
        self.root = root or self.directory / "files"
        self.root.mkdir(parents=True, exist_ok=True)
        self.password = secrets.token_urlsafe(12)
        self.url = ""
        self._address = "127.0.0.1:0"

    def start(self) -> WebdavServer:
        """Start the server; after a stop it comes back on the same port."""
        self._program = Program(
            [require_tool("rclone"), "serve", "webdav", "--addr", self._address, *_FRESH, self.root],
            log=self.log,
            environment={"RCLONE_CONFIG": os.devnull, "RCLONE_USER": self.user, "RCLONE_PASS": self.password},
        )
        url = self._program.wait_for_output(r"WebDav Server started on \[?(http://([\d.]+:\d+))")
        self.url, self._address = url[1], url[2]
        return self


class RcloneRemote:
    """An rclone configuration with remotes that tests can use.

    ``gdrive:`` stands for Google Drive and is a directory (:attr:`root`); ``webdav:`` is a server, if one is given.

    :param config: where to write the configuration file (mode 0600); in a directory of its own if none is given.
    :param root: the directory behind ``gdrive:``.
    """

    def __init__(
        self, config: Path | None = None, *, root: Path | None = None, webdav: WebdavServer | None = None
    ) -> None:
        self._directory = workspace.new_directory("rclone") if config is None or root is None else None
        self.config = config or self._directory / "rclone.conf"  # type: ignore[operator]
        self.root = root or self._directory / "gdrive"  # type: ignore[operator]
        self.root.mkdir(parents=True, exist_ok=True)
        self.webdav = webdav
        sections = [f"[gdrive]\ntype = alias\nremote = {self.root}\n"]
        if webdav:
            sections.append(
                f"[webdav]\ntype = webdav\nvendor = rclone\nurl = {webdav.url}\n"
                f"user = {webdav.user}\npass = {_obscure(webdav.password)}\n"
                # By default rclone waits 10 ms between two requests, and up to seconds between two that fail, for the
                # sake of other people's servers.
                "pacer_min_sleep = 1ms\n"
            )
        self.config.touch(mode=0o600)
        self.config.write_text("\n".join(sections))

    def location(self, path: str = "", *, remote: str = "gdrive", name: str = "gdrive") -> dict[str, Any]:
        """A path on a remote as a location of the collection's modules."""
        return {"name": name, "type": "rclone", "remote": f"{remote}:{path}", "config": str(self.config)}

    def run(self, *arguments: str) -> str:
        """Run rclone with this configuration and return what it prints."""
        argv = [require_tool("rclone"), "--config", self.config, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def close(self) -> None:
        """Remove all buckets that were made."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def _obscure(password: str) -> str:
    argv = [str(require_tool("rclone")), "obscure", "-"]
    environment = {**os.environ, "RCLONE_CONFIG": os.devnull}
    result = subprocess.run(argv, input=password, capture_output=True, text=True, check=True, env=environment)
    return result.stdout.strip()
