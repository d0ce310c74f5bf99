"""The user's own checks of a restored database: a query each, and what it must return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ...errors import ConfigError
from ...findings import FAILED, PASSED
from ...postgres.foreign_code import RESTRICTION, knows_restriction
from ...postgres.messages import server_message
from ...postgres.types import Connection

STEP = "check the options"
_MAX_ROWS = 10_000
_MAX_NAME = 63
_BOUNDS = ("min", "max")
_SHOWN = (bool, int, float, Decimal)
"""Types of values that a message may show: text may be somebody's name."""


@dataclass(frozen=True)
class Query:
    """One query of the user with the result that it must have.

    :param name: of the condition, for reports and alerts.
    :param sql: one statement that returns rows and changes nothing.
    :param expect: a value, a list of rows, or ``{min:, max:}`` for a number; by default true.
    """

    name: str
    sql: str
    expect: Any = True

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Query:
        """From an inventory; raise :class:`ConfigError` if it cannot be right."""
        name, sql = str(given.get("name") or "").strip(), str(given.get("query") or "").strip()
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            raise ConfigError(STEP, "checks: one has no name, or none that can be printed", hint="1 to 63 characters")
        if not sql:
            raise ConfigError(STEP, f"checks: {name!r} has no query", hint="query: SELECT count(*) > 0 FROM clients")
        expect = True if given.get("expect") is None else given["expect"]
        if isinstance(expect, Mapping):
            bounds = {key: expect[key] for key in _BOUNDS if expect.get(key) is not None}
            if not bounds or set(expect) - set(_BOUNDS) or not all(_number(one) is not None for one in bounds.values()):
                raise ConfigError(
                    STEP, f"checks: {name!r}: expect has to be a value, rows, or bounds", hint="expect: {min: 1000}"
                )
        return cls(name, sql, expect)


def run_query(connection: Connection, query: Query, timeout: int) -> tuple[str, str]:
    """Ask, and compare the answer.

    :param timeout: seconds.
    :return: a status of findings, and what was found.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN READ ONLY")
            try:
                cursor.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", [str(timeout * 1000)])
                if knows_restriction(connection.server_version):
                    # What lies in a foreign table is asked of another server.
                    cursor.execute("SELECT pg_catalog.set_config(%s, 'foreign-table', true)", [RESTRICTION])
                # As the application's own statements find their tables.
                cursor.execute("""SELECT pg_catalog.set_config('search_path', '"$user", public', true)""")
                cursor.execute(query.sql)
                if cursor.description is None:
                    return FAILED, "the query returns no rows at all: it has to be a SELECT"
                rows = cursor.fetchmany(_MAX_ROWS + 1)
            finally:
                if not connection.closed:
                    cursor.execute("ROLLBACK")
    except Error as error:
        return FAILED, f"the query failed: {server_message(error)}"
    if len(rows) > _MAX_ROWS:
        return FAILED, f"the query returns more than {_MAX_ROWS:,} rows"
    return judge(rows, query.expect)


def judge(rows: Sequence[Sequence[Any]], expect: Any) -> tuple[str, str]:
    """Compare the rows of an answer with what was expected; numbers as such, all else as text."""
    if isinstance(expect, list):
        wanted = [row if isinstance(row, list) else [row] for row in expect]
        if len(rows) != len(wanted):
            return FAILED, f"{len(rows)} rows instead of {len(wanted)}"
        for number, (row, other) in enumerate(zip(rows, wanted, strict=True), start=1):
            if len(row) != len(other) or not all(map(_same, row, other)):
                return FAILED, f"row {number} is not the expected one"
        return PASSED, f"{len(rows)} rows as expected"
    if len(rows) != 1 or len(rows[0]) != 1:
        return (
            FAILED,
            f"the query returns {len(rows)} rows of {len(rows[0]) if rows else 0} columns instead of one value",
        )
    return _judge_value(rows[0][0], expect)


def _judge_value(value: Any, expect: Any) -> tuple[str, str]:
    found = str(value) if isinstance(value, _SHOWN) or value is None else "another value"
    if not isinstance(expect, Mapping):
        return (PASSED, "as expected") if _same(value, expect) else (FAILED, f"{found} instead of {expect}")
    number, low, high = _number(value), _number(expect.get("min")), _number(expect.get("max"))
    wanted = _bounds(low, high)
    if number is None:
        return FAILED, f"{found} is no number, and should be {wanted}"
    inside = (low is None or number >= low) and (high is None or number <= high)
    return (PASSED, f"{found}, {wanted}") if inside else (FAILED, f"{found} instead of {wanted}")


def _bounds(low: Decimal | None, high: Decimal | None) -> str:
    words = [] if low is None else [f"at least {low}"]
    return " and ".join(words if high is None else [*words, f"at most {high}"])


def _same(value: Any, expect: Any) -> bool:
    if value is None or expect is None or isinstance(value, bool) or isinstance(expect, bool):
        return _text(value) == _text(expect)
    one, other = _number(value), _number(expect)
    if one is not None and other is not None and not isinstance(value, str):
        return one == other
    return _text(value) == _text(expect)


def _text(value: Any) -> str:
    # Playbooks may give a truth as text.
    return str(value).lower() if isinstance(value, bool) or str(value).lower() in ("true", "false") else str(value)


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return None if number.is_nan() else number
