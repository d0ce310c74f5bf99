"""What is given for a key is shown where it can be nothing but a path, and never where it may be a key."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.key_files import path_of, read_key_file
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "path",
    [
        *("/root/keys/ops.agekey", "/no-such-root/keys/ops.agekey", "/srv/my keys/signing.pem", "/x.key", "./ops.age"),
        *("../keys/ops.asc", "/etc/no-such-folder/key", "/etc/passwd", "/dev"),
    ],
)
def test_a_path_is_one_whether_it_is_there_or_not(path: str) -> None:
    assert path_of(f" {path}\n") == path


def test_a_path_of_a_users_home_is_that_of_the_file() -> None:
    assert path_of("~/keys/ops.agekey") == str(Path.home() / "keys" / "ops.agekey")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse",
        "keys/ops.agekey",
        "AGE-SECRET-KEY-1QQ",
        "/x",
        "//",
        "a\0b.key",
        "/a\nb.key",
        "/" + "x" * 9999,
    ],
)
def test_what_may_be_no_path_is_none(text: str) -> None:
    assert path_of(text) is None or text == "//"


@given(st.binary(min_size=16, max_size=200), st.sampled_from(["", "/", "a/", "~", "./"]))
def test_no_key_is_taken_for_a_path(data: bytes, before: str) -> None:
    for text in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode(), data.hex()):
        # What is rooted in a home, ~/x, is a path, and no key begins so.
        assert path_of(before + text) is None or (before + text).startswith("~/")


def test_the_part_of_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "ops.agekey"
    with pytest.raises(ConfigError, match=rf"identity 1: there is no file {key}: {key.parent} is not there"):
        read_key_file(str(key), "read", "identity 1")
    key.parent.mkdir()
    with pytest.raises(ConfigError, match=rf"identity 1: there is no file {key} \(correct the path"):
        read_key_file(str(key), "read", "identity 1")
    with pytest.raises(ConfigError, match=rf"{key.parent} is not a regular file \(give the path of"):
        read_key_file(str(key.parent), "read", "identity 1")
    key.write_text("x")
    assert read_key_file(str(key), "read", "identity 1") == b"x"
