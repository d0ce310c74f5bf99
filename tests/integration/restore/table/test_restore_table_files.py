"""Rows out of files as older procedures left them: every format, compressed and encrypted by the usual programs."""

from __future__ import annotations

import gzip
import json
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from support.cipher_files import run
from support.effort import is_long
from support.gpg_keys import GnupgHome
from support.postgres import PostgresServer
from support.programs import require_tool
from support.stored_sets import contents_of, pg_dump
from support.table_restores import restore_table

SCHEMA = """
CREATE TYPE pair AS (x integer, y text);
CREATE TABLE odd (
    id integer PRIMARY KEY, "na ""me" text, raw bytea, body jsonb, tags text[], at timestamptz, price numeric(12, 3),
    mood float8, p pair, b boolean, twice integer GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO odd SELECT n,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'a\\\\.\\nb\\t"c", ]}' ELSE 'Zoë 🐘' END,
    decode(md5(n::text), 'hex'), jsonb_build_object('n', n, 'list', '[1, {"a": "]"}]'::jsonb), ARRAY['x', NULL, 'y,z'],
    '2026-01-01'::timestamptz + n * interval '1 minute', n / 7.0, CASE WHEN n = 3 THEN 'NaN' ELSE sqrt(n) END,
    ROW(n, E'"\\n')::pair, n % 2 = 0
FROM generate_series(1, 1500) AS n;
CREATE TABLE other (id integer);
INSERT INTO other VALUES (1);
"""
PASSWORD = "a password"
KEY = "9f" * 31 + "0a"


@pytest.fixture(scope="module")
def made_odd(postgres17: PostgresServer) -> Iterator[str]:
    with postgres17.database() as name:
        postgres17.psql(name, SCHEMA)
        yield name


@pytest.fixture
def odd(postgres17: PostgresServer, made_odd: str) -> Iterator[str]:
    with postgres17.database(template=made_odd) as name:
        yield name


def exported(server: PostgresServer, database: str, kind: str) -> bytes:
    """The table as a file of some format."""
    if kind == "dump":
        return pg_dump(server, database, "-Fc")
    if kind == "sql":
        return pg_dump(server, database, "-Fp")
    if kind == "csv":
        return server.run(
            "psql", "-XqAtc", "COPY (SELECT * FROM odd) TO STDOUT (FORMAT csv, HEADER)", database=database
        ).stdout.encode()
    rows = "\n,".join(text for (text,) in server.query(database, "SELECT row_to_json(o)::text FROM odd AS o"))
    return f"[{rows}]".encode()


def wrapped(data: bytes, how: str, directory: Path) -> tuple[bytes, dict[str, Any]]:
    """A file around *data*, and what opens it."""
    if how == "plain":
        return data, {}
    if how == "gzip":
        return gzip.compress(data), {}
    if how == "xz and age":
        identity = X25519Identity.generate()
        sealed = run(require_tool("age"), "-r", str(identity.recipient), stdin=lzma.compress(data))
        return sealed, {"identities": [str(identity)]}
    if how == "gpg":
        home = GnupgHome()
        try:
            sealed = home.run("--symmetric", passphrase=PASSWORD, stdin=data)
        finally:
            home.close()
        return sealed, {"passphrase": PASSWORD}
    if how == "envelope":
        iv = bytes(range(16))
        whole = AESGCM(bytes.fromhex(KEY)).encrypt(iv, data, None)
        fields = {"iv": iv.hex(), "authTag": whole[-16:].hex(), "data": whole[:-16].hex()}
        return json.dumps(fields).encode(), {"identities": [KEY]}
    options = ["-pbkdf2"] if how == "openssl pbkdf2 and gzip" else ["-md", "md5"]
    inner = gzip.compress(data) if how == "openssl pbkdf2 and gzip" else data
    argv = ["openssl", "enc", "-aes-256-cbc", "-salt", *options, "-pass", "env:PW"]
    return run(*argv, stdin=inner, environment={"PATH": os.environ["PATH"], "PW": PASSWORD}), {"passphrase": PASSWORD}


STRATEGIES = ("swap", "merge", "replace")
KINDS = ["csv", "json", "dump", "sql"]
WAYS = ["plain", "gzip", "xz and age", "gpg", "envelope", "openssl pbkdf2 and gzip", "openssl of old"]


@pytest.mark.sampled(12)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_every_format_gives_the_rows_back(
    postgres17: PostgresServer, odd: str, tmp_path: Path, kind: str, how: str
) -> None:
    if how == "envelope" and kind == "dump":
        pytest.skip("an envelope is made of text")
    contents = contents_of(postgres17, odd)
    data, keys = wrapped(exported(postgres17, odd, kind), how, tmp_path)
    file = tmp_path / "file"
    file.write_bytes(data)
    # Each strategy with each kind, and with each way; with each pair of them in a long run.
    turn = (KINDS.index(kind) + WAYS.index(how)) % len(STRATEGIES)
    for strategy in STRATEGIES if is_long() else STRATEGIES[turn : turn + 1]:
        postgres17.query(odd, "DELETE FROM odd WHERE id > 1000; UPDATE odd SET b = NULL WHERE id < 10")
        report = restore_table(postgres17, odd, "odd", src=str(file), strategy=strategy, **keys)
        assert report["rows"] == 1500
        found = contents_of(postgres17, odd)
        assert {one: found[one] for one in contents} == contents
    assert restore_table(postgres17, odd, "odd", state="finalized")["changed"] == (strategy == "swap" or is_long())


def test_merging_again_changes_nothing_and_says_so(postgres17: PostgresServer, odd: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(exported(postgres17, odd, "csv"))
    report = restore_table(postgres17, odd, "odd", src=str(file), strategy="merge", delete_extra=True)
    assert (report["changed"], report["inserted"], report["updated"], report["deleted"]) == (False, 0, 0, 0)


def break_json(data: bytes) -> bytes:
    return data[: len(data) // 2]


SPOILED: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("json", break_json, "no whole JSON array"),
    ("sql", lambda data: data[: len(data) // 2], "no end"),
    ("csv", lambda data: data.replace(b",price,", b",prize,", 1), "may be a renaming"),
    ("csv", lambda data: b"", "it is empty"),
    ("dump", lambda data: data[: len(data) - 1000], "pg_restore"),
    ("json", lambda data: data.replace(b'"id":1200,', b'"id":1200,"more":1,', 1), "members that the first has not"),
    ("csv", lambda data: data + data.split(b"\n", 1)[1][:200], "in the way|unique|missing data|quot|bad copy"),
]


@pytest.mark.parametrize(("kind", "spoil", "told"), SPOILED)
def test_a_file_that_does_not_fit_is_refused_and_the_table_is_as_before(
    postgres17: PostgresServer, odd: str, tmp_path: Path, kind: str, spoil: Callable[[bytes], bytes], told: str
) -> None:
    contents = contents_of(postgres17, odd)
    file = tmp_path / "file"
    file.write_bytes(spoil(exported(postgres17, odd, kind)))
    with pytest.raises(BackupError, match=told):
        restore_table(postgres17, odd, "odd", src=str(file))
    assert contents_of(postgres17, odd) == contents


def test_columns_are_matched_by_name(postgres17: PostgresServer, odd: str, tmp_path: Path) -> None:
    for kind in KINDS:
        file = tmp_path / kind
        file.write_bytes(exported(postgres17, odd, kind))
    postgres17.query(odd, 'ALTER TABLE odd DROP COLUMN tags; ALTER TABLE odd RENAME "na ""me" TO called')
    with_default = "ALTER TABLE odd ADD COLUMN added integer NOT NULL DEFAULT 7"
    expected = postgres17.query(odd, "SELECT id, called, body::text, b FROM odd ORDER BY id")
    for turn, kind in enumerate(KINDS):
        with pytest.raises(PreflightError, match="may be a renaming"):
            restore_table(postgres17, odd, "odd", src=str(tmp_path / kind))
        for strategy in STRATEGIES if is_long() else STRATEGIES[turn % 3 : turn % 3 + 1]:
            postgres17.query(odd, "DELETE FROM odd WHERE id > 10")
            mapping = {'na "me': "called", "tags": ""}
            restore_table(postgres17, odd, "odd", src=str(tmp_path / kind), strategy=strategy, column_map=mapping)
            assert postgres17.query(odd, "SELECT id, called, body::text, b FROM odd ORDER BY id") == expected
    postgres17.query(odd, f'ALTER TABLE odd RENAME called TO "na ""me"; {with_default}')
    mapping = {"tags": ""}
    postgres17.query(odd, "DELETE FROM odd WHERE id > 10")
    restore_table(postgres17, odd, "odd", src=str(tmp_path / "csv"), column_map=mapping)
    assert postgres17.query(odd, "SELECT count(*), min(added), max(added) FROM odd") == [(1500, 7, 7)]
    postgres17.query(odd, "ALTER TABLE odd ALTER COLUMN added DROP DEFAULT")
    with pytest.raises(PreflightError, match="need a value: added"):
        restore_table(postgres17, odd, "odd", src=str(tmp_path / "csv"), column_map=mapping)


def test_a_table_that_the_file_has_not_is_told_with_the_nearest(
    postgres17: PostgresServer, odd: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(exported(postgres17, odd, "dump"))
    with pytest.raises(ConfigError, match=r"did you mean public\.other"):
        restore_table(postgres17, odd, "odd", src=str(file), source_table="othr")
    with pytest.raises(ConfigError, match="no table 'od'"):
        restore_table(postgres17, odd, "od", src=str(file))
