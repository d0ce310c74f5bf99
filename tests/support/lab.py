"""The laboratory: real servers, stores and programs for tests, the demo and the benchmark.

Everything here is thrown away at the end: use each part as a context manager or call its ``close``.
"""

from .ceph import CephServer
from .certificates import Certificates, make_certificates
from .installations import installations, supports_tls
from .pgbouncer import PgBouncer
from .postgres import PostgresServer
from .programs import (
    PROJECT,
    TOOLS,
    LabError,
    Program,
    find_tool,
    free_port,
    require_tool,
    unprivileged_user,
    wait_until,
)
from .stores import MotoServer, RcloneRemote, S3Server, WebdavServer
from .workspace import new_directory, root

__all__ = [
    "PROJECT",
    "TOOLS",
    "CephServer",
    "Certificates",
    "LabError",
    "MotoServer",
    "PgBouncer",
    "PostgresServer",
    "Program",
    "RcloneRemote",
    "S3Server",
    "WebdavServer",
    "find_tool",
    "free_port",
    "installations",
    "make_certificates",
    "new_directory",
    "require_tool",
    "root",
    "supports_tls",
    "unprivileged_user",
    "wait_until",
]
