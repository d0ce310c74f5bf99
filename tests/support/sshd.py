"""A throw-away SSH server on loopback, where one can be had."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from . import workspace
from .programs import PATIENCE, TOOLS, LabError, Program, free_port

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/login_key.pub
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""

_PRIVATE_ACCOUNT = """
mount -t tmpfs none /run
mkdir -m 755 /run/sshd
{ cat /etc/passwd; echo sshd:x:65530:65534::/run/sshd:/bin/false; } >/run/passwd
mount --bind /run/passwd /etc/passwd
exec "$@"
"""


def find_sshd() -> Path | None:
    """The server: ``$MOBUL_SSHD``, the system's, or what ``make tools`` unpacked."""
    if named := os.environ.get("MOBUL_SSHD"):
        return Path(named)
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", str(TOOLS / "root" / "usr" / "sbin")]
    found = shutil.which("sshd", path=os.pathsep.join(folders))
    return Path(found) if found else None


class SshServer:
    """A real sshd that lets the user we are log in with a key; a context manager.

    :raises LabError: it does not start here.
    """

    def __init__(self, program: Path) -> None:
        self.user = pwd.getpwuid(os.getuid())
        self.port = free_port()
        self.directory = workspace.new_directory("sshd")
        self.key = self.directory / "login_key"
        for name in ("host_key", "login_key"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name]
            subprocess.run(argv, check=True)
        (self.directory / "sshd_config").write_text(_CONFIG.format(port=self.port, directory=self.directory))
        self._program: Program | None = None
        self._sshd = program

    def __enter__(self) -> SshServer:
        libraries = [str(path) for path in self._sshd.parents[1].glob("lib/*-linux-gnu*")]
        unpacked = self._sshd.parents[1] != Path("/usr")
        self._program = Program(
            [*_account(), self._sshd, "-D", "-e", "-f", self.directory / "sshd_config"],
            log=self.directory / "server.log",
            environment={"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if unpacked else None,
        )
        self._program.wait_for_output("Server listening")
        return self

    def __exit__(self, *_: object) -> None:
        if self._program is not None:
            self._program.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id of the server, whose children are the sessions."""
        if self._program is None:
            raise LabError("the server does not run")
        return self._program.process.pid

    def variables(self) -> dict[str, object]:
        """What an inventory says of a host that is reached through this server."""
        options = f"-o UserKnownHostsFile={os.devnull} -o StrictHostKeyChecking=no -o LogLevel=ERROR -F {os.devnull}"
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_ssh_timeout": PATIENCE,
            "ansible_user": self.user.pw_name,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": options,
            "ansible_remote_tmp": str(self.directory / "tmp"),
        }


def _account() -> list[str]:
    """What to put before the command so that it finds the account and the directory that it wants when it is root's.

    Both are there for that process alone, where the package is not installed.
    """
    if os.getuid() != 0:
        return []
    with contextlib.suppress(KeyError):
        if pwd.getpwnam("sshd") and Path("/run/sshd").is_dir():
            return []
    return ["unshare", "--mount", "sh", "-ec", _PRIVATE_ACCOUNT, "sh"]
