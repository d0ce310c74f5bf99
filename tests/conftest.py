"""Fixtures that every test may use: databases, stores and programs, all real, one of each for a worker."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support import ceph, effort, workspace
from support.forks import umask
from support.lab import (
    CephServer,
    MotoServer,
    PostgresServer,
    RcloneRemote,
    S3Server,
    WebdavServer,
    find_tool,
    installations,
    supports_tls,
)

MAJORS = (15, 17, 18)
_WITH_TLS = 15
"""The version whose server offers TLS: each connection costs twice as much there."""
_UNIT = Path(__file__).parent / "unit"


# On a busy machine nothing has a deadline, the making of examples neither.
settings.register_profile("laboratory", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# For a second pass over what is the same on every version of Python and Ansible, unless something is badly wrong.
settings.register_profile("quick", settings.get_profile("laboratory"), max_examples=10)
# For all that a usual run takes only some of.
settings.register_profile("long", settings.get_profile("laboratory"), max_examples=1000)
settings.load_profile("laboratory")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the run's one directory, before workers are started, and keep this machine's settings out of the tests."""
    # Servers run as another user, who must be able to reach what is made for them.
    os.umask(0o022)
    root = workspace.root()
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = str(root / "pytest")
    # Also what a killed child leaves shall go when the run ends.
    tempfile.tempdir = os.environ["TMPDIR"] = str(workspace.temporary())
    for name in list(os.environ):
        if name.startswith(("PG", "AWS_", "RCLONE_")):
            del os.environ[name]
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spend no time on the garbage that thousands of tests are not, while they are collected and from then on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    """What makes another run take the same cases and steps."""
    return f"MOBUL_SEED={effort.SEED}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what others of its kind stand for in this run; a case that was named is run."""
    if any("[" in word for word in config.args):
        return
    others = set(effort.left_out(items))
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def pytest_itemcollected(item: pytest.Item) -> None:
    """All logic is tried on the newest ansible-core, too; what lies in ``unit`` itself only reads sources."""
    if _UNIT in item.path.parent.parents:
        item.add_marker("next")


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """Fail the test that leaves another umask behind: later tests of its worker could not share what they make."""
    mask = umask()
    yield
    left = os.umask(mask)
    if left != mask:
        pytest.fail(f"the test leaves the umask {left:03o} behind")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long text (a key, a file) by its parameter: workers that made their own must agree on a test's name."""
    return argname if isinstance(val, str | bytes) and len(val) > 40 else None


@pytest.fixture(scope="session")
def _postgres_servers() -> Iterator[dict[int, PostgresServer]]:
    servers: dict[int, PostgresServer] = {}
    yield servers
    for server in servers.values():
        server.close()


def _server(servers: dict[int, PostgresServer], major: int) -> PostgresServer:
    if major not in installations():
        pytest.skip(f"PostgreSQL {major} is not installed")
    if major not in servers:
        servers[major] = PostgresServer(major, tls=major == _WITH_TLS and supports_tls(major)).start()
    return servers[major]


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"pg{major}")
def postgres(request: pytest.FixtureRequest, _postgres_servers: dict[int, PostgresServer]) -> PostgresServer:
    """A server of each major version in turn; one of them offers TLS (``certificates`` is then set)."""
    return _server(_postgres_servers, request.param)


@pytest.fixture(scope="session")
def postgres17(_postgres_servers: dict[int, PostgresServer]) -> PostgresServer:
    """A server of the version that most tests need no more than one of."""
    return _server(_postgres_servers, 17)


@pytest.fixture(scope="session")
def postgres15(_postgres_servers: dict[int, PostgresServer]) -> PostgresServer:
    """A server that is older than the newest programs here."""
    return _server(_postgres_servers, 15)


@pytest.fixture(scope="session")
def postgres18(_postgres_servers: dict[int, PostgresServer]) -> PostgresServer:
    """A server that is newer than what most sets are of."""
    return _server(_postgres_servers, 18)


@pytest.fixture
def database(postgres17: PostgresServer) -> Iterator[str]:
    """The name of a fresh database on :func:`postgres17`."""
    with postgres17.database() as name:
        yield name


@pytest.fixture
def any_database(postgres: PostgresServer) -> Iterator[str]:
    """The name of a fresh database on :func:`postgres`, so on every version in turn."""
    with postgres.database() as name:
        yield name


def _started(kind: Callable[[], contextlib.AbstractContextManager[Any]], text: str) -> Any:
    """A fixture of the session: a server that is started and ended.

    :param text: what ``pytest --fixtures`` shows.
    """

    def server() -> Iterator[Any]:
        with kind() as started:
            yield started

    server.__doc__ = text
    return pytest.fixture(scope="session")(server)


s3_server = _started(S3Server, "An S3 server that checks signatures and stores real files.")


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Iterator[str]:
    """The name of a fresh bucket on :func:`s3_server`."""
    name = s3_server.create_bucket()
    yield name
    s3_server.remove_bucket(name)


moto_server = _started(MotoServer, "A model of AWS, for what :func:`s3_server` does not know.")


@pytest.fixture(scope="session")
def ceph_server() -> Iterator[CephServer]:
    """Ceph's gateway, which answers like itself."""
    for program in ceph.PROGRAMS:
        _tool(program)
    with CephServer() as server:
        yield server


webdav_server = _started(WebdavServer, "A WebDAV server with a login.")


@pytest.fixture
def rclone_config() -> Iterator[RcloneRemote]:
    """An rclone configuration with an empty remote ``gdrive:``."""
    remote = RcloneRemote()
    yield remote
    remote.close()


@pytest.fixture
def rclone_webdav(webdav_server: WebdavServer) -> Iterator[RcloneRemote]:
    """Like :func:`rclone_config`, and ``webdav:`` leads to :func:`webdav_server`."""
    remote = RcloneRemote(webdav=webdav_server)
    yield remote
    remote.close()


def _tool(name: str) -> Path:
    path = find_tool(name)
    if path is None:
        pytest.skip(f"{name} is not here: `make tools` found no way to get it")
    return path


def _command(name: str) -> Any:
    """A fixture of the session: the path of a program; what needs it is skipped where that is not here."""

    def command() -> Path:
        return _tool(name)

    command.__doc__ = f"The ``{name}`` command."
    return pytest.fixture(scope="session")(command)


age = _command("age")
pgbouncer = _command("pgbouncer")
promtool = _command("promtool")
restic = _command("restic")
