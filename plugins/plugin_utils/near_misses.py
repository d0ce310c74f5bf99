# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables that are almost those of the collection: what they were to set is not set, and nobody is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

DISTANCE = 2
_SHORTEST = 8
"""Of a shorter name too many words are a letter or two away."""
_LONG = 6
"""Of a name whose words after the first are shorter, for example backup_kind, one letter may be wrong and no two."""


def near_misses(names: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Name -> the known one that was meant, for those that no variable has and that are close to one."""
    found = {}
    letters = {one: frozenset(one) for one in known}
    for name in sorted(set(names) - set(known)):
        if len(name) < _SHORTEST or "__" in name or name.startswith("ansible_"):
            continue
        own = frozenset(name)
        # With each letter that differs no more than two come or go: nearly all names are told apart by that.
        alike = (
            one for one in known if abs(len(one) - len(name)) <= DISTANCE and len(letters[one] ^ own) <= 2 * DISTANCE
        )
        close = [(distance(name, one), one) for one in alike]
        far, meant = min(close, default=(DISTANCE + 1, ""))
        if len(meant) >= _SHORTEST and far <= (DISTANCE if len(meant.partition("_")[2]) >= _LONG else 1):
            found[name] = meant
    return found


def distance(one: str, other: str) -> int:
    """How many letters were left out, added, exchanged for another, or swapped with their neighbour."""
    rows = [list(range(len(other) + 1))]
    for number, letter in enumerate(one, 1):
        row = [number]
        for place, theirs in enumerate(other, 1):
            best = min(rows[-1][place] + 1, row[-1] + 1, rows[-1][place - 1] + (letter != theirs))
            if number > 1 and place > 1 and letter == other[place - 2] and one[number - 2] == theirs:
                best = min(best, rows[-2][place - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def selects(tags: Iterable[str], only: Collection[str], without: Collection[str]) -> bool:
    """Whether tasks with these tags are run with ``--tags`` and ``--skip-tags``, were it not for the tag always.

    :param tags: of a task that is always run, those that it has with all others of a playbook among them.
    """
    own = set(tags) - {"always"} or {"untagged"}
    wanted = "all" in only or bool(own & set(only)) or ("tagged" in only and own != {"untagged"})
    left_out = "all" in without or bool(own & set(without)) or ("tagged" in without and own != {"untagged"})
    return wanted and not left_out
