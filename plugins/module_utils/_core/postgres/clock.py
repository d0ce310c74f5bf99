"""The server's clock and ours: a set that is made by a wrong clock would be the newest one for ever."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ..errors import PreflightError
from .types import Connection

APART = timedelta(minutes=5)
"""How far the two clocks may be apart."""


def check_clock(connection: Connection) -> None:
    """Refuse to work with a clock that is not the server's, give or take :data:`APART`.

    :raises PreflightError: telling both times; which of them is wrong nobody here can know.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.clock_timestamp()")
        row = cursor.fetchone()
    ours = datetime.now(timezone.utc)
    server = ours if row is None else row[0].astimezone(timezone.utc)
    if abs(server - ours) > APART:
        raise PreflightError(
            "check the clocks",
            f"it is {ours:%Y-%m-%d %H:%M:%S} UTC here and {server:%Y-%m-%d %H:%M:%S} UTC on the database server",
            hint="set the clock that is wrong (chrony, systemd-timesyncd): the sets' ids and their order depend on it",
        )
