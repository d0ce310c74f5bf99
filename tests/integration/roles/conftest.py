"""What runs of the playbooks need: databases, stores and keys."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.alert_services import Desk, alert_desk
from support.backup_bench import Keys, make_keys
from support.certificates import make_certificates
from support.lab import LabError, PostgresServer, RcloneRemote, S3Server
from support.playbooks import Playbooks
from support.sample_databases import fill
from support.sshd import SshServer, find_sshd

TABLES = """
CREATE TABLE recipients (id int PRIMARY KEY, phone text);
INSERT INTO recipients SELECT g, '+1555' || g FROM generate_series(1, 300) g;
CREATE TABLE campaigns (id int PRIMARY KEY, name text);
INSERT INTO campaigns SELECT g, 'campaign ' || g FROM generate_series(1, 50) g;
"""


@pytest.fixture
def playbooks(tmp_path: Path) -> Playbooks:
    """What runs a playbook."""
    return Playbooks(tmp_path)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """Two recipients and a signing key."""
    return make_keys(tmp_path)


@pytest.fixture(scope="session")
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """A database with personal data."""
    with postgres17.database() as name:
        postgres17.psql(name, TABLES)
        yield name


@pytest.fixture
def login(postgres17: PostgresServer, shop: str) -> dict[str, Any]:
    """The role's variables with which :func:`shop` is reached."""
    values = {**postgres17.login(shop), "pg_bin_dir": str(postgres17.bin_dir)}
    return {f"backup_{name}": value for name, value in values.items()}


@pytest.fixture
def backed_up(keys: Keys, login: dict[str, Any], locations: list[dict[str, Any]]) -> dict[str, Any]:
    """The variables with which :func:`shop` is backed up, encrypted and signed, into the three locations."""
    public = {"backup_recipients": keys.recipients, "backup_signing_key": str(keys.signing)}
    return {**login, **public, "backup_locations": locations}


@pytest.fixture
def locations(
    tmp_path: Path, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote
) -> Iterator[list[dict[str, Any]]]:
    """The three locations of the weekly procedure, empty."""
    yield [
        s3_server.location(s3_bucket),
        rclone_config.location("Backups"),
        {"name": "local", "type": "local", "path": str(tmp_path / "local")},
    ]


@pytest.fixture
def stored(locations: list[dict[str, Any]], s3_server: S3Server, rclone_config: RcloneRemote) -> list[Path]:
    """The directories behind :func:`locations`; those that a backup made may not be there yet."""
    return [s3_server.root / locations[0]["bucket"], rclone_config.root / "Backups", Path(locations[2]["path"])]


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    """A real SSH server on loopback."""
    program = find_sshd()
    if program is None:
        pytest.skip("sshd is not here: `make tools` found no way to get it; install openssh-server, or set MOBUL_SSHD")
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not here: install openssh-client")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(SshServer(program))
        except LabError as error:
            pytest.skip(f"sshd does not start here: {error}")
        yield server


@pytest.fixture(scope="module")
def large(postgres17: PostgresServer) -> Iterator[str]:
    """More than fits between pg_dump and a location that stands still."""
    with postgres17.database() as name:
        fill(postgres17, name, 20, "big")
        yield name


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A mail server, Slack and PagerDuty."""
    (tmp_path / "certificates").mkdir()
    with alert_desk(make_certificates(tmp_path / "certificates")) as found:
        yield found
