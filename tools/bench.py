"""How fast is it? The reference database, backed up by this collection and by what people do without it.

Everything runs against the same server and the same stores, in one go; what counts are the ratios to the floor: one
bare ``pg_dump`` whose output nobody keeps. Prints a table and writes ``.bench/results.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
OTHERS = BENCH / "venv"
sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity  # noqa: E402
from support.lab import PostgresServer, RcloneRemote, S3Server, find_tool, require_tool  # noqa: E402

DATABASE = "mobul"
BUCKET = "bench"
DRIVER = """
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.mobul.backup.plugins.modules import {module}
{module}.main()
"""
RESTORED = "restored"
TABLE = "recipients"


@dataclass(frozen=True)
class Measure:
    """One run of one contender, or the medians of several.

    :param wall: seconds.
    :param cpu: seconds of its processes.
    :param peak: MiB of the largest of them.
    :param ratio: its seconds by those of the floor in the same round.
    :param cpu_ratio: the same of the CPU.
    """

    wall: float
    cpu: float
    peak: float
    ratio: float = 1.0
    cpu_ratio: float = 1.0


@dataclass(frozen=True)
class Step:
    """One program to run."""

    argv: Sequence[str | Path]
    environment: Mapping[str, str]
    stdin: bytes | None = None
    stdout: Path | None = None


class Missing(Exception):
    """What a contender needs is not to be had here."""


def measure(steps: Sequence[Step], log: Path) -> Measure:
    """Run *steps* one after the other; raise with the end of the log when one fails."""
    wall = time.perf_counter()
    cpu, peak = 0.0, 0.0
    for step in steps:
        with log.open("ab") as messages, (step.stdout or log).open("ab") as output:
            process = subprocess.Popen(
                [str(word) for word in step.argv],
                env=dict(step.environment),
                cwd=ROOT,
                stdin=subprocess.PIPE if step.stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=messages,
            )
            if step.stdin and process.stdin:
                process.stdin.write(step.stdin)
                process.stdin.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{step.argv[0]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Measure(time.perf_counter() - wall, cpu, peak)


class Stage:
    """The servers, stores and keys of one benchmark."""

    def __init__(self, server: PostgresServer, s3: S3Server, s3_of_restores: S3Server) -> None:
        self.server = server
        self.s3 = s3
        self.s3_of_restores = s3_of_restores
        self.stores = BENCH / "stores"
        self.rclone = RcloneRemote(BENCH / "rclone.conf", root=self.stores / "gdrive")
        self.local = self.stores / "local"
        self.work = BENCH / "work"
        self.keys = BENCH / "keys"
        self.environment = {
            **server.environment(DATABASE),
            "PATH": os.pathsep.join([str(server.bin_dir), str(require_tool("rclone").parent), os.environ["PATH"]]),
            "RCLONE_CONFIG": str(self.rclone.config),
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "AWS_DEFAULT_REGION": s3.region,
            "AWS_ENDPOINT_URL": s3.endpoint_url,
            "RESTIC_PASSWORD": "bench",
            "HOME": str(BENCH / "home"),
            "GNUPGHOME": str(BENCH / "gnupg"),
        }
        self.recipients: list[str] = []

    def close(self) -> None:
        """End the agent that gpg started."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environment, capture_output=True, check=False)

    def reset(self) -> None:
        """Empty the stores, so that every run writes into the same emptiness."""
        for path in (self.local, self.work, self.stores / "gdrive", self.s3.root / BUCKET):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True, mode=0o700)

    def prepare(self) -> None:
        """Make keys of every kind that a contender needs."""
        for path in (self.keys, BENCH / "home", BENCH / "gnupg"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        identities = [X25519Identity.generate() for _ in range(2)]
        (self.keys / "ops.agekey").touch(mode=0o600)
        (self.keys / "ops.agekey").write_text(f"{identities[0]}\n")
        self.recipients = [str(identity.recipient) for identity in identities]
        (self.keys / "signing.key").write_text(SigningKey.generate().to_pem())
        subprocess.run(
            ["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "bench@example.com", "default", "default"],
            env=self.environment,
            capture_output=True,
            check=False,
        )

    @property
    def locations(self) -> list[dict[str, Any]]:
        """The three places of the procedures, as locations of the collection."""
        return [
            self.s3.location(BUCKET),
            self.rclone.location("Backups"),
            {"name": "local", "type": "local", "path": str(self.local)},
        ]

    def options(self, locations: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The module's options."""
        return {
            **self.server.login(DATABASE),
            "pg_bin_dir": str(self.server.bin_dir),
            "label": DATABASE,
            "kind": "weekly",
            "recipients": self.recipients,
            "signing_key": str(self.keys / "signing.key"),
            "locations": locations,
            **more,
        }


def floor(stage: Stage) -> list[Step]:
    argv = [stage.server.bin_dir / "pg_dump", "-Fc", "-Z", "zstd:1"]
    return [Step(argv, stage.environment, stdout=Path(os.devnull))]


def module(stage: Stage, locations: list[dict[str, Any]], **more: Any) -> list[Step]:
    return [_call("pg_backup", stage, stage.options(locations, **more))]


def _call(name: str, stage: Stage, options: Mapping[str, Any]) -> Step:
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}).encode()
    return Step([sys.executable, "-c", DRIVER.format(module=name)], stage.environment, stdin=arguments)


def weekly(stage: Stage) -> list[Step]:
    variables = {f"backup_{name}": value for name, value in stage.options(stage.locations).items() if name != "kind"}
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        **variables,
    }
    inventory = stage.work / "inventory.yml"
    inventory.touch(mode=0o600)
    inventory.write_text(yaml.safe_dump({"databases": {"hosts": {DATABASE: host}}}))
    playbook = Path(sys.executable).parent / "ansible-playbook"
    return [Step([playbook, "mobul.backup.weekly", "-i", inventory], stage.environment)]


def _gpg(source: Path) -> list[str | Path]:
    return ["gpg", "--batch", "--trust-model", "always", "--encrypt", "--recipient", "bench@example.com", source]


def _other(program: str) -> Path:
    path = OTHERS / "bin" / program
    if not path.exists():
        raise Missing(f"{program} (make bench installs it into .bench/venv)")
    return path


def document(stage: Stage) -> list[Step]:
    """The commands that the procedures document prints, with the flag of aws that exists."""
    dump = stage.work / "backup.dump"
    encrypted = f"{dump}.gpg"
    steps = [
        [stage.server.bin_dir / "pg_dump", "-F", "c", "-f", dump],
        [stage.server.bin_dir / "pg_restore", "--list", dump],
        _gpg(dump),
        [_other("aws"), "s3", "cp", "--only-show-errors", encrypted, f"s3://{BUCKET}/2026/11/23/", "--sse", "AES256"],
        [require_tool("rclone"), "copy", encrypted, "gdrive:Backups/2026/11/23/"],
        [_other("aws"), "s3", "ls", f"s3://{BUCKET}/2026/11/23/"],
        ["cp", encrypted, stage.local],
    ]
    return [Step(argv, stage.environment) for argv in steps]


def collections(stage: Stage) -> list[Step]:
    """community.postgresql dumps, gpg encrypts, amazon.aws uploads."""
    playbook = stage.work / "others.yml"
    dump = stage.work / "backup.pgc"
    playbook.write_text(
        textwrap.dedent(f"""\
        - hosts: localhost
          gather_facts: false
          vars:
            ansible_python_interpreter: {OTHERS / "bin" / "python"}
          tasks:
            - community.postgresql.postgresql_db:
                name: {DATABASE}
                state: dump
                target: {dump}
                login_host: "{{{{ lookup('env', 'PGHOST') }}}}"
                login_port: "{{{{ lookup('env', 'PGPORT') }}}}"
                login_user: postgres
                login_password: "{{{{ lookup('env', 'PGPASSWORD') }}}}"
            - ansible.builtin.command: {" ".join(str(word) for word in _gpg(dump))}
            - amazon.aws.s3_object:
                bucket: {BUCKET}
                object: /2026/11/23/backup.pgc.gpg
                src: {dump}.gpg
                mode: put
                endpoint_url: {stage.s3.endpoint_url}
                region: {stage.s3.region}
                encrypt: false
        """)
    )
    return [Step([_other("ansible-playbook"), "-i", "localhost,", "-c", "local", playbook], stage.environment)]


def restic(stage: Stage) -> list[Step]:
    """The first backup of ``pg_dump | restic backup --stdin``; restic compresses, so the dump does not."""
    program = find_tool("restic")
    if program is None:
        raise Missing("restic (make tools unpacks it where apt-get is)")
    environment = {**stage.environment, "RESTIC_REPOSITORY": f"s3:{stage.s3.endpoint_url}/{BUCKET}/restic"}
    subprocess.run([program, "init"], env=environment, capture_output=True, check=True)
    pipe = 'set -o pipefail; "$0" -Fc -Z0 | "$1" backup --quiet --stdin --stdin-filename mobul.dump'
    return [Step(["bash", "-c", pipe, stage.server.bin_dir / "pg_dump", program], environment)]


def restore_floor(stage: Stage) -> list[Step]:
    """What a restore can be compared with: two jobs, from a file that is neither encrypted nor far away."""
    dump = _local_dump(stage)
    _target(stage, template="template0")
    return [Step([stage.server.bin_dir / "pg_restore", "-j2", "-d", RESTORED, dump], stage.environment)]


def restore(stage: Stage, **more: Any) -> list[Step]:
    """The whole database out of an encrypted set in S3, compared with its manifest and analyzed."""
    options = _restore_options(stage, expect_database=DATABASE, **more)
    _target(stage)
    return [_call("restore_database", stage, options)]


def table_floor(stage: Stage) -> list[Step]:
    """One table into a database that has all others, from a local dump that holds nothing else."""
    dump = _local_dump(stage, "-t", TABLE)
    _target(stage, template=DATABASE)
    stage.server.query(RESTORED, f"DROP TABLE {TABLE} CASCADE")
    return [Step([stage.server.bin_dir / "pg_restore", "-d", RESTORED, dump], stage.environment)]


def table(stage: Stage) -> list[Step]:
    """The same table out of an encrypted set of the whole database, compared and exchanged for the one in use."""
    options = _restore_options(stage, table=TABLE, strategy="swap")
    _target(stage, template=DATABASE)
    return [_call("restore_table", stage, options)]


def _local_dump(stage: Stage, *options: str) -> Path:
    dump = stage.work / "local.dump"
    argv = [stage.server.bin_dir / "pg_dump", "-Fc", "-Z", "zstd:1", *options, "-f", dump]
    subprocess.run(argv, env=stage.environment, check=True)
    return dump


def _target(stage: Stage, template: str | None = None) -> None:
    """Begin without the database that is restored into, or with a new one."""
    stage.server.drop_database(RESTORED)
    if template is not None:
        stage.server.create_database(RESTORED, template=template)
    stage.server.query(DATABASE, "CHECKPOINT")


def _restore_options(stage: Stage, **more: Any) -> dict[str, Any]:
    """Make a set in S3, and say how it is restored."""
    measure(module(stage, stage.locations[:1], environment="bench"), BENCH / "log.txt")
    return {
        **stage.server.login(RESTORED),
        "pg_bin_dir": str(stage.server.bin_dir),
        "label": DATABASE,
        "expect_environment": "bench",
        "locations": [stage.s3_of_restores.location(BUCKET)],
        "identities": [str(stage.keys / "ops.agekey")],
        **more,
    }


def contenders(stage: Stage) -> dict[str, Callable[[], list[Step]]]:
    """Every contender's name and how to make its steps."""
    s3, _, local = stage.locations
    return {
        "pg_dump -Fc -Z zstd:1 >/dev/null (the floor)": lambda: floor(stage),
        "pg_backup, one location (local)": lambda: module(stage, [local]),
        "pg_backup, one location (s3)": lambda: module(stage, [s3]),
        "pg_backup, three locations": lambda: module(stage, stage.locations),
        "pg_backup, three locations, jobs: 2": lambda: module(stage, stage.locations, jobs=2),
        "weekly.yml, three locations": lambda: weekly(stage),
        "the document's shell commands": lambda: document(stage),
        "community.postgresql + gpg + amazon.aws": lambda: collections(stage),
        "pg_dump | restic backup --stdin": lambda: restic(stage),
        "pg_restore -j2 from a local plaintext file": lambda: restore_floor(stage),
        "restore_database, jobs: 2, from s3": lambda: restore(stage, jobs=2),
        "pg_restore of one table from a dump of it alone": lambda: table_floor(stage),
        "restore_table, swap, from s3": lambda: table(stage),
    }


def install_others() -> None:
    """The programs of the other contenders, in an environment of their own."""
    stamp = OTHERS / ".complete"
    if stamp.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", OTHERS], check=True)
    packages = ["ansible", "awscli", "boto3", "psycopg2-binary"]
    subprocess.run([OTHERS / "bin" / "pip", "install", "--quiet", *packages], check=True)
    stamp.touch()


def show(results: Mapping[str, Measure]) -> None:
    """Print a table for each group of contenders; the first of each is its floor."""
    for wanted in sorted(set(map(group, results))):
        _show({name: result for name, result in results.items() if group(name) == wanted})


def group(name: str) -> int:
    """What a contender is compared with: the backups, the restores of a whole database, those of one table."""
    return ("restore" in name) + ("table" in name)


def _show(results: Mapping[str, Measure]) -> None:
    if not results:
        return
    print(f"\n{'':48} {'wall s':>8} {'x floor':>8} {'CPU s':>8} {'x floor':>8} {'peak MiB':>9}")
    for name, result in results.items():
        numbers = (result.wall, result.ratio, result.cpu, result.cpu_ratio)
        print(f"{name:48} {' '.join(f'{number:8.2f}' for number in numbers)} {result.peak:9.0f}")


def summarize(rounds: Sequence[Mapping[str, Measure]]) -> dict[str, Measure]:
    """The median of every contender's measures, and of its ratios to the floor of the same round.

    A machine that is slow for a minute slows both down, so the ratio is told from each round by itself.
    """
    results: dict[str, Measure] = {}
    for name in rounds[0]:
        measures = []
        for measured in rounds:
            if one := measured.get(name):
                base = next(m for other, m in measured.items() if group(other) == group(name))
                measures.append((one.wall, one.cpu, one.peak, one.wall / base.wall, one.cpu / base.cpu))
        results[name] = Measure(*map(statistics.median, zip(*measures, strict=True)))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1.4 GB")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--only", default="", help="only contenders whose name contains this, and their floors")
    arguments = parser.parse_args()
    BENCH.mkdir(exist_ok=True)
    if not arguments.only:
        install_others()
    (BENCH / "log.txt").unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        settings = {"shared_buffers": "512MB", "max_wal_size": "8GB"}
        server = stack.enter_context(PostgresServer(17, settings=settings))
        s3 = stack.enter_context(S3Server(BENCH / "stores" / "s3"))
        # Asked for ETags it would read a whole object at every request for a part of it, which no real store does.
        reading = S3Server(s3.root, etags=False, access_key=s3.access_key, secret_key=s3.secret_key)
        stage = Stage(server, s3, stack.enter_context(reading))
        stack.callback(stage.close)
        server.create_database(DATABASE)
        print(f"loading the reference database at scale {arguments.scale:g} ...", flush=True)
        reference = str(ROOT / "tests" / "data" / "reference.sql")
        server.run("psql", "-Xq", "-v", f"scale={arguments.scale:g}", "-f", reference, database=DATABASE)
        # A fresh table's first vacuum and its dirty pages would else be worked off beside the first rounds.
        server.run("vacuumdb", "--quiet", "--analyze", database=DATABASE)
        server.query(DATABASE, "CHECKPOINT")
        stage.prepare()
        # In rounds rather than one contender after the other: a slow minute of the machine then hits all of them.
        every = contenders(stage)
        floors = {group(name): name for name in reversed(every)}
        needed = {floors[group(name)] for name in every if arguments.only in name}
        chosen = [name for name in every if arguments.only in name or name in needed]
        rounds: list[dict[str, Measure]] = [{} for _ in range(arguments.repeat)]
        for turn in range(arguments.repeat):
            for name in chosen:
                stage.reset()
                try:
                    steps = every[name]()
                    os.sync()  # What the preparation wrote would else be flushed while its restore is measured.
                    rounds[turn][name] = measure(steps, BENCH / "log.txt")
                except Missing as missing:
                    print(f"left out: {name}: there is no {missing}") if turn == 0 else None
                    continue
                print(f"  {rounds[turn][name].wall:7.2f} s  {name}", flush=True)
        stage.reset()
    results = summarize(rounds)
    show(results)
    report = {
        "scale": arguments.scale,
        "repeat": arguments.repeat,
        "results": {n: asdict(r) for n, r in results.items()},
    }
    (BENCH / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
