"""Each procedure runs with the S3 permissions that docs/security.md lists for it, and with no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import run_backup_hold
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import run_backup_info
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.rekey import run_backup_rekey
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.sign import run_backup_sign
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import run_backup_check
from ansible_collections.mobul.backup.plugins.modules import (
    backup_check,
    backup_hold,
    backup_info,
    backup_prune,
    backup_rekey,
    backup_replicate,
    backup_sign,
)
from support.age_sets import age_set
from support.backup_bench import LABEL, Bench, make_keys
from support.drill_runs import drill
from support.lab import PostgresServer, S3Server
from support.module_parameters import parameters
from support.programs import PROJECT
from support.restore_runs import RestoreBench
from support.s3_proxy import Reply, Request, S3Proxy, error
from support.small_sets import lay, small_set
from support.table_restores import restore_table
from support.verify_runs import bad, verify

PAGE = (PROJECT / "docs" / "security.md").read_text()
ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
}
MAKES_AN_OBJECT = ("PutObject", "CompleteMultipartUpload")


class Guard(S3Proxy):
    """Refuses what is not allowed, as AWS does: 403 AccessDenied."""

    def __init__(self, upstream: str, allowed: set[str], *, new_only: bool = False) -> None:
        super().__init__(upstream)
        self.allowed = allowed
        self.new_only = new_only
        self.used: set[str] = set()
        self.refused: list[str] = []

    def answer(self, request: Request) -> Reply:
        action = self._action(request)
        replaces = request.operation in MAKES_AN_OBJECT and "if-none-match" not in request.headers
        if action not in self.allowed or (self.new_only and replaces):
            self.refused.append(f"{request.operation} {request.path}")
            return error(403, "AccessDenied", "Access Denied")(request, self._forward)
        self.used.add(action)
        return super().answer(request)

    @staticmethod
    def _action(request: Request) -> str:
        for name, action in (("object-lock", "BucketObjectLockConfiguration"), ("legal-hold", "ObjectLegalHold")):
            if name in request.query:
                return f"s3:{'Get' if request.headers[':method'] == 'GET' else 'Put'}{action}"
        return ACTIONS.get(request.operation, request.operation)


def documented(procedure: str) -> set[str]:
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| ") and f"`{procedure}`" in line.split("|")[1])
    return set(re.findall(r"`(s3:\w+)`", row.split("|")[2]))


@pytest.fixture
def bucket(s3_server: S3Server, s3_bucket: str) -> Path:
    """A bucket with sets of some weeks."""
    root = s3_server.root / s3_bucket
    now = datetime.now(timezone.utc)
    for days in (40, 30, 2, 1):
        set_id = str(SetId((now - timedelta(days=days)).replace(microsecond=0), "daily"))
        lay(root, set_id, small_set(set_id))
    return root


@pytest.fixture
def run(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> Iterator[Any]:
    """Runs something with the permissions of one procedure, and looks at what was refused."""

    def go(procedure: str, call: Any, *, new_only: bool = False) -> Guard:
        with Guard(s3_server.endpoint_url, documented(procedure), new_only=new_only) as guard:
            location = {**s3_server.location(s3_bucket), "endpoint_url": guard.endpoint_url}
            call({"locations": [location], "label": LABEL, "cache_dir": str(tmp_path / procedure)})
        assert guard.refused == []
        # An upload is given up only where something fails.
        assert guard.allowed - guard.used <= {"s3:AbortMultipartUpload"}, "more is documented than is used"
        return guard

    yield go


def test_looking_needs_nothing_but_to_read(bucket: Path, run: Any) -> None:
    run("backup_info", lambda given: run_backup_info(parameters(backup_info, **given), False))
    run(
        "backup_check",
        lambda given: run_backup_check(parameters(backup_check, read="newest", fail=False, **given), False),
    )


def test_holding_and_releasing(bucket: Path, run: Any) -> None:
    def hold_and_release(given: dict[str, Any]) -> None:
        given = {name: value for name, value in given.items() if name != "cache_dir"}
        for state in ("held", "released"):
            run_backup_hold(parameters(backup_hold, backup="latest", reason="a test", state=state, **given), False)

    run("backup_hold", hold_and_release)


def test_signing_and_rekeying_an_old_set(s3_server: S3Server, s3_bucket: str, run: Any) -> None:
    old, new, key = X25519Identity.generate(), X25519Identity.generate(), SigningKey.generate()
    set_id = "weekly_20261122_000000"
    files = age_set(set_id, old)
    place = lay(s3_server.root / s3_bucket, set_id, files)

    def sign(given: dict[str, Any]) -> None:
        asked = {"backup": "latest", "digest": digest(files["manifest.json"]), "signing_key": key.to_pem()}
        run_backup_sign(parameters(backup_sign, locations=given["locations"], label=LABEL, **asked), False)

    def rekey(given: dict[str, Any]) -> None:
        asked = {"backup": "latest", "recipients": [str(new.recipient)], "identities": [str(old)]}
        run_backup_rekey(parameters(backup_rekey, locations=given["locations"], label=LABEL, **asked), False)

    run("backup_sign", sign, new_only=True)
    run("backup_rekey", rekey, new_only=True)
    assert len(list(place.iterdir())) == len(files) + 2


def test_clean_up(bucket: Path, run: Any) -> None:
    run("backup_prune", lambda given: run_backup_prune(parameters(backup_prune, **given), False))
    assert len(list(bucket.rglob("manifest.json"))) == 2


def test_replication_into_a_bucket(s3_server: S3Server, s3_bucket: str, tmp_path: Path, run: Any) -> None:
    set_id = str(SetId(datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1), "daily"))
    lay(tmp_path / "disk", set_id, small_set(set_id, dump=bytes(9 * 1024 * 1024)))
    source = {"name": "disk", "type": "local", "path": str(tmp_path / "disk")}

    def replicate(given: dict[str, Any]) -> None:
        run_backup_replicate(
            parameters(backup_replicate, **{**given, "locations": [source, *given["locations"]]}), False
        )

    run("backup_replicate", replicate, new_only=True)
    assert len(list((s3_server.root / s3_bucket).rglob("manifest.json"))) == 1


def test_a_backup_deletes_nothing_and_replaces_nothing_and_a_restore_only_reads(
    postgres17: PostgresServer, tmp_path: Path, run: Any
) -> None:
    bench = RestoreBench(Bench(tmp_path, make_keys(tmp_path)))
    keys = {"identities": [str(bench.bench.keys.identity)], "verify_key": [str(bench.bench.keys.verify)]}
    with postgres17.database() as name:
        postgres17.query(name, "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1), (2)")

        def backup(given: dict[str, Any]) -> None:
            report = bench.backup(postgres17, name, locations=given["locations"])
            assert [one for one in report["warnings"] if "superuser" not in one] == []

        def restore(given: dict[str, Any]) -> None:
            restore_table(
                postgres17, name, "orders", bench=bench.bench, strategy="replace", locations=given["locations"]
            )

        def check(given: dict[str, Any]) -> None:
            assert not bad(verify(tmp_path, label=LABEL, locations=given["locations"], level="content", **keys))

        run("pg_backup", backup, new_only=True)
        run("restore_table", restore)
        run("verify_dump", check)
        run("restore_drill", lambda given: drill(bench, postgres17, locations=given["locations"]), new_only=True)
