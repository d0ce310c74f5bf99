"""A set is read by every reader, whoever it is encrypted for, however it is compressed, and whatever is in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.artifact import KEPT_BYTES
from support.backup_bench import Bench, make_keys
from support.drill_runs import drill
from support.gpg_keys import GnupgHome, make_key
from support.lab import PostgresServer
from support.processes import children, program_of
from support.restore_runs import RestoreBench, drop_versions
from support.sample_databases import fill
from support.table_restores import restore_table
from support.verify_runs import bad, verify

MEGABYTES = {"nothing": 0, "little": 0, "12 MB": 12}
COMBINATIONS = [
    ("age", "none", "nothing"),
    ("gpg home", "gzip", "little"),
    ("gpg identity", "auto", "nothing"),
    ("none", "gzip", "nothing"),
]
# Too large to be kept, where a file has no head that proves it.
LARGE = [("age", "auto", "12 MB"), ("gpg home", "none", "12 MB"), ("none", "none", "12 MB")]


def reading_of(form: str, bench: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a backup is told in order to encrypt so, and a restore in order to decrypt it."""
    if form == "age":
        return {}, {"identities": [str(bench.keys.identity)]}
    if form == "none":
        return {"recipients": [], "allow_unencrypted": True}, {"identities": []}
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = GnupgHome()
    key = make_key(home, "ops@example.com")
    told = {"recipients": [key.public().decode()]}
    if form == "gpg home":
        return told, {"identities": [], "gnupghome": str(home)}
    return told, {"identities": [key.secret().decode()]}


def gpg_processes() -> set[int]:
    """The gpg processes below this one: of a reader that had read enough, say."""
    return {pid for pid in children(os.getpid()) if program_of(pid) == "gpg"}


def go_round(server: PostgresServer, directory: Path, form: str, compress: str, content: str) -> None:
    others = gpg_processes()
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    encrypting, keys = reading_of(form, bench.bench)
    name = server.create_database()
    copy = f"{name}_copy"
    try:
        if content != "nothing":
            server.query(name, "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1), (2), (3)")
        if MEGABYTES[content]:
            fill(server, name, MEGABYTES[content])
        report = bench.backup(server, name, compress=compress, **encrypting)
        if MEGABYTES[content] and form != "age":
            assert max(one["size"] for one in report["artifacts"]) > KEPT_BYTES

        place = {"label": report["label"], "locations": [bench.bench.location()], "level": "content"}
        assert bad(verify(directory, verify_key=[str(bench.bench.keys.verify)], **place, **keys)) == {}
        assert drill(bench, server, **keys)["verdict"] == "passed"
        restored = bench.restore(server, copy, expect_database=name, **keys)
        assert restored["tables"] == {"nothing": 0, "little": 1, "12 MB": 2}[content]
        if content != "nothing":
            server.query(name, "DELETE FROM orders")
            restore_table(server, name, "orders", bench=bench.bench, strategy="replace", **keys)
            assert server.query(name, "SELECT count(*) FROM orders") == [(3,)]
        assert gpg_processes() <= others
    finally:
        drop_versions(server, name)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("form", "compress", "content"), COMBINATIONS)
def test_a_set_goes_round(postgres: PostgresServer, tmp_path: Path, form: str, compress: str, content: str) -> None:
    go_round(postgres, tmp_path, form, compress, content)


@pytest.mark.parametrize(("form", "compress", "content"), LARGE)
def test_a_larger_set_goes_round(
    postgres17: PostgresServer, tmp_path: Path, form: str, compress: str, content: str
) -> None:
    go_round(postgres17, tmp_path, form, compress, content)
