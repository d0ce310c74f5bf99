"""An exported file is what its name says; a name that says something else than the options is refused."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.export_name import check_cipher, resolve_format
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "data_format", "compress"),
    [
        ("t", "csv", "none"),
        ("t.csv", "csv", "none"),
        ("t.csv.gz", "csv", "gzip"),
        ("T.CSV.GZ", "csv", "gzip"),
        ("t.json.zst.age", "json", "zstd"),
        ("t.json.gpg", "json", "none"),
        ("t.zst", "csv", "zstd"),
        ("csv.gz", "csv", "gzip"),
        ("orders.2026", "csv", "none"),
    ],
)
def test_the_name_says_what_the_file_is(name: str, data_format: str, compress: str) -> None:
    for path in (name, f"/srv/x.json.gz/{name}"):
        assert resolve_format(path, None, None, "x") == (data_format, compress)
        assert resolve_format(path, data_format, compress, "x") == (data_format, compress)


def test_what_the_name_does_not_say_is_free() -> None:
    assert resolve_format("t.csv", None, "zstd", "x") == ("csv", "zstd")
    assert resolve_format("out", "json", "gzip", "x") == ("json", "gzip")


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        (
            "t.csv.gz",
            (None, "none"),
            r"compress is none, and the name of dest, 't.csv.gz', says gzip \(leave compress out",
        ),
        ("t.csv.zst.age", (None, "gzip"), "compress is gzip, .* says zstd"),
        ("t.json", ("csv", None), "format is csv, .* says json"),
        ("t.csv.xz", (None, None), r"ends in .xz, which is not what can be made"),
        ("t.zip.age", (None, None), "ends in .zip"),
    ],
)
def test_a_contradiction_is_refused(name: str, given: tuple[str | None, str | None], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        resolve_format(f"/srv/{name}", *given, "export the table")


def test_a_file_in_the_open_does_not_look_encrypted() -> None:
    with pytest.raises(ConfigError, match="would be not encrypted, as there are no recipients, and its name says age"):
        check_cipher("/srv/t.csv.age", "none", "x")
    with pytest.raises(ConfigError, match="would be encrypted by age, and its name says gpg"):
        check_cipher("/srv/t.csv.gpg", "age", "x")
    for name, scheme in (("t.csv", "none"), ("t.csv", "age"), ("t.csv.age", "age"), ("t.csv.pgp", "gpg")):
        check_cipher(f"/srv/{name}", scheme, "x")
