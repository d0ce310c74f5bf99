"""Ceph's object gateway on a cluster of one node in memory: an S3 store that nobody modelled after AWS's own texts.

A monitor, one disk of memory and ``radosgw``, all on loopback and of this user; they are ready within ten seconds. The
programs are Debian's (``make tools``).
"""

from __future__ import annotations

import secrets
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

from .programs import PATIENCE, TOOLS, LabError, Program, find_tool, free_port, require_tool, wait_until
from .stores import S3Store

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "osdmaptool")
_START_SECONDS = 60


class CephServer(S3Store):
    """One cluster with one user and no buckets; a context manager."""

    def __init__(self) -> None:
        super().__init__("ceph")
        self.access_key = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_key = secrets.token_urlsafe(30)
        self._programs: list[Program] = []
        self._config = self.directory / "ceph.conf"

    def start(self) -> CephServer:
        """Start all three; returns when the gateway answers."""
        monitor, gateway = free_port(), free_port()
        fsid = str(uuid4())
        self._configure(fsid, monitor, gateway)
        monitors, disks = self.directory / "monmap", self.directory / "osdmap"
        self._do("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{monitor}]", "--fsid", fsid, monitors)
        self._do("osdmaptool", "--createsimple", "1", disks)
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--osdmap", disks)
        self._serve("ceph-mon", "-i", "a")
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", fsid)
        self._serve("ceph-osd", "-i", "0")
        self._serve("radosgw", "-n", "client.rgw")
        keys = ("--access-key", self.access_key, "--secret-key", self.secret_key)
        self._do("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", "lab", "--display-name", "lab", *keys)
        self.endpoint_url = f"http://127.0.0.1:{gateway}"
        wait_until(self._answers, what="Ceph's gateway to answer", seconds=_START_SECONDS)
        return self

    def stop(self) -> None:
        """End all of it; what was stored is lost."""
        for program in reversed(self._programs):
            # The disk would write everything down first.
            program.kill()
        self._programs.clear()

    def create_bucket(self, name: str | None = None, **options: object) -> str:
        """Make a bucket and return its name; *options* as of boto3's ``create_bucket``."""
        name = name or f"bucket-{secrets.token_hex(5)}"
        self.client().create_bucket(Bucket=name, **options)
        return name

    def _configure(self, fsid: str, monitor: int, gateway: int) -> None:
        for name in ("mon", "osd", "rgw"):
            (self.directory / name).mkdir()
        keyring = self.directory / "keyring"
        keyring.touch(mode=0o600)
        libraries = self._libraries()
        settings = {
            "fsid": fsid,
            "mon host": f"[v2:127.0.0.1:{monitor}]",
            "public addr": "127.0.0.1",
            "cluster addr": "127.0.0.1",
            "keyring": keyring,
            **dict.fromkeys(("auth cluster required", "auth service required", "auth client required"), "none"),
            # The gateway wants this line encrypted, which takes the keys that we go without.
            "ms mon client mode": "crc",
            "mon allow pool size one": "true",
            "osd pool default size": 1,
            "osd pool default min size": 1,
            "osd pool default pg num": 1,
            "osd pool default pg autoscale mode": "off",
            "osd crush chooseleaf type": 0,
            # Each of a dozen changes of the cluster waits for one of these; they are 1 s and 50 ms otherwise.
            "paxos propose interval": 0.02,
            "paxos min wait": 0.01,
            "mon data avail warn": 2,
            "mon data avail crit": 1,
            "admin socket": '""',
            "log file": self.directory / "$name.log",
            "mon cluster log file": self.directory / "cluster.log",
            "run dir": self.directory,
            "crash dir": self.directory,
        }
        if libraries is not None:
            settings |= {
                "plugin dir": libraries / "ceph",
                "erasure code dir": libraries / "ceph" / "erasure-code",
                "osd class dir": libraries / "rados-classes",
            }
        sections: dict[str, dict[str, object]] = {
            "global": dict(settings),
            "mon.a": {"mon data": self.directory / "mon"},
            "osd.0": {
                "osd data": self.directory / "osd",
                "osd objectstore": "memstore",
                "memstore device bytes": 1 << 30,
                "osd max object name len": 2048,
            },
            "client.rgw": {
                "rgw data": self.directory / "rgw",
                "rgw frontends": f"beast endpoint=127.0.0.1:{gateway}",
                "rgw thread pool size": 32,
            },
        }
        lines = [
            line
            for section, values in sections.items()
            for line in (f"[{section}]", *(f"{name} = {value}" for name, value in values.items()))
        ]
        self._config.write_text("\n".join(lines) + "\n")

    @staticmethod
    def _libraries() -> Path | None:
        """Where ``make tools`` put the plugins; None where they are the system's own."""
        found = sorted(TOOLS.glob("root/usr/lib/*-linux-gnu*/rados-classes"))
        return found[0].parent if found else None

    def _do(self, program: str, *arguments: object) -> None:
        argv = [str(one) for one in (require_tool(program), *arguments, "-c", self._config)]
        with self.log.open("ab") as log:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=_START_SECONDS)

    def _serve(self, program: str, *arguments: str) -> None:
        argv: list[str | Path] = [require_tool(program), *arguments, "-c", self._config, "-f"]
        self._programs.append(Program(argv, log=self.directory / f"{program}.out", environment={"LC_ALL": "C"}))

    def _answers(self) -> bool:
        for program in self._programs:
            if not program.running:
                raise LabError(f"{program.name} ended: {program.output[-2000:]}")
        try:
            with urllib.request.urlopen(self.endpoint_url, timeout=PATIENCE):
                return True
        except (urllib.error.URLError, OSError):
            return False


def is_here() -> bool:
    """Whether all programs can be found."""
    return all(find_tool(name) for name in PROGRAMS)
