"""What the roles that a restore makes may do: what pg_dumpall writes of it, as far as the session's role may say so.

pg_dumpall writes every attribute, also those that a new role does not have anyway; of some only a superuser may even
say that, ``NOSUPERUSER`` among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from ...postgres.names import IDENTIFIER
from .globals_script import RolePlan, RoleStatement

_ATTRIBUTE = re.compile(r" (NO)?(SUPERUSER|CREATEROLE|CREATEDB|REPLICATION|BYPASSRLS)\b")
_ALTER = re.compile(rf"ALTER ROLE {IDENTIFIER} WITH(?= )")
_LOGIN = re.compile(r" LOGIN\b")
_PASSWORD = re.compile(r" PASSWORD '(?:[^']|'')*'")


def is_essential(statement: RoleStatement) -> bool:
    """Whether a role without it would not be the role that was backed up."""
    return statement.text.startswith("CREATE ROLE ") or _ALTER.match(statement.text) is not None


def without_login(plan: RolePlan, *, superuser: bool) -> RolePlan:
    """The same roles for nobody to be: without passwords and the right to log in.

    :param superuser: whether the session's role is one; no other can give them attributes, nor needs to.
    """

    def passive(attributes: str) -> str:
        kept = _PASSWORD.sub("", _LOGIN.sub(" NOLOGIN", attributes))
        return kept if superuser else _ATTRIBUTE.sub("", kept)

    return _changed(plan, passive)


def without_denials(plan: RolePlan) -> RolePlan:
    """The same roles, without saying of them what is so of every new role."""
    return _changed(plan, lambda attributes: _ATTRIBUTE.sub(lambda one: "" if one[1] else one[0], attributes))


def locked_out(plan: RolePlan) -> list[str]:
    """Roles that may log in and have no password, where the backup has none of any role."""
    statements = [one for one in plan.statements if _ALTER.match(one.text)]
    if any(_PASSWORD.search(one.text) for one in statements):
        return []
    return sorted({one.role for one in statements if _LOGIN.search(one.text)})


def given(plan: RolePlan, attributes: Collection[str]) -> Iterator[tuple[str, str]]:
    """Role and attribute, of each of *attributes* that the plan gives."""
    for statement in plan.statements:
        if match := _ALTER.match(statement.text):
            rest = _PASSWORD.sub("", statement.text[match.end() :])
            yield from (
                (statement.role, one[2]) for one in _ATTRIBUTE.finditer(rest) if not one[1] and one[2] in attributes
            )


def _changed(plan: RolePlan, change: Callable[[str], str]) -> RolePlan:
    def changed(statement: RoleStatement) -> RoleStatement:
        match = _ALTER.match(statement.text)
        if match is None:
            return statement
        return replace(statement, text=f"{match[0]}{change(statement.text[match.end() :])}")

    return replace(plan, statements=tuple(map(changed, plan.statements)))
