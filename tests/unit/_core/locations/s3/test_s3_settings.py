"""The options of an S3 location: what is wrong is said before anything is contacted, and no secret with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.client import is_private_line
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.settings import ObjectLock, parse_settings

MINIMAL: dict[str, object] = {"name": "primary", "type": "s3", "bucket": "shop-backups"}


def test_name_and_bucket_are_enough() -> None:
    settings = parse_settings(MINIMAL)
    assert (settings.name, settings.bucket, settings.prefix, settings.checksums) == (
        "primary",
        "shop-backups",
        "",
        True,
    )
    assert settings.object_key("a/b") == "a/b"


def test_the_prefix_is_put_before_every_key() -> None:
    for prefix in ("some/where", "/some/where/", "some/where/"):
        assert parse_settings({**MINIMAL, "prefix": prefix}).object_key("a/b") == "some/where/a/b"


def test_every_option_arrives(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    settings = parse_settings(
        {
            **MINIMAL,
            "endpoint_url": "https://s3.example.com/",
            "region": "eu-central-1",
            "access_key": "key",
            "secret_key": "secret",
            "session_token": "token",
            "sse": "aws:kms",
            "sse_kms_key_id": "alias/backups",
            "storage_class": "STANDARD_IA",
            "object_lock": {"mode": "compliance", "days": "30"},
            "checksums": False,
            "ca_bundle": str(bundle),
            "addressing_style": "virtual",
        }
    )
    assert settings.endpoint_url == "https://s3.example.com"
    assert (settings.access_key, settings.secret_key, settings.session_token) == ("key", "secret", "token")
    assert (settings.sse, settings.sse_kms_key_id, settings.storage_class) == (
        "aws:kms",
        "alias/backups",
        "STANDARD_IA",
    )
    assert settings.object_lock == ObjectLock("COMPLIANCE", timedelta(days=30))
    assert (settings.checksums, settings.addressing_style) == (False, "virtual")


def test_none_leaves_encryption_to_the_bucket() -> None:
    assert parse_settings({**MINIMAL, "sse": "none"}).sse is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bucket": None}, "bucket is missing"),
        ({"bucket": "s3://shop-backups/x"}, r"it begins with s3:// (the name alone, without s3://"),
        ({"bucket": "shop/backups"}, "goes into prefix"),
        ({"bucket": "ab"}, "bucket is not the name of one: it has 2 characters, and a name has 3 or more"),
        ({"bucket": "a" * 256}, "it has 256 characters"),
        ({"bucket": " shop"}, "spaces around it"),
        ({"bucket": "shop backups"}, "characters that no name has"),
        ({"prefix": "a/../b"}, "not usable"),
        ({"prefix": "a//b"}, "not usable"),
        ({"endpoint_url": "s3.example.com"}, "endpoint_url"),
        ({"endpoint_url": "ftp://s3.example.com"}, "endpoint_url"),
        ({"endpoint_url": "https://"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example.com:99999"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example.com/?x=1"}, "endpoint_url"),
        ({"access_key": "key"}, "secret_key is missing"),
        ({"secret_key": "s3cr3t"}, "access_key is missing"),
        ({"session_token": "s3cr3t"}, "without access_key"),
        ({"access_key": "key", "secret_key": "s3cr3t\u00e9"}, "secret_key"),
        ({"access_key": "key", "secret_key": " s3cr3t"}, "secret_key"),
        ({"access_key": "key", "secret_key": "s3cr3t\n"}, "control character"),
        ({"access_key": "key", "secret_key": 5}, "secret_key must be text"),
        ({"sse": "aes256"}, "AES256, aws:kms, none"),
        ({"sse_kms_key_id": "alias/x"}, "without sse: aws:kms"),
        ({"sse": "AES256", "sse_kms_key_id": "alias/x"}, "without sse: aws:kms"),
        ({"storage_class": "cold storage"}, "storage_class"),
        ({"object_lock": {"mode": "GOVERNANCE"}}, "mode and days"),
        ({"object_lock": {"mode": "GOVERNANCE", "days": 3, "years": 1}}, "mode and days"),
        ({"object_lock": {"mode": "LOOSE", "days": 3}}, "GOVERNANCE or COMPLIANCE"),
        ({"object_lock": {"mode": "GOVERNANCE", "days": 0}}, "days from 1"),
        ({"object_lock": {"mode": "GOVERNANCE", "days": "many"}}, "days from 1"),
        ({"object_lock": "GOVERNANCE"}, "mode and days"),
        ({"checksums": "no"}, "true or false"),
        ({"ca_bundle": "/does/not/exist"}, "ca_bundle"),
        ({"addressing_style": "slashes"}, "auto, path, virtual"),
        ({"path": "/srv"}, "no option 'path'"),
    ],
)
def test_what_cannot_be_right_is_told(change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({**MINIMAL, **change})
    assert told in str(error.value)
    assert "s3cr3t" not in str(error.value)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({**MINIMAL, "endpoint_url": "https://user:s3cr3t@s3.example.com"})
    assert "s3cr3t" not in str(error.value)


def test_secrets_are_not_in_the_representation() -> None:
    text = repr(parse_settings({**MINIMAL, "access_key": "k", "secret_key": "s3cr3t", "session_token": "t0k3n"}))
    assert "s3cr3t" not in text
    assert "t0k3n" not in text


@pytest.mark.parametrize(
    ("url", "private"),
    [
        (None, True),
        ("https://s3.example.com", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
        ("http://localhost:9000", True),
        ("http://10.0.0.1:9000", False),
        ("http://s3.example.com", False),
    ],
)
def test_the_payload_is_signed_unless_nobody_can_change_it(url: str | None, private: bool) -> None:
    assert is_private_line(url) is private
