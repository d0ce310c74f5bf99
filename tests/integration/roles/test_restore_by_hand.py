"""The commands of docs/restore-by-hand.md run as they stand there and restore a set without this software."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, make_keys
from support.lab import PROJECT, PostgresServer, installations

PAGE = PROJECT / "docs" / "restore-by-hand.md"
SOURCE = '''
CREATE ROLE keeper LOGIN;
CREATE TABLE recipients (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phone text);
INSERT INTO recipients (phone) SELECT repeat('+1555', 20) || g FROM generate_series(1, 20000) g;
CREATE TABLE events (id int, at date, recipient int REFERENCES recipients) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO events SELECT g, date '2026-01-01' + g % 300, g FROM generate_series(1, 20000) g;
CREATE TABLE "Odd ""name""" (n int);
INSERT INTO "Odd ""name""" VALUES (1), (2);
CREATE MATERIALIZED VIEW per_day AS SELECT at, count(*) FROM events GROUP BY at;
ALTER TABLE recipients OWNER TO keeper;
GRANT SELECT ON events TO keeper;
'''
CASES = {"one pg_dump": (17, 1), "parts": (17, 2), "compressed outside": (15, 1)}
ONE_JOB = {name: case for name, case in CASES.items() if case[1] == 1}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Major version and jobs."""
    if request.param[0] not in installations():
        pytest.skip(f"PostgreSQL {request.param[0]} is not installed")
    major, jobs = request.param
    return major, jobs


@pytest.fixture(scope="module")
def source(case: tuple[int, int]) -> Iterator[PostgresServer]:
    """A server with a database ``shop``."""
    with PostgresServer(case[0]) as server:
        server.create_database("shop")
        server.psql("shop", SOURCE)
        yield server


@pytest.fixture(scope="module")
def target(case: tuple[int, int]) -> Iterator[PostgresServer]:
    """A server that is empty before a set is restored into it, which one test does."""
    with PostgresServer(case[0]) as server:
        yield server


Restore = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def restore(target: PostgresServer, age: Path, tmp_path: Path) -> Restore:
    """Run the page's commands, in one shell, with a test's own names of the parts."""

    def run(**names: str | Path) -> subprocess.CompletedProcess[str]:
        blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        named = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in names.items())
        assert [line.partition("=")[0] for line in blocks[1].splitlines()] == list(names)
        script = tmp_path / "restore.sh"
        script.write_text("\n".join([blocks[0], named, *blocks[2:]]))
        folders = [str(target.bin_dir), str(age.parent), os.environ["PATH"]]
        return subprocess.run(
            ["sh", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**target.environment(), "PATH": os.pathsep.join(folders)},
        )

    return run


def dumped(server: PostgresServer, database: str) -> str:
    """The whole database as text, without what differs from dump to dump."""
    text = server.run("pg_dump", "--no-sync", database=database).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


def test_the_pages_commands_restore_a_set(
    case: tuple[int, int], source: PostgresServer, target: PostgresServer, restore: Restore, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    report = bench.backup(source, "shop", jobs=case[1], exports=[{"table": "recipients"}])
    names = [artifact["name"] for artifact in report["artifacts"] if artifact["role"] == "dump"]
    assert len(names) == case[1]
    assert all((".zst" in name) == (case[0] == 15) for name in names)

    shell = restore(
        set_directory=bench.root / report["directory"],
        key=bench.keys.identity,
        signer=bench.keys.verify,
        database="restored",
    )

    assert shell.returncode == 0, shell.stdout
    assert "Signature Verified Successfully" in shell.stdout
    assert "rows\n" not in shell.stdout
    assert "1,+1555" in shell.stdout
    assert not re.search("error|broken", shell.stdout, re.IGNORECASE), shell.stdout
    assert dumped(target, "restored") == dumped(source, "shop")


# However many jobs have made it.
@pytest.mark.parametrize("case", ONE_JOB.values(), indirect=True, ids=ONE_JOB)
def test_the_pages_commands_stop_at_a_set_that_is_not_in_order(
    source: PostgresServer, target: PostgresServer, restore: Restore, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    report = bench.backup(source, "shop")
    directory = bench.root / report["directory"]
    names = {"key": bench.keys.identity, "signer": bench.keys.verify, "database": "stopped"}

    elsewhere = bench.root / "other" / Path(*directory.relative_to(bench.root).parts[1:])
    elsewhere.parent.mkdir(parents=True)
    subprocess.run(["cp", "-R", directory, elsewhere], check=True)
    shell = restore(set_directory=elsewhere, **names)
    assert shell.returncode != 0
    assert f"this is {report['id']} of shop" in shell.stdout

    dump = directory / report["artifacts"][0]["name"]
    dump.write_bytes(dump.read_bytes()[:-1])
    shell = restore(set_directory=directory, **names)
    assert shell.returncode != 0
    assert f"{dump.name}: FAILED" in shell.stdout

    (directory / "manifest.json").write_text((directory / "manifest.json").read_text().replace("shop", "shoq"))
    shell = restore(set_directory=directory, **names)
    assert shell.returncode != 0
    assert "Signature Verification Failure" in shell.stdout
    assert target.query("postgres", "SELECT datname FROM pg_database WHERE datname = 'stopped'") == []
