"""Texts for people: numbers, tables, and what comes from outside made visible.

Names of tables, roles and databases, what servers and stores answer, and what lies in a location are other people's
texts. Characters in them that move a cursor, colour a terminal, reorder or break a line would let their author write
into our summaries, reports and alerts. They are shown as Python writes them: ``\\x1b``, ``\\u202e``, ``\\n``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Page(str):
    """A text of several lines, whose line breaks are ours; made by :func:`page`."""

    __slots__ = ()


def visible(text: str) -> str:
    """*text* in one line, without control characters, those that reorder, those that cannot be seen, or half ones.

    What has none of them is as it was; twice is as good as once. A :class:`Page` keeps its line breaks.
    """
    if isinstance(text, Page) or text.isprintable():
        return text
    return "".join(character if _is_visible(character) else repr(character)[1:-1] for character in text)


def escape_undecodable(text: str) -> str:
    """*text* with half characters, each of which is a byte of no encoding, written as ``\\udce9``; else as it is."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def page(lines: Iterable[str]) -> Page:
    """A text with each of the lines made visible and ended by a line break."""
    return Page("".join(f"{visible(line)}\n" for line in lines))


def _is_visible(character: str) -> bool:
    # Blanks of every width are no printable characters for Python.
    return character.isprintable() or unicodedata.category(character) == "Zs"


def readable_size(count: float) -> str:
    """The number of bytes with a unit: ``1.4 GiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def first_lines(lines: Sequence[str], total: int | None = None, *, limit: int = 50) -> list[str]:
    """At most *limit* of *lines*, and one that counts those that are left out of *total*, by default all of them.

    For whatever others can make any number of.
    """
    shown, more = _bounded(lines, total, limit)
    return [*shown, more] if more else shown


def bounded_list(texts: Sequence[str], total: int | None = None, *, limit: int = 10, separator: str = ", ") -> str:
    """At most *limit* of the texts in one line, and how many more there are: ``a, b and 3 more``."""
    shown, more = _bounded(texts, total, limit)
    return separator.join(shown) + (f" {more}" if more else "")


def _bounded(texts: Sequence[str], total: int | None, limit: int) -> tuple[list[str], str]:
    """The first of the texts, and how many more there are: ``and 3 more``, or nothing."""
    shown = list(texts[:limit])
    more = (len(texts) if total is None else total) - len(shown)
    return shown, f"and {more:,} more" if more > 0 else ""


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines in columns, each as wide as its widest cell."""
    shown = [[visible(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
