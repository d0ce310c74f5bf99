"""A restore that can begin: everything was proven and checked. Check mode ends with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...postgres.any_bytes import script_encoding
from ...postgres.archive.encodings import encoding_of
from ...postgres.connection import ConnectionOptions
from ...postgres.environment import child_environment_for
from ...postgres.foreign_code import RESTRICTION, knows_restriction
from ...postgres.programs import Program
from ...postgres.types import Connection
from ..outbound.forecast import NOTHING_FORESEEN, Forecast, computed_tables, left_for_later
from .contents import Contents
from .globals_script import RolePlan
from .in_place.clearing import Clearing
from .request import RestoreRequest
from .subscriptions import Subscription
from .target import Target, elsewhere

_BULK = (("synchronous_commit", "off"), ("maintenance_work_mem", "256MB"))
"""Settings for a database that nobody uses yet; what it commits is durable when the exchange is."""


@dataclass(frozen=True)
class RestorePlan:
    """What will be restored into what, and how.

    :param options: the way to the server.
    :param owner: of the restored database.
    :param maintenance: a session beside the target, which holds the restore's lock.
    :param psql: where a script is executed; None where nothing needs it.
    :param subscriptions: of the database that is there.
    :param clearing: what a restore in place of a dump moves out of the way, and what it leaves.
    :param put_back: the statements that make the rest of that again.
    :param without: options of pg_dump that leave out what of the platform's the role may not read there.
    :param tablespaces: whether the server has all that the backup uses; otherwise none of them counts.
    :param forecast: what calls out in what the backup makes; nothing where that may.
    :param pooled: whether a pooler is between, which takes no settings at the start of a session.
    """

    request: RestoreRequest
    options: ConnectionOptions
    contents: Contents
    target: Target
    strategy: str
    roles: RolePlan
    owner: str
    maintenance: Connection
    pg_restore: Program
    pg_dump: Program | None
    psql: Program | None
    pooled: bool
    tablespaces: bool = True
    subscriptions: tuple[Subscription, ...] = ()
    warnings: tuple[str, ...] = ()
    clearing: Clearing | None = None
    put_back: bytes = field(default=b"", repr=False)
    without: tuple[str, ...] = ()
    forecast: Forecast = NOTHING_FORESEEN

    @property
    def maintenance_options(self) -> ConnectionOptions:
        """Connection options for the maintenance database."""
        return elsewhere(self.options, self.request.beside)

    @property
    def _encoding(self) -> str:
        """The client encoding of pg_restore and psql."""
        there, toc = self.target.database, self.contents.toc
        return script_encoding(
            *(() if there is None else (there.encoding,)),
            *(encoding_of(one.defn) for one in (() if toc is None else toc.entries) if one.desc == "ENCODING"),
        )

    @contextlib.contextmanager
    def environment(self, database: str, *, bulk: bool = False) -> Iterator[dict[str, str]]:
        """The environment of a program that connects to one of the server's databases.

        :param bulk: whether it loads a database that nobody uses yet.
        """
        version = None if self.pooled else self.target.version_num
        with child_environment_for(elsewhere(self.options, database), server_version_num=version) as environment:
            environment["PGCLIENTENCODING"] = self._encoding
            if bulk and not self.pooled:
                settings = " ".join(f"-c {name}={value}" for name, value in (*_BULK, *self.session_settings))
                environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} {settings}".strip()
            yield environment

    @property
    def session_settings(self) -> tuple[tuple[str, str], ...]:
        """What keeps sessions that load rows from asking another server."""
        restricts = self.request.outbound != "active" and knows_restriction(self.target.version_num)
        return ((RESTRICTION, "foreign-table"),) if restricts else ()

    @property
    def computed_tables(self) -> frozenset[int]:
        """Dump ids of tables before which what calls out has to be silent."""
        toc = self.contents.toc
        return frozenset() if toc is None else frozenset(computed_tables(toc, self.forecast))

    @property
    def left_for_later(self) -> frozenset[int]:
        """Dump ids of what is not loaded, as that would call out; somebody expects it, or it comes when resumed."""
        toc = self.contents.toc
        if toc is None:
            return frozenset()
        return frozenset(left_for_later(toc, self.forecast, self.request.expected))
