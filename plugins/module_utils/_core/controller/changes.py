"""What is to be done, as a plan: check mode shows it, and a run carries it out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .client import Record
from .desired import DesiredObject
from .kinds import KINDS
from .state import State

ENCRYPTED = "$encrypted$"
"""What a controller shows of a secret."""
_JSON = ("variables", "extra_data", "extra_vars")
"""Fields that hold a mapping, as JSON text or as itself."""
_LONGEST = 60


@dataclass(frozen=True)
class Change:
    """What will be done to one object of the controller.

    :param record: what there is of it; None for a new one.
    :param fields: what is set of it.
    :param links: what belongs to it from now on, by keys, where that is something else.
    :param survey: whether its questions are sent.
    :param approval: whether what it waits for is.
    :param differences: a line for each of these, without secrets.
    """

    wanted: DesiredObject
    record: Record | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str | None] = field(default_factory=dict)
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)
    survey: bool = False
    approval: bool = False
    differences: Sequence[str] = ()

    @property
    def line(self) -> str:
        """The change in one line of text."""
        if self.record is None:
            return f"make {self.wanted.title}"
        return f"change {self.wanted.title}: {'; '.join(self.differences)}"


def plan_changes(wanted: Sequence[DesiredObject], state: State, *, update_secrets: bool) -> list[Change]:
    """The changes that are needed, in the order in which they have to be made."""
    found = []
    for one in (_fitting(one, state) for one in wanted if not one.exists):
        if one.key not in state.found:
            links = {part: keys for part, keys in one.links.items() if keys}
            found.append(Change(one, None, one.fields, one.references, links, bool(one.survey), bool(one.approval)))
        elif (change := _change(one, state, update_secrets)).differences:
            found.append(change)
    return found


def _fitting(one: DesiredObject, state: State) -> DesiredObject:
    """An object as this controller is to have it."""
    if one.in_containers and state.in_containers:
        return replace(one, fields={**one.fields, **one.in_containers})
    return one


def _change(one: DesiredObject, state: State, update_secrets: bool) -> Change:
    record = state.found[one.key]
    fields, differing = {}, []
    for name, value in one.fields.items():
        if name in one.once or _same(name, record.get(name), value, update_secrets and name == one.secret):
            continue
        fields[name] = value
        differing += [name] if name == one.secret else _differences(name, record.get(name), value)
    references = {}
    for name, key in one.references.items():
        still_to_be_made = key is not None and key not in state.found
        if name not in one.once and (still_to_be_made or record.get(name) != state.id_of(key)):
            references[name] = key
            differing.append(f"{name} -> {_name(key)}")
    links = {}
    for part, keys in one.links.items():
        there, ids = state.links(one, part), [state.id_of(key) for key in keys]
        if None in ids or (there != ids if part == "instance_groups" else set(there) != set(ids)):
            links[part] = keys
            differing.append(f"{part} -> {', '.join(map(_name, keys)) or 'none'}")
    there_is = state.survey(one) if one.survey else {}
    survey = there_is != one.survey
    approval = bool(one.approval) and not _approves(record, one.approval)
    differing += _questions(there_is, one.survey) * survey + ["approval"] * approval
    return Change(one, record, fields, references, links, survey, approval, differing)


def _approves(record: Record, approval: Mapping[str, Any]) -> bool:
    there = record["summary_fields"].get("unified_job_template") or {}
    return all(there.get(name) == value for name, value in approval.items())


def _same(name: str, there: Any, value: Any, sent_again: bool) -> bool:
    """Whether a field has a value already; of a secret nobody knows, and it counts as the same."""
    if name in _JSON:
        return bool(_mapping(there) == _mapping(value))
    if isinstance(value, Mapping) and isinstance(there, Mapping) and name in ("inputs", "notification_configuration"):
        # Of a credential nothing else is kept; a channel has defaults that nobody named.
        named = set(value) == set(there) if name == "inputs" and "fields" not in value else set(value) <= set(there)
        hidden = [key for key in value if there.get(key) == ENCRYPTED]
        equal = all(there[key] == value[key] for key in value if key not in hidden) if named else False
        return equal and not (sent_again and hidden)
    return bool(there == value) or (there in (None, "") and value in (None, ""))


def _mapping(value: Any) -> Any:
    if not isinstance(value, str):
        return value or {}
    try:
        return json.loads(value or "{}")
    except ValueError:
        return value


def _differences(name: str, there: Any, value: Any) -> list[str]:
    """What becomes of a field, and of a mapping what becomes of its parts."""
    before, after = (_mapping(there), _mapping(value)) if name in _JSON else (there, value)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [f"{name} {_shown(before)} -> {_shown(after)}"]
    parts = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if name == "variables":
        # No secret belongs into them, but who knows.
        return [f"variables ({', '.join(parts)})"]
    return [text for key in parts for text in _differences(f"{name}.{key}", before.get(key), after.get(key))]


def _questions(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The questions of a survey that differ, by their variables."""
    before, after = ({one["variable"]: one for one in survey.get("spec", [])} for survey in (there, wanted))
    names = [name for name in {**after, **before} if before.get(name) != after.get(name)]
    return [f"survey ({', '.join(names) or 'its order'})"]


def _name(key: str | None) -> str:
    return "none" if key is None else key.partition(":")[2]


def _shown(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def removed_line(leftover: tuple[str, Record]) -> str:
    """A removal, for a person."""
    return f"remove {left_line(*leftover)}"


def left_line(kind: str, record: Record) -> str:
    """One line about an object that is not wanted any more."""
    return f"{KINDS[kind].title} {record[KINDS[kind].identity]}"
