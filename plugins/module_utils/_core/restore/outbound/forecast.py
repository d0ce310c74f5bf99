"""What of a dump calls out, told from its table of contents before anything of it is restored.

The same rules as :mod:`.calls` has for a server: what an entry depends on, and the texts of functions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ...postgres.archive import Toc, TocEntry, object_name
from ...postgres.names import TableName
from ...texts import bounded_list
from . import kinds
from .calls import KNOWN_FUNCTIONS, NAMED
from .paused_objects import Paused

_FUNCTIONS = ("FUNCTION", "PROCEDURE")
_RELATIONS = ("FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW")
_READERS = (*_FUNCTIONS, "MATERIALIZED VIEW", "POLICY", "RULE", "VIEW")
_PASSED_ON = (
    *_FUNCTIONS,
    *_RELATIONS,
    "AGGREGATE",
    "CAST",
    "DOMAIN",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "TYPE",
)
"""Kinds through which a call goes on to what depends on them; a table is used without what its columns call."""
_SWITCHED = {"EVENT TRIGGER": kinds.EVENT_TRIGGER, "RULE": kinds.RULE, "TRIGGER": kinds.TRIGGER}
_STORED = ("CONSTRAINT", "INDEX")
_CHECKED = ("CHECK CONSTRAINT", "DOMAIN", "STATISTICS")
_STAYING = ("DEFAULT", "POLICY")
_TRUSTED = frozenset(
    {"c", "internal", "plcoffee", "pljava", "plls", "pllua", "plperl", "plpgsql", "plrust", "pltcl", "plv8", "sql"}
)
"""Languages that cannot reach out by themselves, and C, of which nobody can tell."""
_LANGUAGE = re.compile(r'\n    LANGUAGE "?(\w+)')
_LINKED = re.compile(r"\n    AS '(?:[^']*/)?(?P<library>[^'/]*?)(?:\.so)?', '(?P<symbol>[^']*)'")
_ANY_LANGUAGE = re.compile(r"""\blanguage\s+["']?(\w+)""", re.IGNORECASE)
_EXTENSION = re.compile(r'create extension (?:if not exists )?"?(\w+)', re.IGNORECASE)
_NAMED = re.compile(NAMED.replace(r"\m", r"\b").replace(r"\M", r"\b").replace("''", "'"))
_CALL = re.compile(r'([\w$]+)"?\s*\(|EXECUTE (?:FUNCTION|PROCEDURE) (?:"?[\w$]+"?\.)?"?([\w$]+)')
_COMPUTED = re.compile(r"GENERATED ALWAYS AS \(|^PARTITION BY ", re.MULTILINE)


@dataclass(frozen=True)
class Forecast:
    """What calls out in what a dump would make.

    :param paused: what a restore pauses, as far as the dump tells.
    :param views: materialized views that only a call can fill, by name.
    :param unfilled: those of them that a restore leaves empty until they are resumed.
    :param checked: objects whose functions the server calls while rows are loaded, and needs no answer of.
    :param stored: likewise, and what they answer is stored: generated columns, keys of partitions and indexes.
    :param unanalyzed: tables of which to collect statistics would call out.
    :param awake: what cannot be paused.
    """

    paused: tuple[Paused, ...] = ()
    views: Mapping[TableName, Paused] = field(default_factory=dict)
    unfilled: tuple[Paused, ...] = ()
    checked: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    unanalyzed: frozenset[TableName] = frozenset()
    awake: tuple[Paused, ...] = ()

    @property
    def called_at_load(self) -> tuple[str, ...]:
        """Objects for whose sake the server would call out while rows are loaded."""
        return (*self.checked, *self.stored)

    def lines(self) -> Iterator[str]:
        """The forecast as lines of a summary."""
        if found := (*self.paused, *self.unfilled):
            yield f"would be paused: {bounded_list([str(one) for one in found])}"
        if self.called_at_load:
            yield f"would be loaded without its calls: {bounded_list(list(self.called_at_load))}"
        if self.awake:
            yield f"calls out, and could not be paused: {bounded_list(list(map(str, self.awake)))}"


NOTHING_FORESEEN = Forecast()


def foresee(toc: Toc | None) -> Forecast:
    """Find what calls out; nothing is known of a script.

    :param toc: of the whole dump.
    """
    if toc is None:
        return NOTHING_FORESEEN
    reasons = _Search(toc).reasons
    found = [(entry, reasons[entry.dump_id]) for entry in toc.entries if entry.dump_id in reasons]
    filled = {(one.namespace, one.tag) for one in toc.entries if one.desc == "MATERIALIZED VIEW DATA"}
    views = {
        (entry.namespace, entry.tag): Paused(kinds.MATERIALIZED_VIEW, entry.namespace, "", entry.tag, kinds.FILLED, why)
        for entry, why in found
        if entry.desc == "MATERIALIZED VIEW"
    }
    names = [re.escape(_bare(entry.tag)) for entry, _why in found if entry.desc in _FUNCTIONS]
    calls = re.compile(rf'(?<![\w$])(?:{"|".join(names)})"?\s*\(') if names else None
    stored = [entry for entry, _why in found if entry.desc in _STORED or _stores(entry, calls)]
    checked = [entry for entry, _why in found if entry.desc in (*_CHECKED, "TABLE") and entry not in stored]
    return Forecast(
        paused=(*(_switch(entry, why) for entry, why in found if _acts(entry)), *_by_themselves(toc)),
        views=views,
        unfilled=tuple(view for name, view in views.items() if name in filled),
        checked=tuple(map(object_name, checked)),
        stored=tuple(map(object_name, stored)),
        unanalyzed=frozenset(
            (table.namespace, table.tag)
            for entry, _why in found
            if entry.desc in ("INDEX", "STATISTICS")
            for table in map(toc.by_id.get, entry.dependencies)
            if table is not None and table.desc == "TABLE"
        ),
        awake=tuple(
            Paused(entry.desc.lower(), "", "", f"{entry.namespace}.{entry.tag}", "", why)
            for entry, why in found
            if entry.desc in _STAYING or entry in stored or entry in checked
        ),
    )


def left_for_later(toc: Toc, forecast: Forecast, expects: Callable[[str], bool]) -> Iterator[int]:
    """Dump ids of what cannot be loaded without a call: materialized views' contents, and what somebody does without.

    :param expects: whether the object of a name may be missing.
    """
    unfilled = {(one.schema, one.name) for one in forecast.unfilled}
    for entry in toc.entries:
        name = object_name(entry)
        if entry.desc == "MATERIALIZED VIEW DATA":
            if (entry.namespace, entry.tag) in unfilled:
                yield entry.dump_id
        elif name.replace("TABLE DATA ", "TABLE ", 1) in forecast.stored and entry.desc != "TABLE" and expects(name):
            yield entry.dump_id


def computed_tables(toc: Toc, forecast: Forecast) -> Iterator[int]:
    """Dump ids of tables for whose columns the server calls out as soon as it is told of them."""
    return (one.dump_id for one in toc.entries if one.desc == "TABLE" and object_name(one) in forecast.stored)


def how_it_calls(text: str) -> str | None:
    """What of a piece of SQL calls out by itself; None where nothing does that is known."""
    if (match := _NAMED.search(text.lower())) is None:
        return None
    return "COPY of a file or a program" if match[0].startswith("copy") else match[0].partition("(")[0].strip()


def is_callable_out(statement: str) -> bool:
    """Whether a statement of any script makes functions that may call out."""
    if (extension := _EXTENSION.search(statement)) is not None:
        return extension[1] in KNOWN_FUNCTIONS
    languages = (found.lower() for found in _ANY_LANGUAGE.findall(statement))
    return how_it_calls(statement) is not None or any(one not in _TRUSTED or one == "c" for one in languages)


class _Search:
    """Everything that calls out, from what does by itself to whatever depends on that.

    :ivar reasons: how, by dump id.
    """

    def __init__(self, toc: Toc) -> None:
        self.reasons: dict[int, str] = {}
        self._toc = toc
        self._dependents: dict[int, list[TocEntry]] = defaultdict(list)
        for entry in toc.entries:
            for dump_id in entry.dependencies:
                self._dependents[dump_id].append(entry)
        self._texts = [(entry, entry.defn.lower()) for entry in toc.entries if entry.desc in _FUNCTIONS]
        extensions = {
            one.dump_id: KNOWN_FUNCTIONS[one.tag]
            for one in toc.entries
            if one.tag in KNOWN_FUNCTIONS and one.desc == "EXTENSION"
        }
        waiting = []
        for entry in toc.entries:
            why = _by_itself(entry) or _of_extension(
                entry, [p for i, p in extensions.items() if i in entry.dependencies]
            )
            if why is not None:
                self.reasons[entry.dump_id] = why
                waiting.append(entry)
        while waiting:
            found = waiting.pop()
            for entry in self._reached(found):
                if entry.dump_id not in self.reasons:
                    self.reasons[entry.dump_id] = self._through(found)
                    waiting.append(entry)

    def _through(self, entry: TocEntry) -> str:
        name, why = f"{entry.namespace}.{_bare(entry.tag)}", self.reasons[entry.dump_id]
        if entry.desc == "MATERIALIZED VIEW":
            return f"reads materialized view {name}, which is left empty"
        return why if entry.desc in _RELATIONS or why.startswith(name) else f"{name}: {why}"

    def _reached(self, found: TocEntry) -> Iterator[TocEntry]:
        if found.desc == "POLICY":
            yield from self._filtered(found)
        elif found.desc in _RELATIONS:
            for relation in (found, *self._above(found)):
                yield from (one for one in self._dependents[relation.dump_id] if one.desc in _READERS)
                yield from self._naming(relation, _reading(relation, shared=self._is_shared(relation)))
        elif found.desc in _PASSED_ON:
            yield from self._dependents[found.dump_id]
            if found.desc in _FUNCTIONS:
                yield from self._naming(found, _calling(found))

    def _naming(self, entry: TocEntry, pattern: re.Pattern[str]) -> Iterator[TocEntry]:
        """Functions whose texts have the name of an entry."""
        word = _bare(entry.tag).lower()
        return (one for one, text in self._texts if word in text and one is not entry and pattern.search(text))

    def _is_shared(self, relation: TocEntry) -> bool:
        """Whether a relation that calls nobody has the same name, so that the schema has to be written."""
        return any(
            one.tag == relation.tag and one.dump_id not in self.reasons and one is not relation
            for one in self._toc.entries
            if one.desc in ("TABLE", "VIEW", "MATERIALIZED VIEW")
        )

    def _above(self, relation: TocEntry) -> Iterator[TocEntry]:
        """The partitioned tables above a relation, whose reading reads it too."""
        ties = [one.dependencies for one in self._dependents[relation.dump_id] if one.desc == "TABLE ATTACH"]
        if relation.desc in ("FOREIGN TABLE", "TABLE"):
            ties.append(relation.dependencies)
        for dump_id in {dump_id for tie in ties for dump_id in tie} - {relation.dump_id}:
            parent = self._toc.by_id.get(dump_id)
            if parent is not None and parent.desc == "TABLE" and parent.position < relation.position:
                yield parent
                yield from self._above(parent)

    def _filtered(self, policy: TocEntry) -> Iterator[TocEntry]:
        """Views of the table of a policy, which may be read as it says."""
        for dump_id in policy.dependencies:
            table = self._toc.by_id.get(dump_id)
            if table is not None and table.desc == "TABLE" and policy.tag.startswith(f"{table.tag} "):
                yield from (one for one in self._dependents[dump_id] if one.desc in ("MATERIALIZED VIEW", "VIEW"))


def _by_itself(entry: TocEntry) -> str | None:
    if entry.desc == "FOREIGN TABLE":
        return f"foreign table {entry.namespace}.{entry.tag}"
    if entry.desc not in _FUNCTIONS:
        return None
    name = f"{entry.namespace}.{_bare(entry.tag)}"
    if _NAMED.search(f"{name}("):
        return name
    language = _LANGUAGE.search(entry.defn)
    if (linked := _LINKED.search(entry.defn)) is not None and re.search(
        KNOWN_FUNCTIONS.get(linked["library"], "(?!)"), linked["symbol"]
    ):
        return name
    if language is not None and language[1] not in _TRUSTED:
        return f"{name} in language {language[1]}"
    return how_it_calls(entry.defn[language.end() :] if language is not None else entry.defn)


def _of_extension(entry: TocEntry, patterns: list[str]) -> str | None:
    """How an entry calls a function of one of the extensions that it depends on."""
    if not patterns or entry.desc == "EXTENSION":
        return None
    called = (match[1] or match[2] for match in _CALL.finditer(entry.defn))
    return next((name for name in called if any(re.search(pattern, name) for pattern in patterns)), None)


def _calling(function: TocEntry) -> re.Pattern[str]:
    return _mention(function, "?", r"\s*\(")


def _reading(relation: TocEntry, *, shared: bool) -> re.Pattern[str]:
    return _mention(relation, "" if shared else "?", r"(?![\w$])")


def _mention(entry: TocEntry, needed: str, following: str) -> re.Pattern[str]:
    """A name in a text, with its schema before it or, unless that is needed, with none."""
    schema, name = re.escape(entry.namespace.lower()), re.escape(_bare(entry.tag).lower())
    return re.compile(rf'(?:^|[^\w$".])(?:"?{schema}"?\s*\.\s*){needed}"?{name}"?{following}')


def _bare(tag: str) -> str:
    """The name of a function, without its arguments."""
    return tag.partition("(")[0]


def _stores(entry: TocEntry, calls: re.Pattern[str] | None) -> bool:
    """Whether a column or a key of partitions of a table is what a function that calls out says."""
    if entry.desc != "TABLE" or calls is None:
        return False
    return any(_COMPUTED.search(line) and calls.search(line) for line in entry.defn.splitlines())


def _acts(entry: TocEntry) -> bool:
    return entry.desc in _SWITCHED and " DISABLE" not in entry.defn.rpartition("\nALTER ")[2]


def _switch(entry: TocEntry, why: str) -> Paused:
    kind = _SWITCHED[entry.desc]
    if kind == kinds.EVENT_TRIGGER:
        return Paused(kind, "", "", entry.tag, "O", why)
    # Such a tag is the table's name and the object's, of which either may have blanks: the definition tells.
    name = next((tag for tag in _endings(entry.tag) if tag in entry.defn), entry.tag)
    return Paused(kind, entry.namespace, entry.tag.removesuffix(f" {name}"), name, "O", why)


def _endings(tag: str) -> Iterator[str]:
    at = tag.find(" ")
    while at >= 0:
        yield tag[at + 1 :]
        at = tag.find(" ", at + 1)


def _by_themselves(toc: Toc) -> Iterator[Paused]:
    """The jobs and subscriptions of the dump, which call out without being called."""
    for entry in toc.entries:
        scheduler = (entry.namespace, entry.tag)
        if entry.desc == "SUBSCRIPTION":
            yield Paused(kinds.SUBSCRIPTION, "", "", entry.tag, "disabled", "takes what a publisher sends")
        elif entry.desc == "TABLE DATA" and scheduler in kinds.SCHEDULERS:
            active = kinds.SCHEDULERS[scheduler][2]
            yield Paused(kinds.JOB, *scheduler, "*", active, "a scheduler runs each that is active")
