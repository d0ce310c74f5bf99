"""A copy in a store that falls silent does not hold a restore up while another copy is good."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import find_good_set
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import enter_locations
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.plain import open_plain
from support.lab import S3Server
from support.manifests import make_dump, make_manifest
from support.slow_store import SlowLine
from support.small_sets import lay

SET_ID = "weekly_20261122_000000"
DUMP = Random(3).randbytes(12 * 1024 * 1024)


def bare_set() -> dict[str, bytes]:
    """A set of one file that is neither encrypted nor compressed."""
    artifact = make_dump(
        SetId.parse(SET_ID),
        size=len(DUMP),
        sha256=hashlib.sha256(DUMP).hexdigest(),
        plain_size=len(DUMP),
        encryption="none",
        compression="none",
        recipients=(),
        age_head=None,
        frames=None,
    )
    return {artifact.name: DUMP, "manifest.json": make_manifest(SET_ID, artifacts=(artifact,)).to_bytes()}


def test_reading_goes_on_in_the_next_location_in_the_midst_of_a_file(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    lay(s3_server.root / s3_bucket, SET_ID, bare_set())
    lay(tmp_path, SET_ID, bare_set())
    with SlowLine(s3_server.endpoint_url) as line, ExitStack() as stack:
        far = {**s3_server.location(s3_bucket, name="far"), "endpoint_url": line.endpoint_url, "stall_timeout": 1}
        near: dict[str, Any] = {"name": "near", "type": "local", "path": str(tmp_path)}
        good = find_good_set(enter_locations(stack, [far, near]), "shop")
        assert good.location.name == "far"
        decryption = Decryption.parse([], None, None)
        stack.callback(decryption.close)
        plain = open_plain(good, good.manifest.artifacts[0], decryption)
        pieces = plain.ranges([(0, len(DUMP))])
        read = [next(pieces)]
        line.silence_after(2 * 1024 * 1024)
        assert b"".join([*read, *pieces]) == DUMP
        (told,) = good.passed_over
        assert "was read on from location 'near'" in told
        assert "'far'" in told and "(stall_timeout)" in told
