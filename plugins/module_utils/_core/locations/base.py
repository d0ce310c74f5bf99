"""What every kind of location can do: the one small interface behind which stores differ.

Every method that takes a key or a prefix checks it (:func:`naming.check_key`, :func:`check_prefix`) before
anything reaches the store. A location is used by several threads at once; each writer and each reader by one.
What all kinds promise alike is written down in ``tests/integration/locations/test_location_suite.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from ..backupset.naming import check_key
from ..documents.strict_json import MAX_BYTES
from ..errors import FormatError, LocationError
from ..stream.pipeline import Sink


def check_prefix(prefix: str) -> str:
    """Return *prefix* if it is "" (all) or the key of a directory, without a slash at its end."""
    return prefix if prefix == "" else check_key(prefix)


@dataclass(frozen=True)
class ObjectInfo:
    """The key, size and time of one stored object.

    :param key: below the location's root.
    :param size: bytes.
    :param modified: when it became visible, UTC.
    :param tag: changes with the object's bytes, where the store tells such a thing; "" otherwise.
    """

    key: str
    size: int
    modified: datetime
    tag: str = field(default="", compare=False)


@dataclass(frozen=True)
class Receipt:
    """What a store confirmed about an object after it was written.

    :param proof: how the store proved that it holds our bytes: ``sha256``, ``crc32``, ``md5`` ... or ``size``.
    :param notice: what the store does otherwise than was asked for, and should be known; "" for nothing.
    """

    key: str
    size: int
    proof: str
    notice: str = ""


class Writer(Sink, ABC):
    """A sink that makes one object; :attr:`receipt` is there once :meth:`commit` has returned."""

    receipt: Receipt | None = None


@dataclass(frozen=True)
class Leftover:
    """Something unfinished that a killed run left: a temporary file, an open multipart upload.

    :param key: the object that it would have become, as far as that is known.
    :param started: its age begins here, UTC: the start or, where the store knows it, the last sign of life.
    :param token: what the location needs in order to find it again.
    """

    key: str
    started: datetime
    token: str


@dataclass(frozen=True)
class LockState:
    """Whether a store can itself keep objects from being deleted.

    :param enabled: objects can be put under a legal hold here.
    :param days: how long every new object is locked at least; None for not at all.
    :param unknown: why none of this can be known; "" where it is known.
    """

    enabled: bool = False
    days: int | None = None
    unknown: str = ""


@dataclass(frozen=True)
class Thaw:
    """The state of one object that is stored in an archive class.

    :param key: below the location's root.
    :param state: ``cold_objects``: it cannot be read; ``thawing``: it will be readable, after hours as a rule;
        ``available``: it can be read.
    :param until: when the copy that can be read goes; None where there is none or it stays.
    """

    key: str
    storage_class: str
    state: str
    until: datetime | None = None


class LegalHoldDenied(LocationError):
    """The credentials may not see or change legal holds."""


class Location(ABC):
    """A place where sets are kept.

    :cvar type: what the inventory calls this kind.
    :cvar options: what it takes beside ``name`` and ``type``.
    :cvar where: those of them that tell where it is.
    :cvar size_proves: whether an object's size is proof enough, as nobody stands between us and the disk.
    :ivar place: where it is, whatever its name: two locations of one place are the same.
    """

    type: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    where: ClassVar[tuple[str, ...]]
    size_proves: ClassVar[bool] = False
    name: str
    place: str = ""

    @classmethod
    @abstractmethod
    def create(cls, options: Mapping[str, object]) -> Location:
        """Make one of its options; nothing is contacted yet. Raise :class:`ConfigError` if they cannot be right."""

    @classmethod
    def place_of(cls, options: Mapping[str, object]) -> str:
        """Where a location with these options is, as seen from the host that uses it."""
        options_of_place = (
            (key, str(options[key]).rstrip("/")) for key in cls.where if options.get(key) not in (None, "")
        )
        return "\n".join(f"{key}: {value}" for key, value in (("type", cls.type), *options_of_place))

    @classmethod
    def place_everywhere(cls, options: Mapping[str, object], runs_on: str) -> str:
        """The same as seen from anywhere: what only one host reaches is on that host.

        :param runs_on: the host that uses it; empty for this one.
        """
        return cls.place_of(options)

    @abstractmethod
    def check(self, *, trial: bool = False) -> bool:
        """Prove that objects can be made here; raise :class:`LocationError` saying what to do.

        A root that is missing is made where kinds of location do that, and stays: another run may count on it by now.

        :param trial: leave no trace; of a root that is missing, prove as far as possible that it could be made.
        :returns: whether the root is there now, which only a trial denies.
        """

    @abstractmethod
    def free_bytes(self) -> int | None:
        """The free space in bytes; None where the store does not report it."""

    @abstractmethod
    def writer(self, key: str, *, size_hint: int | None = None) -> Writer:
        """A sink for a new object; its :meth:`commit` refuses to replace one that exists.

        Of two writers of one key at once, one commits and the other fails.

        :param size_hint: about how many bytes will come, where that is known.
        :raises LocationError: the object exists already (this may also be told by ``write`` or ``commit``).
        """

    @abstractmethod
    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        """The object's bytes from *offset*, at most *length*; none when it ends before *offset*.

        :param tag: only as long as the object's :attr:`ObjectInfo.tag` is this; "" for whatever is there, and of no
            account where the store tells no tags.
        :raises LocationError: there is no such object, it has another tag, or it ends before its recorded size; raised
            at the latest when the iterator is advanced.
        """

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """The description of one object; None if it does not exist."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below the directory *prefix*, at any depth, in ascending order of key.

        Raises rather than ending early: a listing is whole or it is an error. Unfinished things are not in it.

        :param prefix: no slash at its end; "" for all. A directory that does not exist has no objects.
        """

    @abstractmethod
    def list_directories(self, prefix: str) -> Iterator[str]:
        """The names of the directories right below *prefix*, ascending; none when it does not exist.

        The directory that held an object goes with the last object in it.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove one object; no error when it is gone already."""

    @abstractmethod
    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        """What killed runs left unfinished below the directory *prefix*."""

    def list_all(self, prefix: str) -> Iterator[ObjectInfo | Leftover]:
        """What :meth:`list` and :meth:`leftovers` tell, in no order."""
        yield from self.list(prefix)
        yield from self.leftovers(prefix)

    @abstractmethod
    def discard(self, leftover: Leftover) -> None:
        """Remove one unfinished object."""

    def close(self) -> None:
        """Release connections and helper processes; safe to call twice."""

    def cold_objects(self, prefix: str) -> tuple[Thaw, ...]:
        """The objects below the directory *prefix* that are in an archive storage class; most stores have none."""
        check_key(prefix)
        return ()

    def thaw(self, prefix: str, days: int, *, tier: str) -> tuple[Thaw, ...]:
        """Ask for readable copies of them, and return what has become of each.

        :param days: how long the copies stay.
        :param tier: how fast, as the store calls it; the faster, the dearer.
        """
        return self.cold_objects(prefix)

    def lock_state(self) -> LockState:
        """Whether the store can itself keep objects from being deleted; most cannot."""
        return LockState()

    def lock_days(self) -> int | None:
        """For how many days the store lets no new object go; None where it does not lock them, or does not tell."""
        return self.lock_state().days

    def protection(self, key: str) -> str | None:
        """Why the store itself would not let the object go, in words; None where it would, or there is none."""
        check_key(key)
        return None

    def legal_hold(self, key: str) -> bool:
        """Whether the object is under a legal hold, which has no end of its own.

        :raises LegalHoldDenied: that may not be known.
        """
        check_key(key)
        return False

    def set_legal_hold(self, key: str, on: bool) -> None:
        """Put the object under a legal hold or end that; only where :meth:`lock_state` says ``enabled``.

        :raises LegalHoldDenied: that may not be done.
        """
        check_key(key)
        raise LocationError(self.name, f"set the legal hold of {key}", "this kind of location knows no legal holds")

    def get(self, key: str, *, limit: int = MAX_BYTES) -> bytes:
        """A small object, whole.

        :param limit: bytes that it may have; no more are held, whatever a listing said.
        :raises FormatError: it is larger.
        """
        pieces: list[bytes] = []
        size = 0
        for piece in self.read(key):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                message = f"{key!r} in location '{self.name}' has more than {limit} bytes"
                raise FormatError("read a small object", message)
        return b"".join(pieces)

    def put(self, key: str, data: bytes) -> Receipt:
        """Make a small object; like :meth:`writer` it never replaces one."""
        writer = self.writer(key, size_hint=len(data))
        try:
            writer.write(data)
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        if writer.receipt is None:
            raise AssertionError("a committed writer has no receipt")
        return writer.receipt
