"""An export is one file, complete or not there, and readable by those alone who should."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pyrage
import pytest
import zstandard
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import table_export as core_export
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import (
    ExportRequest,
    ExportResult,
    export_table,
    run_table_export,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from support.lab import PostgresServer, wait_until
from support.lock_holders import held_for_long
from support.module_plays import play
from support.module_runs import run_module

CSV = b"i,v\n1,a\n2,b\n"
PLAIN = parse_encryption([])


@pytest.fixture
def table(session17: Connection) -> Iterator[Connection]:
    execute(session17, "CREATE TABLE public.t (i int, v text); INSERT INTO public.t VALUES (1, 'a'), (2, 'b')")
    yield session17


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def export(options: ConnectionOptions, dest: Path, *, check_mode: bool = False, **what: Any) -> ExportResult:
    request = ExportRequest(str(dest), **({"table": "t"} | what))
    return export_table(options, request, PLAIN, check_mode=check_mode)


def test_a_table_becomes_a_private_file_whatever_the_umask(
    options17: ConnectionOptions, table: Connection, dest: Path
) -> None:
    # Fault 40.
    previous = os.umask(0)
    try:
        result = export(options17, dest)
    finally:
        os.umask(previous)
    assert dest.read_bytes() == CSV
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert result == ExportResult(True, "public.t", 2, len(CSV), hashlib.sha256(CSV).hexdigest())


def test_compressions_are_those_of_the_usual_programs(
    options17: ConnectionOptions, table: Connection, tmp_path: Path
) -> None:
    export(options17, tmp_path / "gz", compress="gzip")
    export(options17, tmp_path / "zst", compress="zstd")
    assert gzip.decompress((tmp_path / "gz").read_bytes()) == CSV
    reader = zstandard.ZstdDecompressor().stream_reader((tmp_path / "zst").open("rb"), read_across_frames=True)
    assert reader.read() == CSV


def test_every_recipient_can_read_an_encrypted_export(
    options17: ConnectionOptions, table: Connection, dest: Path
) -> None:
    identities = [pyrage.x25519.Identity.generate() for _number in range(2)]
    encryption = parse_encryption([str(identity.to_public()) for identity in identities])
    request = ExportRequest(str(dest), table="t", compress="gzip", personal_data=True)
    result = export_table(options17, request, encryption)
    data = dest.read_bytes()
    assert (result.size, result.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    for identity in identities:
        assert gzip.decompress(pyrage.decrypt(data, [identity])) == CSV


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_the_same_rows_again_change_nothing(
    options17: ConnectionOptions, table: Connection, dest: Path, compress: str
) -> None:
    # Fault 48.
    first = export(options17, dest, compress=compress)
    before = dest.stat()
    assert export(options17, dest, check_mode=True, compress=compress).changed is False
    again = export(options17, dest, compress=compress)
    assert (again.changed, again.sha256, again.rows) == (False, first.sha256, 2)
    assert (dest.stat().st_ino, dest.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    execute(table, "INSERT INTO public.t VALUES (3, 'c')")
    assert export(options17, dest, check_mode=True, compress=compress).changed is True
    assert dest.stat().st_ino == before.st_ino
    assert export(options17, dest, compress=compress).changed is True


def test_an_encrypted_export_is_always_another(options17: ConnectionOptions, table: Connection, dest: Path) -> None:
    encryption = parse_encryption([str(pyrage.x25519.Identity.generate().to_public())])
    for _turn in range(2):
        assert export_table(options17, ExportRequest(str(dest), table="t"), encryption).changed
    assert export_table(options17, ExportRequest(str(dest), table="t"), encryption, check_mode=True).changed


def test_what_an_encrypted_export_replaces_is_not_read(
    options17: ConnectionOptions, table: Connection, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encryption = parse_encryption([str(pyrage.x25519.Identity.generate().to_public())])
    export(options17, dest)

    def refuse(_file: object) -> str:
        raise AssertionError("it was read")

    monkeypatch.setattr(core_export, "file_digest", refuse)
    with pytest.raises(AssertionError, match="it was read"):
        export(options17, dest)
    for check_mode in (True, False):
        assert export_table(options17, ExportRequest(str(dest), table="t"), encryption, check_mode=check_mode).changed


def test_a_file_that_others_may_read_is_replaced(options17: ConnectionOptions, table: Connection, dest: Path) -> None:
    export(options17, dest)
    dest.chmod(0o644)
    assert export(options17, dest, check_mode=True).changed is True
    assert export(options17, dest).changed is True
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600


def test_check_mode_checks_everything_and_writes_nothing(
    options17: ConnectionOptions, table: Connection, dest: Path
) -> None:
    assert export(options17, dest, check_mode=True) == ExportResult(True, "public.t")
    with pytest.raises(ConfigError):
        export(options17, dest, check_mode=True, table="tt")
    with pytest.raises(ConfigError):
        export(options17, dest, check_mode=True, where="nothing")
    assert list(dest.parent.iterdir()) == []


def test_personal_data_is_never_written_unencrypted(
    options17: ConnectionOptions, table: Connection, dest: Path
) -> None:
    for check_mode in (True, False):
        with pytest.raises(ConfigError, match="personal data is never written unencrypted"):
            export(options17, dest, personal_data=True, check_mode=check_mode)
    assert list(dest.parent.iterdir()) == []


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    options17: ConnectionOptions, table: Connection, dest: Path
) -> None:
    dest.write_bytes(b"the last good one")
    with pytest.raises(SourceError, match="division by zero"):
        export(options17, dest, table=None, query="SELECT 1 / (1000 - i) FROM generate_series(1, 2000) AS i")
    assert dest.read_bytes() == b"the last good one"
    assert list(dest.parent.iterdir()) == [dest]


def test_what_is_no_place_for_a_file_is_refused(
    options17: ConnectionOptions, table: Connection, tmp_path: Path
) -> None:
    # Fault 38.
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "fifo")
    for name, message in {
        "": "is a directory",
        "link": "not a regular file",
        "fifo": "not a regular file",
        "none/t.csv": "does not exist",
    }.items():
        for check_mode in (True, False):
            with pytest.raises(ConfigError, match=message):
                export(options17, tmp_path / name, check_mode=check_mode)
    assert (tmp_path / "victim").read_text() == "untouched"


def test_who_locks_the_table_is_named(
    options17: ConnectionOptions, table: Connection, dest: Path, postgres17: PostgresServer
) -> None:
    # Fault 44.
    locker = psycopg2.connect(postgres17.dsn(options17.database), application_name="migration")
    locker.cursor().execute("LOCK TABLE public.t")
    with held_for_long(locker), pytest.raises(SourceError, match="lock timeout") as caught:
        export(options17, dest, lock_timeout=1)
    assert f"pid {locker.info.backend_pid}, role 'postgres', application 'migration'" in caught.value.message
    locker.close()


@pytest.mark.parametrize(
    "options", [{"compress": "lzma"}, {"lock_timeout": 0}, {"format": "xml"}, {"recipients": ["age1nonsense"]}]
)
def test_options_that_cannot_be_are_refused(
    postgres17: PostgresServer, database: str, dest: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        run_table_export({**postgres17.login(database), "table": "t", "dest": str(dest), **options}, False)


def test_a_private_key_among_the_recipients_is_not_shown(dest: Path) -> None:
    secret = str(pyrage.x25519.Identity.generate())
    with pytest.raises(BackupError, match="private key") as caught:
        run_table_export({"login_db": "x", "table": "t", "dest": str(dest), "recipients": [secret]}, False)
    assert secret not in str(caught.value)


@pytest.mark.next
def test_the_module_checks_applies_and_applies_again(
    postgres17: PostgresServer, database: str, table: Connection, tmp_path: Path
) -> None:
    # Faults 39 and 48.
    dest = tmp_path / "out.json"
    task = {**postgres17.login(database), "table": "public.t", "format": "json", "dest": str(dest)}
    checked = run_module("table_export", check_mode=True, **task)
    assert not dest.exists()
    (made,), output = play(tmp_path, "table_export", task)
    again = run_module("table_export", **task)
    personal = run_module("table_export", personal_data=True, **task)
    assert [result["changed"] for result in (checked, made, again)] == [True, True, False]
    assert json.loads(dest.read_text()) == [{"i": 1, "v": "a"}, {"i": 2, "v": "b"}]
    expected = {"source": "public.t", "rows": 2, "format": "json", "compress": "none", "encryption": "none"}
    assert made | expected == made and made["sha256"] == again["sha256"] and made["size"] == dest.stat().st_size
    assert "rows" not in checked
    assert personal["failed"] and "never written unencrypted" in personal["msg"]
    assert postgres17.password not in output + json.dumps([checked, again, personal])


def test_an_interrupted_export_ends_at_once_and_leaves_nothing(
    postgres17: PostgresServer, database: str, table: Connection, tmp_path: Path
) -> None:
    dest = tmp_path / "out" / "t.csv"
    dest.parent.mkdir()
    parameters = {
        **postgres17.login(database),
        "query": "SELECT i, pg_sleep(0.01) FROM generate_series(1, 100000) AS i",
        "dest": str(dest),
    }
    driver = (
        "import json, signal, sys\n"
        "from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import run_table_export\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "run_table_export(json.load(sys.stdin), False)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", driver], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None and child.stderr is not None
    child.stdin.write(json.dumps(parameters).encode())
    child.stdin.close()
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
    wait_until(lambda: postgres17.query(database, query) == [(1,)], what="the export to run")
    child.send_signal(signal.SIGTERM)
    # Left alone it would go on for a quarter of an hour.
    killer = threading.Timer(120, child.kill)
    killer.start()
    message = child.stderr.read().decode()
    child.wait()
    killer.cancel()
    assert "KeyboardInterrupt" in message
    assert list(dest.parent.iterdir()) == []
    wait_until(lambda: postgres17.query(database, query) == [(0,)], what="the query to end")
