"""Which of several installations is used; small scripts stand for the programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import programs
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.programs import find_program


def install(folder: Path, version: str, *, log: Path | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "pg_dump"
    note = f"echo run >> {log}\n" if log else ""
    program.write_text(f"#!/bin/sh\n{note}echo 'pg_dump (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return program


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(programs, "_VERSIONED_FOLDERS", (f"{tmp_path}/usr/lib/postgresql/*/bin",))


def versioned(tmp_path: Path, major: str) -> Path:
    return tmp_path / "usr/lib/postgresql" / major / "bin"


def test_the_servers_own_major_version_is_preferred_to_newer_ones(tmp_path: Path) -> None:
    install(tmp_path / "path", "18.6")
    wanted = install(versioned(tmp_path, "17"), "17.4 (Debian 17.4-1)")
    install(versioned(tmp_path, "15"), "15.18")
    found = find_program("pg_dump", 170010)
    assert (found.path, found.version, found.major, found.version_text) == (str(wanted), (17, 4), 17, "17.4")


def test_the_lowest_newer_version_is_the_next_best(tmp_path: Path) -> None:
    install(tmp_path / "path", "18.6")
    install(versioned(tmp_path, "16"), "16.9")
    assert find_program("pg_dump", 150010).version == (16, 9)


def test_of_one_major_version_the_newest_minor_is_used(tmp_path: Path) -> None:
    install(tmp_path / "path", "17.4")
    install(versioned(tmp_path, "17"), "17.10")
    assert find_program("pg_dump", 170000).version == (17, 10)


def test_a_beta_counts_by_its_major_version(tmp_path: Path) -> None:
    install(tmp_path / "path", "19beta2")
    assert find_program("pg_dump", 190000).major == 19


def test_an_old_program_is_refused_with_what_was_found_and_what_to_install(tmp_path: Path) -> None:
    old = install(tmp_path / "path", "15.18")
    with pytest.raises(PreflightError) as caught:
        find_program("pg_dump", 170010)
    assert f"15.18 ({old})" in caught.value.message
    assert "postgresql-client-17" in str(caught.value.hint)


def test_no_program_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="there is none on this host"):
        find_program("pg_dump", 170010)


def test_a_named_folder_is_the_only_one(tmp_path: Path) -> None:
    install(tmp_path / "path", "17.10")
    named = install(tmp_path / "named", "18.1")
    assert find_program("pg_dump", 170010, str(named.parent)).path == str(named)
    with pytest.raises(PreflightError, match="there is none in "):
        find_program("pg_dump", 170010, str(tmp_path))


def test_the_distributions_wrapper_is_the_last_resort(tmp_path: Path) -> None:
    log = tmp_path / "log"
    wrapper = install(tmp_path / "share", "17.10", log=log).rename(tmp_path / "share/pg_wrapper")
    (tmp_path / "path").mkdir()
    (tmp_path / "path/pg_dump").symlink_to(wrapper)
    assert find_program("pg_dump", 170000).path == str(tmp_path / "path/pg_dump")
    log.unlink()
    programs._probe.cache_clear()
    real = install(versioned(tmp_path, "17"), "17.10")
    assert find_program("pg_dump", 170000).path == str(real)
    assert not log.exists()


def test_a_program_is_asked_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    install(tmp_path / "path", "17.10", log=log)
    install(tmp_path / "path", "17.10", log=log)
    for _ in range(3):
        find_program("pg_dump", 170000)
    assert log.read_text() == "run\n"


def test_what_is_no_program_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path / "path", "none")
    (versioned(tmp_path, "17") / "pg_dump").mkdir(parents=True)
    with pytest.raises(PreflightError):
        find_program("pg_dump", 170000)
