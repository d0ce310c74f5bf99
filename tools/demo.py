"""The weekly backup and its drill on this machine: a real database, three real stores, two playbook runs.

Leaves its work under ``.demo/`` (locations, keys, reports) and prints how to look at it and how to restore it without
this software. The servers end with the script; ``--keep`` leaves them running until Ctrl-C, so that the
inventory can be used by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity  # noqa: E402
from support.lab import PostgresServer, RcloneRemote, S3Server, find_tool, require_tool  # noqa: E402

DATABASE = "mobul"
BUCKET = "mobul-backups"
SCALE = "0.01"
LABORATORY = ROOT / "tools" / "laboratory.py"


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def make_keys(keys: Path) -> list[str]:
    """Make the keys that are not there yet and return the public recipients: operations and the offline escrow."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    recipients = []
    for name in ("ops", "escrow"):
        path = keys / f"{name}.agekey"
        if not path.exists():
            identity = X25519Identity.generate()
            write_private(path, f"# public key: {identity.recipient}\n{identity}\n")
        recipients.append(path.read_text().splitlines()[0].removeprefix("# public key: "))
    if not (keys / "signing.key").exists():
        signing = SigningKey.generate()
        write_private(keys / "signing.key", signing.to_pem())
        (keys / "signing.pub").write_text(signing.verify_key.to_pem())
    return recipients


def load_database(server: PostgresServer) -> None:
    """Fill the platform's database."""
    server.create_database(DATABASE)
    for name, options in (("reference.sql", ["-v", f"scale={SCALE}"]), ("platform.sql", [])):
        server.run("psql", "-Xq", *options, "-f", str(ROOT / "tests" / "data" / name), database=DATABASE)


def adopted() -> str:
    """The system identifier of the server of the newest set, "" without any: each demo starts another one."""
    manifests = (DEMO / "locations" / "local" / DATABASE).glob("*/*/*/*/manifest.json")
    newest = max(manifests, key=lambda path: path.parent.name, default=None)
    return "" if newest is None else str(json.loads(newest.read_bytes())["database"]["system_identifier"])


def write_settings(server: PostgresServer, s3: S3Server, recipients: list[str]) -> None:
    """Tell the demo's inventory what was started."""
    settings = {
        "root": str(DEMO),
        **{name: value for name, value in server.login(DATABASE).items() if name != "login_db"},
        "pg_bin_dir": str(server.bin_dir),
        "recipients": recipients,
        "adopt": adopted(),
        "s3_endpoint_url": s3.endpoint_url,
        "s3_access_key": s3.access_key,
        "s3_secret_key": s3.secret_key,
    }
    write_private(DEMO / "settings.yml", yaml.safe_dump(settings, sort_keys=False))


def playbook_environment() -> dict[str, str]:
    """This environment, with the programs of the virtual environment in front (rclone among them)."""
    paths = [str(Path(sys.executable).parent), str(require_tool("rclone").parent), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(paths)}


def run_playbook(name: str, *arguments: str) -> int:
    """Run a playbook of the collection against the demo's inventory."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), name, "-i", "inventories/demo", *arguments]
    print(f"$ {shlex.join(['ansible-playbook', *command[1:]])}", flush=True)
    return subprocess.run(command, cwd=ROOT, env=playbook_environment(), check=False).returncode


LIST_CHECKSUMS = (
    'import json; [print(a["sha256"], a["name"], sep="  ") for a in json.load(open("manifest.json"))["artifacts"]]'
)
LIST_COUNTS = (
    r'import json; [print("SELECT $${schema}.{name}: not {rows} rows$$ WHERE (SELECT count(*) '
    r'FROM ONLY \"{schema}\".\"{name}\") <> {rows};".format(**t)) for t in json.load(open("manifest.json"))["tables"]]'
)


def restore_commands(directory: Path) -> str:
    """Commands for one shell that check the set in *directory* and restore it into an empty server."""
    dump, globals_ = (next(directory.glob(pattern)).name for pattern in ("backup_*.dump*.age", "globals_*.sql*.age"))
    place, python, laboratory, verify_key, key = (
        shlex.quote(str(path))
        for path in (directory, sys.executable, LABORATORY, DEMO / "keys/signing.pub", DEMO / "keys/ops.agekey")
    )
    return f"""
  eval "$({python} {laboratory})"
  cd {place}
  openssl pkeyutl -verify -pubin -inkey {verify_key} -rawin -in manifest.json -sigfile manifest.json.sig
  python3 -c {shlex.quote(LIST_CHECKSUMS)} | sha256sum --check --strict
  age --decrypt --identity {key} {globals_} | grep -v 'ROLE postgres' | psql -Xq -v ON_ERROR_STOP=1 -d postgres
  createdb restored
  age --decrypt --identity {key} {dump} | pg_restore --exit-on-error --dbname restored
  python3 -c {shlex.quote(LIST_COUNTS)} | psql -XqAt -v ON_ERROR_STOP=1 -d restored
  psql -d restored -c 'SELECT * FROM live_campaigns LIMIT 5'
  kill $LABORATORY_PID
"""  # noqa: S608


def print_guide() -> None:
    """Print how to look at the newest set, and how to restore it with age and pg_restore alone."""
    newest = max((DEMO / "locations" / "local" / DATABASE).glob("*/*/*/*/manifest.json")).parent
    print(f"""
Look at it:
  find {shlex.quote(str(DEMO / "locations"))} -type f
  python3 -m json.tool {shlex.quote(str(newest / "manifest.json"))}
  cat {shlex.quote(str(max((DEMO / "reports").glob("*.md"))))}

Check it and restore it without this software. The first command starts an empty PostgreSQL 17 that any other may
stand in for, the last one ends it; of the tables, those would be listed whose rows are not as many as were backed up.
{restore_commands(newest)}
The same, explained: docs/restore-by-hand.md""")
    if find_tool("age") is None:
        print("The age command is not here: install your distribution's package `age` first.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the servers running until Ctrl-C")
    arguments = parser.parse_args()
    (DEMO / "locations" / "local").mkdir(mode=0o700, parents=True, exist_ok=True)
    recipients = make_keys(DEMO / "keys")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(PostgresServer(17))
        s3 = stack.enter_context(S3Server(DEMO / "locations" / "s3"))
        (s3.root / BUCKET).mkdir(exist_ok=True)
        RcloneRemote(DEMO / "rclone.conf", root=DEMO / "locations" / "gdrive")
        load_database(server)
        write_settings(server, s3, recipients)
        status = run_playbook("mobul.backup.weekly") or run_playbook("mobul.backup.verify")
        if status == 0:
            print_guide()
        if arguments.keep:
            print("\nThe servers are running; Ctrl-C ends them.", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    return status


if __name__ == "__main__":
    sys.exit(main())
