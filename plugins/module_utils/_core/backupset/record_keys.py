"""The keys for records: of who holds, releases and drills, which is somebody else than who makes the sets.

A drill runs where the private halves of the recipients are, and there the key that signs sets must not be. So these
keys vouch for no manifest, and those of sets for no record, unless somebody gives one key as both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .signing import SigningKey, VerifyKey, load_signing_key, load_verify_keys

_VERIFY = "record_verify_key"
_SIGNING = "record_signing_key"


def record_verify_keys(params: Mapping[str, Any]) -> tuple[VerifyKey, ...]:
    """The public keys given by ``record_verify_key``; none if it is empty.

    :raises ConfigError: one cannot be read.
    """
    return load_verify_keys(params.get(_VERIFY) or (), option=_VERIFY)


def record_signing_key(params: Mapping[str, Any]) -> SigningKey | None:
    """The one that the module's parameters name; None where they name none.

    :raises ConfigError: it cannot be read.
    """
    given = params.get(_SIGNING)
    return load_signing_key(given, params.get(f"{_SIGNING}_passphrase"), option=_SIGNING) if given else None


@dataclass(frozen=True)
class RecordKeys:
    """The keys of whoever writes records and goes by those that are there.

    :param given: that vouch for records.
    :param signing: that signs those that are written; None writes them unsigned.
    """

    given: Sequence[VerifyKey] = ()
    signing: SigningKey | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> RecordKeys:
        """From the module's parameters; raise :class:`ConfigError` if a key cannot be read."""
        return cls(record_verify_keys(params), record_signing_key(params))

    @property
    def verify(self) -> Sequence[VerifyKey]:
        """Those that vouch for what is there: the one that signs does, too."""
        return self.given if self.signing is None else (*self.given, self.signing.verify_key)

    def warnings(self) -> list[str]:
        """Warnings about records that will be written without a signature."""
        if self.given and self.signing is None:
            return [
                "no record_signing_key: a hold is reported as unsigned, and a release is valid only in the location "
                "that has it"
            ]
        if self.given and self.signing is not None and self.signing.verify_key not in self.given:
            return ["the record_signing_key belongs to no record_verify_key, so its signatures will not be accepted"]
        return []
