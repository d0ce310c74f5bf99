"""Locations are opened from their dicts, and what cannot be right is refused with its reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location, open_locations
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.options import Options

LOCAL = {"name": "disk", "type": "local", "path": "/backups"}
DRIVE = {"name": "drive", "type": "rclone", "remote": "gdrive:Backups"}


def test_locations_come_in_the_order_given() -> None:
    locations = open_locations([DRIVE, LOCAL])
    assert [(location.name, location.type) for location in locations] == [("drive", "rclone"), ("disk", "local")]


def test_two_locations_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two locations are named 'disk'"):
        open_locations([LOCAL, {**DRIVE, "name": "disk"}])


@pytest.mark.parametrize(
    "other",
    [
        {**LOCAL, "name": "second"},
        {**LOCAL, "name": "second", "path": "/backups/"},
        {**LOCAL, "name": "second", "bucket": None},
    ],
)
def test_one_place_under_two_names_is_refused(other: Mapping[str, object]) -> None:
    with pytest.raises(ConfigError, match="'disk' and 'second' are the same place"):
        open_locations([LOCAL, other])


def test_places_that_differ_are_accepted() -> None:
    paths = ["/backups", "/backups/a", "/mnt/backups"]
    assert len(open_locations([{**LOCAL, "name": f"disk{n}", "path": path} for n, path in enumerate(paths)])) == 3


@pytest.mark.parametrize("kind", [None, "ftp", "Local", 5, ["local"]])
def test_an_unknown_type_is_refused_with_those_that_are_known(kind: object) -> None:
    with pytest.raises(ConfigError, match="local, s3, rclone") as error:
        open_location({**LOCAL, "type": kind})
    assert "'disk'" in str(error.value)


@pytest.mark.parametrize("description", ["/backups", None, ["local"]])
def test_what_is_no_dict_is_refused(description: Any) -> None:
    with pytest.raises(ConfigError, match="a dict"):
        open_location(description)


def test_an_option_of_another_type_is_named_without_its_value() -> None:
    with pytest.raises(ConfigError) as error:
        open_location({**LOCAL, "secret_key": "canary-1c9f"})
    assert "'secret_key'" in str(error.value)
    assert "it takes path" in str(error.value)
    assert "canary-1c9f" not in str(error.value)


def test_a_store_is_only_loaded_where_it_is_used() -> None:
    script = (
        "import sys\n"
        "from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location\n"
        f"open_location({LOCAL!r})\n"
        "loaded = [name for name in sys.modules if name.endswith(('.s3', '.rclone', 'boto3', 'botocore'))]\n"
        "sys.exit(str(loaded) if loaded else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("value", "told"), [(5, "must be text, not int"), ("a\0b", "control character"), ("a\nb", "control character")]
)
def test_text_is_text(value: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Options({"name": "x", "type": "t", "key": value}, ["key"]).text("key")


def test_options_that_are_none_are_not_given() -> None:
    options = Options(
        {"name": "x", "type": "t", "key": None, "foreign": None, "on": None, "count": None}, ["key", "on"]
    )
    assert options.text("key") is None
    assert options.flag("on", True) is True
    assert options.number("count", 7, minimum=1) == 7
    with pytest.raises(ConfigError, match="key is missing"):
        options.required_text("key")


@pytest.mark.parametrize("value", [0.5, "5", True, float("nan"), [5]])
def test_a_number_is_a_number_and_large_enough(value: object) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Options({"name": "x", "type": "t", "count": value}, ["count"]).number("count", 7, minimum=1)


@pytest.mark.parametrize("value", [0, "yes", "true", []])
def test_a_flag_is_true_or_false(value: object) -> None:
    with pytest.raises(ConfigError, match="true or false"):
        Options({"name": "x", "type": "t", "on": value}, ["on"]).flag("on", False)
