"""What is different between two schemas of which one was made from the other's definitions.

A server keeps expressions parsed, and writes some of them in another way than they were given to it: a column of a
UNION's second half gets a name, a cast of an array becomes casts of its elements. Who has given it the definition and
got no error has what was defined; such a difference is told apart from those that a person would call one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .schema import schema_objects
from .toc import Toc

_PARSED = (
    "CHECK CONSTRAINT ", "CONSTRAINT ", "DEFAULT ", "DOMAIN ", "FOREIGN TABLE ", "FUNCTION ", "INDEX ",
    "MATERIALIZED VIEW ", "POLICY ", "PROCEDURE ", "PUBLICATION TABLE ", "RULE ", "STATISTICS ", "TABLE ",
    "TABLE ATTACH ", "TRIGGER ", "VIEW ",
)  # fmt: skip
"""Kinds of objects in which there may be an expression."""
_ALIKE_IN_ALL_VERSIONS = (
    "ACL ", "AGGREGATE ", "COMMENT ", "EVENT TRIGGER ", "EXTENSION ", "FK CONSTRAINT ", "PUBLICATION ", "ROW SECURITY ",
    "SCHEMA ", "SEQUENCE ", "TYPE ",
)  # fmt: skip
"""Kinds whose definitions all supported versions write alike, but for blanks and qualified names."""

_INDEX_ATTACH = "INDEX ATTACH "


@dataclass(frozen=True)
class SchemaDifferences:
    """The names of objects that two schemas do not have in common or define differently.

    :param changed: defined otherwise than they were.
    :param moved: of another owner, in another tablespace, or of another access method.
    :param rewritten: written otherwise by the server, see above; or rights that are the same, given by somebody else.
    :param doubtful: of another version, and different in more than what versions use to write in two ways.
    :param borrowed: of an extension, and different only in its owner.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[str, ...]
    rewritten: tuple[str, ...]
    doubtful: tuple[str, ...]
    borrowed: tuple[str, ...]

    @property
    def strange(self) -> tuple[str, ...]:
        """Of the extra objects those that are not of the server's own making.

        A partition that is attached gets every index that its tree has. It did not have it where an index of the tree
        was still being built, partition by partition.
        """
        attached = [name for name in self.extra if name.startswith(_INDEX_ATTACH)]
        given = {*attached, *(f"INDEX {name.removeprefix(_INDEX_ATTACH)}" for name in attached)}
        return tuple(name for name in self.extra if name not in given)


def schema_differences(
    before: Toc, after: Toc, *, same_version: bool = True, tablespaces: bool = True
) -> SchemaDifferences:
    """Compare; values of sequences do not count.

    :param before: what was to be made.
    :param after: what there is.
    :param same_version: whether the same version of the server and its programs tells of both.
    :param tablespaces: whether these count.
    """

    def both(**options: bool) -> list[dict[str, str]]:
        given = {"sequence_values": False, "borrowed": False, "tablespaces": tablespaces, **options}
        return [schema_objects(toc, **given) for toc in (before, after)]

    exact, own = both(borrowed=True), both()
    where, loose = both(definitions=False), both(loose=True)
    there = [name for name in own[0] if name in own[1]]
    different = [name for name in there if own[0][name] != own[1][name]]
    moved = [name for name in different if where[0].get(name) != where[1].get(name)]
    names = [name for name in different if name not in moved]
    if not same_version:
        names = [name for name in names if loose[0].get(name) != loose[1].get(name)]
    given = both(grantors=False) if names else own
    rewritten = [name for name in names if name.startswith(_PARSED) or given[0].get(name) == given[1].get(name)]
    rest = [name for name in names if name not in rewritten]
    changed = [name for name in rest if same_version or name.startswith(_ALIKE_IN_ALL_VERSIONS)]
    return SchemaDifferences(
        missing=tuple(name for name in own[0] if name not in own[1]),
        extra=tuple(name for name in own[1] if name not in own[0]),
        changed=tuple(changed),
        moved=tuple(moved),
        rewritten=tuple(rewritten),
        doubtful=tuple(name for name in rest if name not in changed),
        borrowed=tuple(name for name in there if name not in different and exact[0][name] != exact[1][name]),
    )
