"""Small valid archives made of a large one's table of contents, and tables of contents put together from parts.

Entries are copied as they stand; see :mod:`toc` for the layout. Only the entries of further parts are changed: they get
numbers that no other entry has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .encodings import encode
from .toc import Section, Toc, TocEntry
from .toc_reader import INTEGERS, broken

SEARCH_PATH = "SEARCHPATH"
ALWAYS_KEPT = frozenset({"ENCODING", "STDSTRINGS", SEARCH_PATH})
"""Kinds of entries without which the others would be read otherwise."""

Fetch = Callable[[int, int], Iterator[bytes]]

_TYPE_BYTES = 1
_NO_OIDS = b"false"
_FLAG_BYTES = 1


def encode_integer(value: int, int_size: int) -> bytes:
    """The bytes of an integer in the archive: a byte for the sign, then the magnitude."""
    return INTEGERS[int_size].pack(value < 0, abs(value))


def block_header_length(int_size: int) -> int:
    """The number of bytes before a block's data: its type and its dump id."""
    return _TYPE_BYTES + INTEGERS[int_size].size


def renumber_block(header: bytes, dump_id: int, int_size: int) -> bytes:
    """The beginning of a block (:func:`block_header_length` bytes) as that of another entry."""
    return header[:_TYPE_BYTES] + encode_integer(dump_id, int_size)


class TocText:
    """A table of contents with the bytes that it was read from.

    :param header: the archive's bytes before the number of entries.
    :param raw: the entries as they stand in the archive, by dump id, but those that are too long to be kept.
    :param fetch: reads those from where they stand, by offset and length; None where they cannot be had any more.
    """

    def __init__(self, toc: Toc, header: bytes, raw: Mapping[int, bytes], fetch: Fetch | None = None) -> None:
        self.toc = toc
        self._header = header
        self._entries = raw
        self._far = {one.dump_id: (one.position, one.size) for one in toc.entries if one.dump_id not in raw}
        self._fetch = fetch

    def only(
        self,
        keep: Collection[int],
        *,
        search_path: str = "",
        owners: Mapping[int, str] | None = None,
        definitions: Mapping[int, str] | None = None,
    ) -> Iterator[bytes]:
        """Header and table of contents of an archive with these entries, by dump id, and those always kept.

        :param search_path: what they find others by, as SQL writes it; pg_dump empties it.
        :param owners: whose some of them are to be, by dump id, instead of what is written.
        :param definitions: what makes some of them, likewise; not of any that is too long to be kept.
        """
        owners, definitions = owners or {}, definitions or {}
        kept = [entry for entry in self.toc.entries if entry.dump_id in keep or entry.desc in ALWAYS_KEPT]
        held = [self._header, encode_integer(len(kept), self.toc.int_size)]
        for entry in kept:
            if (raw := self._entries.get(entry.dump_id)) is not None:
                if entry.dump_id in owners:
                    raw = _with_owner(raw, entry, owners[entry.dump_id], self.toc)
                if entry.desc == SEARCH_PATH:
                    raw = _with_definition(raw, entry, _with_path(entry, search_path), self.toc)
                elif entry.dump_id in definitions:
                    raw = _with_definition(raw, entry, definitions[entry.dump_id], self.toc)
                held.append(raw)
                continue
            if self._fetch is None:
                raise broken(f"the definition of {entry.desc} {entry.tag} is longer than what is kept")
            yield b"".join(held)
            held = []
            yield from self._fetch(*self._far[entry.dump_id])
        yield b"".join(held)

    def with_data(self, parts: Iterable[TocText]) -> tuple[TocText, list[dict[int, int]]]:
        """This table of contents with the data entries of further *parts* in it.

        :return: the whole, and for each part how its data entries are numbered in it.
        """
        next_id = max((entry.dump_id for entry in self.toc.entries), default=0) + 1
        tables = {(entry.namespace, entry.tag): entry.dump_id for entry in self.toc.entries if entry.desc == "TABLE"}
        added: list[TocEntry] = []
        raw = dict(self._entries)
        numbers: list[dict[int, int]] = []
        for part in parts:
            self._check_alike(part.toc)
            renumbered: dict[int, int] = {}
            for entry in part.toc.entries:
                if not entry.had_dumper:
                    continue
                table = tables.get((entry.namespace, entry.tag))
                dependencies = () if table is None else (table,)
                raw[next_id] = _renumber(part._of_data(entry), entry, next_id, dependencies, part.toc)
                added.append(replace(entry, dump_id=next_id, dependencies=dependencies, size=len(raw[next_id])))
                renumbered[entry.dump_id] = next_id
                next_id += 1
            numbers.append(renumbered)
        return self._assemble(added, raw), numbers

    def _of_data(self, entry: TocEntry) -> bytes:
        if entry.dump_id not in self._entries:
            raise broken(f"the entry of the data of {entry.tag} is longer than any")
        return self._entries[entry.dump_id]

    def _assemble(self, added: Sequence[TocEntry], raw: Mapping[int, bytes]) -> TocText:
        own = self.toc.entries
        place = next((number for number, entry in enumerate(own) if entry.section is Section.POST_DATA), len(own))
        position = len(self._header) + INTEGERS[self.toc.int_size].size
        entries: list[TocEntry] = []
        for entry in (*own[:place], *added, *own[place:]):
            entries.append(replace(entry, position=position))
            position += entry.size
        whole = TocText(replace(self.toc, entries=tuple(entries), length=position), self._header, raw, self._fetch)
        # Where they are to be read is where they stand in this one's archive.
        whole._far = self._far
        return whole

    def _check_alike(self, other: Toc) -> None:
        first = self.toc
        ours = (first.version, first.int_size, first.off_size, first.compression)
        if ours != (other.version, other.int_size, other.off_size, other.compression):
            raise broken("the parts of the dump were made by different versions of pg_dump")


def _with_path(entry: TocEntry, path: str) -> str:
    """The definition of the entry that sets the search path, setting another."""
    quoted = path.replace("'", "''")
    return entry.defn.replace("''", f"'{quoted}'", 1)


def _with_definition(raw: bytes, entry: TocEntry, definition: str, toc: Toc) -> bytes:
    """The bytes of *entry* with another definition."""
    before, after = (_string(encode(text, toc.codec), toc.int_size) for text in (entry.defn, definition))
    if before not in raw:
        raise broken(f"the definition of {entry.desc} {entry.tag} is not where it is expected")
    return raw.replace(before, after, 1)


def _with_owner(raw: bytes, entry: TocEntry, owner: str, toc: Toc) -> bytes:
    """The bytes of *entry* with another owner, whose name comes before "WITH OIDS" and the dependencies."""
    integer = INTEGERS[toc.int_size].size
    listed = sum(integer + len(str(number)) for number in entry.dependencies) + integer
    rest = len(raw) - _FLAG_BYTES - toc.off_size - listed - integer - len(_NO_OIDS)
    before = _string(encode(entry.owner, toc.codec), toc.int_size)
    if not raw[:rest].endswith(before):
        raise broken(f"the owner of {entry.desc} {entry.tag} is not where it is expected")
    after = _string(encode(owner, toc.codec), toc.int_size)
    return raw[: rest - len(before)] + after + raw[rest:]


def _renumber(raw: bytes, entry: TocEntry, dump_id: int, dependencies: Sequence[int], toc: Toc) -> bytes:
    """The bytes of *entry* with another number and other dependencies, which are texts before its end."""
    integer = INTEGERS[toc.int_size].size
    offset = _FLAG_BYTES + toc.off_size
    # The texts of the numbers, and the integer -1 that ends their list.
    old = sum(integer + len(str(number)) for number in entry.dependencies) + integer
    body = raw[integer : len(raw) - offset - old]
    listed = b"".join(_string(str(number).encode(), toc.int_size) for number in dependencies)
    end = encode_integer(-1, toc.int_size)
    return encode_integer(dump_id, toc.int_size) + body + listed + end + raw[len(raw) - offset :]


def _string(text: bytes, int_size: int) -> bytes:
    return encode_integer(len(text), int_size) + text
