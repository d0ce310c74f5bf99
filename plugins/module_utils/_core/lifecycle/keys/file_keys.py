"""The keys of a set's age files, and the new headers that wrap them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...backupset.artifact import Artifact
from ...backupset.rekey import Rekey
from ...catalogue.good_set import GoodSet
from ...encryption.age import AgeError, Identity, NoMatchError, Recipient
from ...encryption.age.filekey import open_header, wrap_header, wraps
from ...encryption.age.header import HeaderParser
from ...encryption.age.ranges import HEAD_BYTES
from ...errors import BackupError
from ...reading.artifact import StoredArtifact, open_verified
from ...reading.plain import does_not_fit


@dataclass(frozen=True)
class FileKey:
    """The file key of one age file; ``repr`` does not show it.

    :param name: of the artifact.
    """

    name: str
    key: bytes = field(repr=False)

    def header_for(self, recipients: Sequence[Recipient]) -> str:
        """A new age header that wraps the file key for *recipients*."""
        return wrap_header(self.key, recipients).decode("ascii")

    def is_in(self, record: Rekey) -> bool:
        """Whether a record has a whole header of this key, for as many recipients as it names."""
        header = record.headers.get(self.name, "").encode("ascii")
        return wraps(header, self.key, len(record.recipients))


def read_file_key(
    copies: Sequence[GoodSet],
    artifact: Artifact,
    identities: Sequence[Identity],
    headers: Sequence[Mapping[str, str]],
    warnings: list[str],
) -> FileKey:
    """The key of an artifact, from the first copy that is as it was written.

    :param copies: at least one.
    :param headers: what rekey records have, which may open it where its own header is for others.
    :param warnings: what is wrong with the copies before is added here.
    :raises CryptoError: no copy is as it was written, or no identity opens it.
    """
    failures: list[BackupError] = []
    for good in copies:
        try:
            head = _proven_head(good, artifact)
        except BackupError as error:
            failures.append(error)
            continue
        warnings += map(str, failures)
        others = [one[artifact.name].encode("ascii") for one in headers if artifact.name in one]
        return FileKey(artifact.name, _open(artifact, head, identities, others))
    raise failures[0]


def _proven_head(good: GoodSet, artifact: Artifact) -> bytes:
    proven = open_verified(StoredArtifact(good, artifact))
    return b"".join(proven.read(0, HEAD_BYTES if artifact.age_head is None else artifact.age_head.size))


def _open(artifact: Artifact, head: bytes, identities: Sequence[Identity], others: Sequence[bytes]) -> bytes:
    parser = HeaderParser()
    try:
        header = parser.feed(head)
        if header is None:
            raise parser.end()
        return open_header(header, identities, others)
    except NoMatchError as error:
        raise does_not_fit(error, artifact) from None
    except AgeError as error:
        error.step = f"decrypt {artifact.name}"
        raise
