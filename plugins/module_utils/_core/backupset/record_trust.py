"""Which of the records beside a set counts, and where: who can write to one location speaks for no other.

A record is a claim. One that a key for records vouches for counts in every location. Any other counts where it lies,
since whoever could write it there could as well change or delete the copy there; about copies elsewhere it says
nothing. A hold is the exception, as it can only keep: it counts everywhere, whoever placed it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..errors import CryptoError, FormatError
from .naming import SetId
from .set_records import Drill, Hold, Release, last_to_end, record_class
from .signing import VerifyKey, verify

SKEW = timedelta(minutes=5)
"""How far the clock of the host that made a record may be ahead of ours."""
MAX_RECORD_BYTES = 1024 * 1024
"""More than any record has."""

GOOD, BAD, UNSIGNED, UNCHECKED = "good", "bad", "unsigned", "unchecked"
_DISTRUST = {
    UNSIGNED: "is not signed, and a record_verify_key was given",
    BAD: "was not signed with any record_verify_key, or it was changed since",
}


@dataclass(frozen=True)
class StoredRecord:
    """A record as it was read from a location, and whether its signature is good.

    :param name: of its object.
    :param signature: ``good``, ``bad`` or ``unsigned``; ``unchecked`` where no key was given.
    """

    name: str
    record: Hold | Release | Drill
    signature: str = UNCHECKED

    @property
    def signed(self) -> bool:
        """Whether the record has a good signature of one of the given keys."""
        return self.signature == GOOD

    @property
    def distrust(self) -> str:
        """Why none of the keys that were given vouches for it; "" where one does, or none was given."""
        return _DISTRUST.get(self.signature, "")


@dataclass(frozen=True)
class RecordWarning:
    """A problem with a record that a person should look at.

    :param location: where it lies.
    :param name: of its object.
    """

    location: str
    set_id: SetId
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.set_id}/{self.name} {self.message}"


@dataclass(frozen=True)
class TrustedDrill:
    """The record of a drill that is trusted, and the copies that it is evidence for.

    :param drill: with the location that it is about by its name of today.
    :param counts_in: the locations whose copy it speaks for.
    """

    drill: Drill
    counts_in: frozenset[str]


@dataclass(frozen=True)
class TrustedRecords:
    """The records of one set that are trusted, from all of its locations.

    :param holds: those that have not ended.
    :param released: the locations in which it is released.
    :param drills: the earliest first.
    """

    holds: tuple[Hold, ...] = ()
    released: frozenset[str] = frozenset()
    drills: tuple[TrustedDrill, ...] = ()
    doubts: tuple[RecordWarning, ...] = ()

    @property
    def hold(self) -> Hold | None:
        """Of the holds that are in force, the one that ends last; None if there is none."""
        return last_to_end(self.holds)

    @property
    def passed(self) -> Drill | None:
        """The latest drill that passed; None if none did."""
        return next((one.drill for one in reversed(self.drills) if one.drill.verdict == "passed"), None)

    @property
    def verified(self) -> frozenset[str]:
        """The names of the locations whose copy has passed a drill."""
        found = (one.counts_in for one in self.drills if one.drill.verdict == "passed")
        return frozenset[str]().union(*found)


@dataclass(frozen=True)
class TrustContext:
    """What decides whether a record is trusted: locations, manifests, the time, the last hold.

    :param places: the names of all locations, those that could not be looked at among them.
    :param manifests: location -> SHA-256 of the manifest there, where no key speaks against that.
    :param held_at: when the set was last held, as far as any record tells.
    """

    places: frozenset[str]
    manifests: Mapping[str, str]
    now: datetime
    held_at: datetime | None = None


def read_record(
    name: str, data: bytes, signature: bytes | None, *, label: str, set_id: SetId, keys: Sequence[VerifyKey]
) -> StoredRecord:
    """Parse the record in the object *name* of a set's directory and check its signature.

    :param signature: that lies beside it; None where none does.
    :raises FormatError: it cannot be read.
    :raises CryptoError: it is about another set.
    """
    kind = record_class(name)
    if kind is None:
        raise AssertionError(f"{name} is no record")
    if len(data) > MAX_RECORD_BYTES:
        raise FormatError(f"read the {kind.what}", f"is too large: {len(data)} bytes")
    record = kind.parse(data)
    if (record.label, record.id) != (label, set_id):
        raise CryptoError(f"read the {kind.what}", f"is that of {record.id} of '{record.label}'")
    return StoredRecord(name, record, _signature(data, signature, keys))


def _signature(data: bytes, signature: bytes | None, keys: Sequence[VerifyKey]) -> str:
    if not keys:
        return UNCHECKED
    if signature is None:
        return UNSIGNED
    try:
        verify(data, signature, keys)
    except CryptoError:
        return BAD
    return GOOD


def locations_trusting(claim: StoredRecord, location: str, context: TrustContext) -> tuple[frozenset[str], str]:
    """The locations in which a record that lies in *location* is trusted, and what is wrong with it.

    :return: the locations, none where it counts nowhere; and the doubt, "" for none.
    """
    record, nowhere = claim.record, frozenset[str]()
    future = record.time > context.now + SKEW
    doubt = f"is from the future: it says {record.time:%Y-%m-%d %H:%M} UTC" if future else claim.distrust
    if isinstance(record, Hold):
        return context.places, doubt
    if future:
        return nowhere, doubt
    if isinstance(record, Release):
        if context.held_at is not None and record.released_at <= context.held_at:
            # Holding the set took the release back; one that is there again was kept by somebody.
            return nowhere, doubt
        return context.places if claim.signed else frozenset({location}), doubt
    return _locations_trusting_drill(claim, record, location, context)


def _locations_trusting_drill(
    claim: StoredRecord, drill: Drill, location: str, context: TrustContext
) -> tuple[frozenset[str], str]:
    here = context.manifests.get(location)
    if drill.manifest not in (context.manifests.values() if claim.signed else (here,)):
        return frozenset(), "is about another manifest than the one in this location" if here else ""
    if claim.signed:
        return context.places, ""
    if drill.location != location and drill.location in context.places:
        return frozenset(), f"is about location '{drill.location}': only a signed record is valid for another location"
    # Those from before there was a key are no news; what is not proven without them tells the check of the drills.
    return frozenset({location}), claim.distrust if claim.signature == BAD else ""


def count(
    claims: Mapping[str, Sequence[StoredRecord]], places: Collection[str], manifests: Mapping[str, str], now: datetime
) -> TrustedRecords:
    """The records of one set that are trusted; see :func:`locations_trusting`.

    :param claims: by location.
    """
    each = [(location, claim) for location, found in claims.items() for claim in found]
    if not each:
        return _NOTHING
    holds = [claim.record for _location, claim in each if isinstance(claim.record, Hold)]
    # A hold that says it is from the future must not make every release one from before it.
    held_at = max((hold.held_at for hold in holds if hold.held_at <= now + SKEW), default=None)
    context = TrustContext(frozenset(places), manifests, now, held_at)
    released: set[str] = set()
    drills: dict[Drill, frozenset[str]] = {}
    doubts: list[RecordWarning] = []
    for location, claim in each:
        counts_in, doubt = locations_trusting(claim, location, context)
        if doubt and not _is_copied(claim, location, claims):
            doubts.append(RecordWarning(location, claim.record.id, claim.name, doubt))
        if isinstance(claim.record, Release):
            released |= counts_in
        elif isinstance(claim.record, Drill) and counts_in:
            drill = _of_today(claim.record, location, context)
            drills[drill] = drills.get(drill, frozenset()) | counts_in
    return TrustedRecords(
        tuple(hold for hold in holds if hold.holds_at(now)),
        frozenset(released),
        tuple(TrustedDrill(drill, drills[drill]) for drill in sorted(drills, key=lambda one: one.finished)),
        tuple(doubts),
    )


_NOTHING = TrustedRecords()


def _is_copied(claim: StoredRecord, location: str, claims: Mapping[str, Sequence[StoredRecord]]) -> bool:
    """Whether it is a drill's record that lies in the location which it is about, too; it is told of there."""
    record = claim.record
    if not isinstance(record, Drill) or record.location == location:
        return False
    return any(other.record == record for other in claims.get(record.location, ()))


def _of_today(drill: Drill, location: str, context: TrustContext) -> Drill:
    """One of a location that is called otherwise now is about the one that it lies in."""
    return drill if drill.location in context.places else replace(drill, location=location)
