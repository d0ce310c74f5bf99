"""Servers in the background, for commands that come later: an empty PostgreSQL 17 and, if asked for, an S3 server.

    eval "$(tools/laboratory.py)"           in a shell: PGHOST and the like, and the programs on the PATH
    tools/laboratory.py --settings FILE     for a program: the same as YAML, with an S3 server and an age key

It returns when the servers answer. They end with ``kill $LABORATORY_PID``, or by themselves after a time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity  # noqa: E402
from support.lab import TOOLS, PostgresServer, S3Server  # noqa: E402


def shell_settings(server: PostgresServer) -> str:
    """Statements for a POSIX shell with which libpq's programs find the server."""
    # This server's own programs come first: an older pg_restore cannot read its archives.
    folders = [server.bin_dir, TOOLS / "bin", Path(sys.executable).parent]
    variables = {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.superuser,
        "PGPASSWORD": server.password,
        "PATH": os.pathsep.join([str(folders[0]), os.environ.get("PATH", os.defpath), *map(str, folders[1:])]),
        "LABORATORY_PID": str(os.getpid()),
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def program_settings(server: PostgresServer, s3: S3Server) -> str:
    """The same as YAML, with an S3 server and an age key."""
    identity = X25519Identity.generate()
    settings = {
        **server.login(),
        "pg_bin_dir": str(server.bin_dir),
        "s3_endpoint_url": s3.endpoint_url,
        "s3_access_key": s3.access_key,
        "s3_secret_key": s3.secret_key,
        "s3_root": str(s3.root),
        "identity": str(identity),
        "recipient": str(identity.recipient),
        "pid": os.getpid(),
    }
    return yaml.safe_dump(settings, sort_keys=False)


def serve(settings: Path | None, seconds: int) -> None:
    """Run the servers, tell on standard output (or in the file) where they are, and wait for the end."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(PostgresServer(17))
        if settings is None:
            print(shell_settings(server), end="")
        else:
            s3 = stack.enter_context(S3Server())
            with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(program_settings(server, s3))
            print(f"the servers of process {os.getpid()} are in {settings}")
        ends = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        close_outputs()
        signal.sigtimedwait(ends, seconds)


def close_outputs() -> None:
    """Let go of the caller's outputs, at whose end somebody waits."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)


def start(arguments: list[str]) -> int:
    """Start this program again behind this one's back, and pass on what it says until its servers answer."""
    argv = [sys.executable, __file__, "--serve", *arguments]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, text=True)
    said = child.stdout.read() if child.stdout else ""
    print(said, end="", flush=True)
    return 0 if said else child.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=Path, help="write YAML to this file and run an S3 server, too")
    parser.add_argument("--seconds", type=int, default=3600, help="the longest that the servers live")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.serve:
        return start(sys.argv[1:])
    serve(arguments.settings, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
