"""A secret that a backup is given is nowhere to be seen, while it runs or after, whether it ends well or not."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from support.backup_bench import Bench
from support.backup_runs import ModuleProcess
from support.fake_programs import FakePrograms
from support.lab import MotoServer, PostgresServer, RcloneRemote
from support.processes import children, command_line, find_child
from support.sample_databases import fill

ROLE = "secret_keeper"
IN_THE_DATA = 1024 * 1024


def canary() -> str:
    """A secret that occurs nowhere by chance."""
    return f"canary-{token_hex(12)}"


@dataclass(frozen=True)
class Scene:
    """A backup with secrets in every option that takes one, and in the environment of its process."""

    options: dict[str, Any]
    environment: dict[str, str]
    given: set[str]
    """The secrets in its options."""

    inherited: set[str]
    """The secrets in the environment, none of which is meant for the backup."""

    bucket: str

    @property
    def secrets(self) -> set[str]:
        """All of them."""
        return self.given | self.inherited

    def found_in(self, *texts: str | bytes) -> set[str]:
        """Those that occur in one of *texts*."""
        together = b"\0".join(text.encode() if isinstance(text, str) else text for text in texts)
        return {secret for secret in self.secrets if secret.encode() in together}


@pytest.fixture
def role(postgres17: PostgresServer) -> Iterator[dict[str, str]]:
    """A login whose password is a canary."""
    password = canary()
    postgres17.query("postgres", f"CREATE ROLE {ROLE} LOGIN SUPERUSER PASSWORD '{password}'")
    yield {"login_user": ROLE, "login_password": password}
    postgres17.query("postgres", f"DROP ROLE {ROLE}")


@pytest.fixture
def scene(
    postgres17: PostgresServer,
    database: str,
    bench: Bench,
    moto_server: MotoServer,
    rclone_webdav: RcloneRemote,
    role: dict[str, str],
    tmp_path: Path,
) -> Scene:
    """See :class:`Scene`; three locations, and a database whose dump is longer than what is let through."""
    fill(postgres17, database, 4)
    config = rclone_webdav.config.read_text()
    [obscured] = re.findall(r"^pass = (.+)$", config, re.MULTILINE)
    rclone_webdav.config.write_text(config.replace(f"pass = {obscured}\n", ""))
    remote = rclone_webdav.location(f"secrets-{token_hex(4)}", remote=f"webdav,pass={obscured}", name="webdav")
    bucket = moto_server.create_bucket()
    store = {"secret_key": canary(), "session_token": canary()}
    connect_params = {"sslpassword": canary()}
    signing_key = bench.keys.signing.read_text()
    [key_line] = [line for line in signing_key.splitlines() if not line.startswith("-")]
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "UNRELATED_TOKEN")
    inherited = {name: canary() for name in names}
    (tmp_path / "tmp").mkdir()
    options = bench.options(
        postgres17,
        database,
        **role,
        locations=[bench.location(), {**moto_server.location(bucket), **store}, remote],
        connect_params=connect_params,
        signing_key=signing_key,
        compress="none",
        fingerprint="all",
        exports=[{"table": "filling", "where": "id < 10"}],
    )
    webdav = rclone_webdav.webdav
    assert webdav is not None
    given = {role["login_password"], *store.values(), *connect_params.values(), obscured, webdav.password, key_line}
    environment = {**inherited, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)}
    return Scene(options, environment, given, set(inherited.values()), bucket)


def read(path: Path) -> bytes:
    """A file's bytes; none where it, or its process, has gone meanwhile."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def environment_of(pid: int) -> bytes:
    return read(Path(f"/proc/{pid}/environ"))


def everybodys_commands() -> list[str]:
    """What ``ps`` shows."""
    return [" ".join(command_line(int(path.name))) for path in Path("/proc").glob("[0-9]*")]


def contents(directories: Iterable[Path]) -> list[bytes]:
    """Names and bytes of every file below *directories*; sockets and the like have names only."""
    found = [path for directory in directories for path in directory.rglob("*")]
    return [os.fsencode(path) for path in found] + [read(path) for path in found if path.is_file()]


def open_files(pid: int, directory: Path) -> list[bytes]:
    """What a process has in files of *directory* that it holds open, those without a name included."""
    links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_file()]
    return [read(link) for link in links if link.resolve().is_relative_to(directory)]


@contextmanager
def held_in_the_dump(
    scene: Scene, server: PostgresServer, directory: Path
) -> Iterator[tuple[ModuleProcess, FakePrograms, int]]:
    """The module, told to say and to log as much as it can, while its pg_dump stands still in the middle."""
    with FakePrograms(directory / "fake", server.bin_dir, hold_after=IN_THE_DATA) as programs:
        options = {**scene.options, "pg_bin_dir": str(programs), "_ansible_diff": True, "_ansible_verbosity": 4}
        (directory / "module").mkdir()
        with ModuleProcess(directory / "module", options, environment=scene.environment) as module:
            [wrapper] = programs.wait_until_held()
            yield module, programs, wrapper


def assert_nothing_is_seen_from_outside(scene: Scene, module: ModuleProcess, temporary: Path) -> None:
    running = children(module.pid)
    programs = {os.path.basename(word) for pid in running for word in command_line(pid)}
    assert {"pg_dump", "rclone"} <= programs
    # What it inherits is in its own environment: a secret would be found.
    assert scene.found_in(environment_of(module.pid)) == scene.inherited
    for pid in running:
        assert scene.found_in(environment_of(pid)) == set(), command_line(pid)
    assert scene.found_in(*everybodys_commands()) == set()
    nameless = open_files(module.pid, temporary)
    # pg_dump's messages, at least.
    assert nameless
    assert scene.found_in(*contents([temporary]), *nameless) == set()


def assert_nothing_is_left(
    scene: Scene, module: ModuleProcess, directories: list[Path], moto_server: MotoServer
) -> None:
    assert "Invoked with" in module.journal
    assert scene.found_in(module.output, module.journal) == set()
    assert scene.found_in(*contents(directories)) == set()
    client = moto_server.client()
    for item in client.list_objects_v2(Bucket=scene.bucket).get("Contents", []):
        told = client.get_object(Bucket=scene.bucket, Key=item["Key"])
        assert scene.found_in(item["Key"], json.dumps(told["Metadata"]), told["Body"].read()) == set()


@pytest.mark.next
@pytest.mark.parametrize("ending", ["success", "pg_dump is killed"])
def test_no_secret_is_seen_in_processes_files_logs_and_results(
    scene: Scene,
    postgres17: PostgresServer,
    bench: Bench,
    rclone_webdav: RcloneRemote,
    moto_server: MotoServer,
    tmp_path: Path,
    ending: str,
) -> None:
    assert rclone_webdav.webdav is not None
    temporary = tmp_path / "tmp"
    with held_in_the_dump(scene, postgres17, tmp_path) as (module, programs, wrapper):
        assert_nothing_is_seen_from_outside(scene, module, temporary)
        if ending != "success":
            os.kill(find_child("pg_dump", of=wrapper), signal.SIGKILL)
        programs.open()
        result = module.result()
    stored = [bench.root, rclone_webdav.webdav.root]
    if ending == "success":
        assert [location["status"] for location in result["locations"]] == ["good"] * 3, result
        assert result["diff"]
        assert all(list(directory.rglob("manifest.json")) for directory in stored)
    else:
        assert "pg_dump was ended by signal SIGKILL" in result["msg"]
    # ansible-core 2.21 leaves the parameters out of what a module returns.
    if "invocation" in result:
        assert result["invocation"]["module_args"]["connect_params"].keys() == {"sslpassword"}
    assert_nothing_is_left(scene, module, [temporary, *stored], moto_server)
