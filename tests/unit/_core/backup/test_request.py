"""Whatever can be wrong in a request is said before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.request import (
    BackupRequest,
    Compression,
    ExportSpec,
    TablePolicy,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "a/b"}, "label 'a/b'"),
        ({"label": ".."}, "label"),
        ({"kind": "hourly"}, "unknown kind 'hourly'.*weekly"),
        ({"environment": "a b"}, "environment 'a b'"),
        ({"jobs": 0}, "jobs is 0"),
        ({"jobs": 65}, "jobs is 65"),
        ({"lock_timeout": 0}, "lock_timeout is 0"),
        ({"labels": {"": "a"}}, "labels has ''"),
        ({"labels": {"a": "b\0"}}, "labels has 'a'"),
        ({"fingerprint": "some"}, "fingerprint is 'some'"),
        ({"tables": (TablePolicy("a"), TablePolicy("a"))}, "table given twice: a"),
        ({"exports": (ExportSpec("a", table="a"), ExportSpec("a", table="b"))}, "export given twice: a"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BackupRequest(**{"label": "mobul", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a name"),
        ({"name": "x"}, "either a table or a query"),
        ({"name": "x", "table": "a", "query": "SELECT 1"}, "either a table or a query"),
        ({"name": "x", "query": "SELECT 1", "where": "true"}, "where and columns belong into the query"),
        ({"name": "../x", "table": "a"}, "export's name"),
        ({"name": "verified", "table": "a"}, "cannot be named 'verified'"),
        ({"table": "a", "format": "xml"}, "csv or json"),
        ({"table": "a", "compress": "rar"}, "none, gzip or zstd"),
    ],
)
def test_a_wrong_export_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportSpec.parse(options)


def test_an_export_is_named_after_its_table() -> None:
    assert ExportSpec.parse({"table": 'audit."security_audit_log"'}).name == "security_audit_log"


@pytest.mark.parametrize("text", ["", "best", "zstd:0", "zstd:23", "gzip:10", "lz4:13", "none:1", "auto:3", "zstd:-1"])
def test_a_compression_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="compress"):
        Compression.parse(text)


def test_personal_data_without_recipients_is_refused_even_when_plaintext_is_allowed() -> None:
    request = BackupRequest(
        label="mobul", allow_unencrypted=True, tables=(TablePolicy("recipients", personal_data=True),)
    )
    with pytest.raises(ConfigError, match="never written unencrypted: recipients"):
        request.check_encryption(encrypted=False)
    request.check_encryption(encrypted=True)


def test_no_recipients_are_refused_unless_that_was_asked_for() -> None:
    with pytest.raises(ConfigError, match="allow_unencrypted"):
        BackupRequest(label="mobul").check_encryption(encrypted=False)
    BackupRequest(label="mobul", allow_unencrypted=True).check_encryption(encrypted=False)


@pytest.mark.parametrize(("wanted", "locations"), [(0, 3), (4, 3), (-1, 1)])
def test_a_number_of_copies_that_cannot_be_reached_is_refused(wanted: int, locations: int) -> None:
    with pytest.raises(ConfigError, match="min_copies"):
        BackupRequest(label="mobul", min_copies=wanted).copies_wanted(locations)


def test_a_copy_in_every_location_is_wanted_by_default() -> None:
    assert BackupRequest(label="mobul").copies_wanted(3) == 3
