"""Files of older procedures: read in every format, and refused wherever they were cut."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.age_files import encrypt
from support.backup_bench import Keys
from support.drill_runs import make_shop
from support.lab import PostgresServer
from support.verify_runs import bad, statuses, verify


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory, postgres17: PostgresServer) -> dict[str, Path]:
    """Dumps of the shop as people have made them; nobody changes them."""
    directory, shop = tmp_path_factory.mktemp("dumps"), make_shop(postgres17)
    found = {}
    for name, options in (("custom", ["-Fc", "-Z6"]), ("plain", ["-Fp"]), ("raw", ["-Fc", "-Z0"])):
        found[name] = directory / f"{name}.dump"
        postgres17.run("pg_dump", *options, "-f", str(found[name]), database=shop)
    found["gzip"] = directory / "plain.sql.gz"
    found["gzip"].write_bytes(gzip.compress(found["plain"].read_bytes()))
    found["openssl"] = directory / "custom.dump.enc"
    argv = ["openssl", "enc", "-aes-256-cbc", "-salt", "-pbkdf2", "-in", found["custom"], "-out", found["openssl"]]
    subprocess.run([*argv, "-pass", "pass:secret"], check=True, stderr=subprocess.DEVNULL)
    postgres17.drop_database(shop)
    return found


def look(path: Path, **options: Any) -> dict[str, Any]:
    return verify(path.parent / "cache", src=str(path), **{"level": "content", **options})


@pytest.mark.parametrize("name", ["custom", "raw", "plain", "gzip", "openssl"])
def test_a_whole_file_passes_in_every_format(dumps: dict[str, Path], name: str) -> None:
    report = look(dumps[name], passphrase="secret" if name == "openssl" else None)
    assert (report["verdict"], bad(report)) == ("passed", {})
    assert ("contents" in {check for check, _subject in statuses(report)}) == (name not in ("plain", "gzip"))


def test_critical_tables_and_size_of_a_file_are_checked(dumps: dict[str, Path]) -> None:
    report = look(dumps["custom"], critical_tables=["clients", "order"], min_size=10**6)
    assert bad(report)["critical_tables"] == "missing in the dump: order"
    assert "976.6 KiB are expected" in bad(report)["min_size"]
    assert "does not list its tables" in bad(look(dumps["plain"], critical_tables=["clients"]))["critical_tables"]


@pytest.mark.parametrize("name", ["custom", "plain", "gzip"])
def test_a_file_that_is_cut_anywhere_fails(dumps: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = dumps[name].read_bytes()
    cut = tmp_path / "cut"
    # What follows a script's end mark is blank.
    end = data.index(b"database dump complete") if name == "plain" else len(data)
    for length in {0, 1, 5, 100, *range(1000, end, max(1, end // 25)), end - 1}:
        cut.write_bytes(data[:length])
        report = look(cut)
        assert report["verdict"] == "failed", length
        assert "file" in bad(report)


def test_a_row_that_looks_like_the_end_of_a_script_is_none(dumps: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.sql"
    head = dumps["plain"].read_bytes()[:2000]
    path.write_bytes(head + b"\n-- PostgreSQL database dump complete\tand more\nanother row\n")
    assert "was cut off" in bad(look(path))["file"]


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"%PDF-1.7\n\0", b"PK\3\4" + b"\0" * 100])
def test_what_is_no_dump_fails(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert look(path)["verdict"] == "failed"


def test_a_file_without_its_key_fails_and_with_it_passes(dumps: dict[str, Path], tmp_path: Path, keys: Keys) -> None:
    from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import parse_recipient

    path = tmp_path / "custom.dump.age"
    path.write_bytes(encrypt(dumps["custom"].read_bytes(), [parse_recipient(keys.recipients[0])]))
    assert "no age identity" in bad(look(path))["file"]
    assert look(path, identities=[str(keys.identity)])["verdict"] == "passed"
