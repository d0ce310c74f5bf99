"""A whole restore from a bucket asks for no byte twice, but for the proof of a file that has no head to prove it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, make_keys
from support.lab import PostgresServer, S3Server
from support.restore_runs import RestoreBench, drop_versions
from support.s3_proxy import S3Proxy
from support.sample_databases import fill

MIB = 1024 * 1024
TABLES = 2


@pytest.mark.parametrize(
    ("encrypting", "readings"), [({}, 1), ({"recipients": [], "allow_unencrypted": True}, 2)], ids=["age", "none"]
)
def test_a_restore_reads_a_set_once(
    postgres17: PostgresServer,
    s3_server: S3Server,
    s3_bucket: str,
    tmp_path: Path,
    encrypting: dict[str, Any],
    readings: int,
) -> None:
    bench = RestoreBench(Bench(tmp_path, make_keys(tmp_path)))
    with postgres17.database() as name, S3Proxy(s3_server.endpoint_url) as proxy:
        for number in range(TABLES):
            fill(postgres17, name, 6, table=f"table_{number}")
        report = bench.backup(
            postgres17, name, compress="none", locations=[s3_server.location(s3_bucket)], **encrypting
        )
        size = sum(artifact["size"] for artifact in report["artifacts"])
        assert size > 11 * MIB
        target = f"{name}_restored"
        location = {**s3_server.location(s3_bucket), "endpoint_url": proxy.endpoint_url}
        try:
            bench.restore(postgres17, target, expect_database=name, jobs=2, locations=[location])
        finally:
            drop_versions(postgres17, target)
        # Chunks, and MiBs, of which two tables have a part each come with both.
        edges = TABLES * (64 * 1024 if readings == 1 else 2 * MIB)
        assert proxy.bytes_read <= readings * size + edges + MIB
