"""How much of a bucket is read for one table: counted in front of the server that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import load_verify_keys
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import find_good_set
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_locations
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.set_archive import open_set_archive
from support.backup_bench import LABEL, Bench, make_keys
from support.lab import PostgresServer, S3Server
from support.location_backends.rclone import bucket_config
from support.s3_proxy import S3Proxy
from support.sample_databases import fill
from support.table_restores import restore_table

MIB = 1024 * 1024


def by_s3(server: S3Server, bucket: str, endpoint: str) -> dict[str, Any]:
    return {**server.location(bucket), "endpoint_url": endpoint}


def by_rclone(server: S3Server, bucket: str, endpoint: str) -> dict[str, Any]:
    config = bucket_config(server)
    config.write_text(config.read_text().replace(server.endpoint_url, endpoint))
    return {"name": "cloud", "type": "rclone", "remote": f"cloud:{bucket}", "config": str(config)}


@dataclass(frozen=True)
class Stored:
    """A database that was backed up into a bucket, by several processes or by one."""

    name: str
    bench: Bench
    bucket: str


@pytest.fixture(scope="module", params=[1, 3], ids=["one job", "three jobs"])
def stored(
    request: pytest.FixtureRequest,
    postgres17: PostgresServer,
    s3_server: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stored]:
    directory = tmp_path_factory.mktemp("reads")
    bench, bucket = Bench(directory, make_keys(directory)), s3_server.create_bucket()
    with postgres17.database() as database:
        for number in range(3):
            fill(postgres17, database, 4, table=f"table_{number}")
        bench.backup(postgres17, database, jobs=request.param, locations=[s3_server.location(bucket)])
        yield Stored(database, bench, bucket)
    s3_server.remove_bucket(bucket)


@pytest.mark.parametrize("way", [by_s3, by_rclone])
def test_one_table_costs_its_block_and_at_most_a_megabyte(
    postgres17: PostgresServer,
    s3_server: S3Server,
    stored: Stored,
    way: Callable[[S3Server, str, str], dict[str, Any]],
) -> None:
    database, bench = stored.name, stored.bench
    with S3Proxy(s3_server.endpoint_url) as proxy:
        location = way(s3_server, stored.bucket, proxy.endpoint_url)
        good = find_good_set(
            open_locations([s3_server.location(stored.bucket)]),
            LABEL,
            verify_keys=load_verify_keys(str(bench.keys.verify)),
        )
        archive = open_set_archive(good, Decryption.parse([str(bench.keys.identity)]))
        block = archive.data_sizes[archive.tables()["public", "table_1"].dump_id]
        assert block > MIB

        postgres17.query(database, "DELETE FROM table_1 WHERE id > 7")
        report = restore_table(postgres17, database, "table_1", bench=bench, strategy="swap", locations=[location])

        assert report["changed"]
        assert postgres17.query(database, "SELECT count(*) FROM table_1") == [(4 * 3600,)]
        assert block < proxy.bytes_read <= block + MIB
    restore_table(postgres17, database, "table_1", state="finalized")
