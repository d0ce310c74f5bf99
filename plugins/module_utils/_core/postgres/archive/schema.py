"""What schema a dump carries, as digests that two dumps of the same schema have in common.

A digest covers the definition, owner, tablespace and access method, never a number that differs from server to
server (OIDs, dump ids) or the order of entries. Some definitions come out differently for the same schema; those are
brought into one form first:

- Grants are listed in the order in which they were given, which changes no right: sorted.
- The roles of a policy are listed in the order of ``pg_authid``'s rows, which any ALTER ROLE changes: sorted.
- ``column IN ('a', 'b')`` on a varchar column is stored as a cast of a whole array and, after a restore, as casts of
  its elements: both are written as the latter.
- What belongs to the database and not to what is in it (CREATE DATABASE, its settings, grants and comment) carries the
  database's name, and pg_restore leaves it out unless told otherwise: left out.
- Passwords are left out (all text in quotes of subscriptions and user mappings, and the options of foreign servers
  that are called like a secret): whoever reads a digest of one could try passwords until one fits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping

from ..names import IDENTIFIER
from .toc import BLOBS, LONG_TEXT_BYTES, TABLE_DATA, LongText, Toc, TocEntry

DIGEST_DIGITS = 16
LONGEST_FORMED = 4 * 1024 * 1024
"""Bytes of a definition that is brought into its one form: it is held for that, in several copies."""

_SEQUENCE_VALUE = "SEQUENCE SET"
_NOT_SCHEMA = frozenset(
    {
        TABLE_DATA,
        BLOBS,
        "BLOB",
        "BLOB COMMENTS",
        "BLOB METADATA",
        "DATABASE",
        "DATABASE PROPERTIES",
        "ENCODING",
        "MATERIALIZED VIEW DATA",
        "SEARCHPATH",
        "STATISTICS DATA",
        "STDSTRINGS",
    }
)
_ATTACHED = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_NOT_SCHEMA_TAGS = ("DATABASE ", "LARGE OBJECT ", "LARGE OBJECTS ")
_PRIVILEGES = frozenset({"ACL", "DEFAULT ACL"})
_LITERALS_ARE_SECRET = frozenset({"SUBSCRIPTION", "USER MAPPING"})
_OPTIONS_MAY_BE_SECRET = frozenset({"FOREIGN DATA WRAPPER", "FOREIGN TABLE", "SERVER"})
VERBATIM = frozenset({"COMMENT", "FUNCTION", "PROCEDURE"})
"""What no server writes otherwise than it came."""
ONLY_FORMED = _PRIVILEGES | _LITERALS_ARE_SECRET | _OPTIONS_MAY_BE_SECRET
"""What must not be compared but in its one form, without its secrets and in order."""

_QUOTED = r"'(?:[^']++|'')*+'"
_LITERAL = re.compile(rf"\bE'(?:[^'\\]++|''|\\.)*+'|{_QUOTED}", re.DOTALL)
_SECRET_OPTION = re.compile(rf'((?:pass|pwd|secret|key|token)\w*"? )({_LITERAL.pattern})', re.DOTALL | re.IGNORECASE)
_QUALIFIER = re.compile(r'(?:"(?:[^"]|"")+"|[\w$]+)\.(?=[\w"])')
_ROLE = re.compile(IDENTIFIER)
_ROLES = re.compile(rf"( TO )({IDENTIFIER}(?:, {IDENTIFIER})+)(?=;| USING | WITH CHECK )")
_VARCHAR = rf"{_QUOTED}::character varying(?:\(\d+\))?"
_VARCHAR_ELEMENT = re.compile(_VARCHAR)
_VARCHAR_ARRAY = re.compile(rf"\(ARRAY\[({_VARCHAR}(?:, {_VARCHAR})*+)\]\)::text\[\]")
_GRANT = re.compile(r"SET SESSION AUTHORIZATION .*?\nRESET SESSION AUTHORIZATION;\n|.*?;\n|.+\Z", re.DOTALL)

_GRANTOR = re.compile(r"^(?:RESET SESSION AUTHORIZATION|SET SESSION AUTHORIZATION .*);\n", re.MULTILINE)


def schema_objects(
    toc: Toc,
    *,
    owners: bool = True,
    privileges: bool = True,
    sequence_values: bool = True,
    loose: bool = False,
    definitions: bool = True,
    tablespaces: bool = True,
    borrowed: bool = True,
    grantors: bool = True,
) -> dict[str, str]:
    """Every object of the schema with the digest of its definition.

    :param owners: whether an object's owner counts; not, say, for a copy restored with ``--no-owner``.
    :param privileges: whether grants and default privileges count.
    :param sequence_values: whether the values that sequences have reached count; they move with the data.
    :param loose: make nothing of blanks and of what qualifies a name: since version 16 a server leaves the table out
        where a query has only one, so that two versions tell of one view or policy in two ways.
    :param definitions: whether definitions count, or only to whom an object belongs and where it lies.
    :param tablespaces: whether tablespaces count.
    :param borrowed: whether the owner of what is not in the dump itself counts, as grants on an extension's functions
        name it: such an object belongs to whoever made the extension.
    :param grantors: whether it counts by whom a right was given: what a superuser gives is given by the owner.
    :return: ``"<DESC> <schema>.<tag>"``, without the schema for what is in none and with `` (2)`` and so on where
        several objects are called the same -> the first 16 hex digits of a SHA-256.
    """
    digests: dict[str, list[str]] = defaultdict(list)
    for entry in toc.entries:
        if entry.desc in _PRIVILEGES and not privileges:
            continue
        if entry.desc == _SEQUENCE_VALUE and not sequence_values:
            continue
        if not _is_schema(entry):
            continue
        long = entry.long if definitions else None
        definition = _canonical(entry.desc, entry.defn) if definitions and long is None else ""
        if not grantors and entry.desc == "ACL":
            definition = "".join(sorted(set(_GRANT.findall(_GRANTOR.sub("", definition)))))
        owner = entry.owner if owners else ""
        if not borrowed and is_borrowed(entry, toc):
            definition, owner = _without_owner(definition, owner), ""
        if loose:
            definition = "".join(_QUALIFIER.sub("", definition).split())
        digests[object_name(entry)].append(
            _digest(definition, owner, entry.tablespace if tablespaces else "", entry, long)
        )
    return _numbered(digests)


def object_name(entry: TocEntry) -> str:
    """``"<DESC> <schema>.<tag>"``, without the schema for what is in none."""
    return f"{entry.desc} {entry.namespace}.{entry.tag}" if entry.namespace else f"{entry.desc} {entry.tag}"


def object_digest(entry: TocEntry, *, loose: bool = False) -> str:
    """The digest of one object's definition with its owner, as :func:`schema_objects` has it."""
    definition = _canonical(entry.desc, entry.defn) if entry.long is None else ""
    if loose:
        definition = "".join(_QUALIFIER.sub("", definition).split())
    return _digest(definition, entry.owner, entry.tablespace, entry, entry.long)


def schema_fingerprint(objects: Mapping[str, str]) -> str:
    """One SHA-256 in hex over what :func:`schema_objects` returned."""
    canonical = json.dumps(sorted(objects.items()), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _is_schema(entry: TocEntry) -> bool:
    if entry.desc in _NOT_SCHEMA or entry.had_dumper:
        return False
    return not (entry.desc in _ATTACHED and not entry.namespace and entry.tag.startswith(_NOT_SCHEMA_TAGS))


def _numbered(digests: Mapping[str, list[str]]) -> dict[str, str]:
    objects = {key: min(found) for key, found in digests.items()}
    for key in sorted(digests):
        number = 2
        for digest in sorted(digests[key])[1:]:
            while f"{key} ({number})" in objects:
                number += 1
            objects[f"{key} ({number})"] = digest
    return objects


def long_text(desc: str, definition: str) -> LongText:
    """What is kept of a definition that is too long itself, though not too long to be brought into its one form."""
    digest = hashlib.sha256()
    canonical = _canonical(desc, definition)
    for start in range(0, len(canonical), LONG_TEXT_BYTES):
        digest.update(canonical[start : start + LONG_TEXT_BYTES].encode("utf-8", "surrogateescape"))
    return digest


def is_borrowed(entry: TocEntry, toc: Toc) -> bool:
    """Whether it is about something that the dump does not make: a part of an extension, or of the server."""
    return entry.desc in _ATTACHED and not any(dump_id in toc.by_id for dump_id in entry.dependencies)


def _without_owner(definition: str, owner: str) -> str:
    """Grants without their owner's name, as they stand where it is another's."""
    quoted = owner.replace('"', '""')
    return re.sub(rf'(?<![\w"])(?:{re.escape(owner)}|"{re.escape(quoted)}")(?![\w"])', "", definition)


def _digest(definition: str, owner: str, tablespace: str, entry: TocEntry, long: LongText | None) -> str:
    # What is that long is a function's body, which no server writes otherwise than it came.
    digest = hashlib.sha256(definition.encode("utf-8", "surrogateescape")) if long is None else long.copy()
    # The dump's strings have no NUL, so that no two lists of fields give the same bytes.
    digest.update("\0".join(["", owner, tablespace, entry.tableam]).encode("utf-8", "surrogateescape"))
    return str(digest.hexdigest()[:DIGEST_DIGITS])


def _canonical(desc: str, definition: str) -> str:
    definition = _VARCHAR_ARRAY.sub(_cast_elements, definition)
    if desc in _PRIVILEGES:
        return "".join(sorted(_GRANT.findall(definition)))
    if desc == "POLICY":
        return _ROLES.sub(_sort_roles, definition, count=1)
    if desc in _LITERALS_ARE_SECRET:
        return _LITERAL.sub("''", definition)
    if desc in _OPTIONS_MAY_BE_SECRET:
        return _SECRET_OPTION.sub(r"\1''", definition)
    return definition


def _cast_elements(match: re.Match[str]) -> str:
    elements = _VARCHAR_ELEMENT.findall(match[1])
    return f"ARRAY[{', '.join(f'({element})::text' for element in elements)}]"


def _sort_roles(match: re.Match[str]) -> str:
    return match[1] + ", ".join(sorted(_ROLE.findall(match[2])))
