"""What a restore reads a backup with, from the parameters that the modules which restore have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backupset.signing import VerifyKey, load_verify_keys
from ..catalogue.good_set import choose_location
from ..encryption.cipher import OpensslOptions
from ..encryption.identities import Decryption
from ..locations import open_locations
from ..locations.base import Location
from ..stream.files import RegularFile
from .legacy_file import STEP


@dataclass(frozen=True)
class Access:
    """The keys, and the file or the locations that the backup is in.

    :param file: instead of a set in *locations*.
    :param locations: those that a set may be taken from, the preferred one first.
    """

    decryption: Decryption
    file: RegularFile | None = None
    verify_keys: Sequence[VerifyKey] = ()
    locations: Sequence[Location] = ()


def open_access(params: Mapping[str, Any], stack: contextlib.ExitStack) -> Access:
    """Read the keys and open the file or, where none is given, the locations; *stack* closes them.

    :raises ConfigError: a key or the file cannot be read, or there is no such location.
    """
    decryption = Decryption.parse(
        params["identities"] or (),
        params["passphrase"],
        params["gnupghome"],
        OpensslOptions(params["openssl_kdf"], params["openssl_md"], params["openssl_iter"]),
        params["max_expansion"],
        params["max_toc_size"],
    )
    stack.callback(decryption.close)
    if params.get("src") is not None:
        return Access(decryption, stack.enter_context(RegularFile(params["src"], step=STEP)))
    verify_keys = load_verify_keys(params["verify_key"] or ())
    locations = open_locations(params["locations"] or ())
    for location in locations:
        stack.callback(location.close)
    return Access(decryption, None, verify_keys, choose_location(locations, params.get("location")))
