"""psycopg2's types, by names that can be used in annotations where psycopg2 is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2 import Error
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composable, Identifier
else:
    Composable = Connection = Cursor = Error = Identifier = object

__all__ = ["Composable", "Connection", "Cursor", "Error", "Identifier"]
