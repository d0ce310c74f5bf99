"""What a controller is to have: objects that name each other by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from .kinds import KINDS


@dataclass(frozen=True)
class DesiredObject:
    """One object that the controller is to have.

    :param within: name of what it lies in, where names are unique only there.
    :param fields: of the API, with their values.
    :param in_containers: fields instead, where the controller's own jobs run in containers of a cluster.
    :param references: fields whose value is the id of another object, by its key; None for none.
    :param links: what belongs to it, by keys.
    :param survey: the questions of a template; empty for none.
    :param approval: name and timeout (seconds) of what a node of a workflow waits for.
    :param once: fields and references that only a new object is given.
    :param secret: the field that holds secrets.
    :param hidden: the names in it whose values are some.
    :param exists: whether somebody else has made it, so that it is only looked up.
    :param named_by: the option that names it, for who looks for it in vain.
    """

    kind: str
    name: str
    within: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    in_containers: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str | None] = field(default_factory=dict)
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)
    survey: Mapping[str, Any] = field(default_factory=dict)
    approval: Mapping[str, Any] = field(default_factory=dict)
    once: Sequence[str] = ()
    secret: str = ""
    hidden: Sequence[str] = ()
    exists: bool = False
    named_by: str = ""

    @property
    def key(self) -> str:
        """The text by which other objects refer to this one."""
        return f"{self.kind}:{self.within}/{self.name}" if self.within else f"{self.kind}:{self.name}"

    @property
    def title(self) -> str:
        """The object's kind and name, for messages."""
        within = f" of {self.within}" if self.within else ""
        return f"{KINDS[self.kind].title} {self.name}{within}"


def read_desired(objects: Sequence[Mapping[str, Any]]) -> list[DesiredObject]:
    """The objects, sorted so that each comes after those that it refers to.

    :raises ConfigError: of an unknown kind, twice, or naming what is not among them.
    """
    found = [_desired(one) for one in objects]
    known: set[str] = set()
    for one in found:
        if one.key in known:
            raise ConfigError("check the options", f"{one.title} is there twice", hint="give each a name of its own")
        known.add(one.key)
    for one in found:
        named = [*one.references.values(), *(key for keys in one.links.values() for key in keys)]
        if missing := sorted({key for key in named if key is not None} - known):
            raise ConfigError("check the options", f"{one.title} names {missing[0]}, which is not among the objects")
    order = list(KINDS)
    return sorted(found, key=lambda one: order.index(one.kind))


def _desired(one: Mapping[str, Any]) -> DesiredObject:
    if one.get("kind") not in KINDS:
        raise ConfigError("check the options", f"{one.get('kind')} is no kind of object", hint=", ".join(KINDS))
    try:
        # A controller takes the blanks off the ends of a text.
        fields = {name: _stripped(value) for name, value in one.get("fields", {}).items()}
        return DesiredObject(**{**one, "fields": fields})
    except (TypeError, AttributeError) as error:
        raise ConfigError("check the options", f"an object is not as it must be: {error}") from error


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value
