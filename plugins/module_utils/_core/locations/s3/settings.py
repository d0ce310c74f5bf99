"""Which bucket, reached how, and what its new objects shall be like."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from ...backupset.naming import check_key
from ..options import Options
from ..stall_limit import STALL_SECONDS

OPTIONS = (
    "bucket",
    "prefix",
    "endpoint_url",
    "region",
    "access_key",
    "secret_key",
    "session_token",
    "sse",
    "sse_kms_key_id",
    "storage_class",
    "object_lock",
    "checksums",
    "ca_bundle",
    "addressing_style",
    "stall_timeout",
)
SSE_CHOICES = ("AES256", "aws:kms", "none")
ADDRESSING_STYLES = ("auto", "path", "virtual")
LOCK_MODES = ("GOVERNANCE", "COMPLIANCE")

# As AWS has it, plus the upper case and underscores that old buckets and other stores allow, and access points.
_SHORTEST, _LONGEST = 3, 255
_BUCKET = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{{_SHORTEST - 1},{_LONGEST - 1}}}|arn:[A-Za-z0-9:/_.-]+")
_STORAGE_CLASS = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
_MAX_LOCK_DAYS = 36500


@dataclass(frozen=True)
class ObjectLock:
    """The retention mode and days that every new object gets."""

    mode: str
    period: timedelta


@dataclass(frozen=True)
class S3Settings:
    """One bucket. Credentials that are None come from the library's own chain: environment, profile, instance role.

    :param name: the location's name, for errors; "" where the bucket is none.
    :param prefix: "" or the key below which everything is, without a slash at its end.
    :param sse: ``AES256``, ``aws:kms`` or None for what the bucket does by itself.
    :param stall_timeout: see :class:`StallLimit`, seconds.
    :param checksums: whether additional checksums (``x-amz-checksum-*``) are sent.
    """

    name: str
    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    sse: str | None = None
    sse_kms_key_id: str | None = None
    storage_class: str | None = None
    object_lock: ObjectLock | None = None
    checksums: bool = True
    ca_bundle: str | None = None
    addressing_style: str = "auto"
    stall_timeout: float = STALL_SECONDS

    @property
    def endpoint(self) -> str:
        """The address of the store, for messages."""
        return self.endpoint_url or f"AWS{f' ({self.region})' if self.region else ''}"

    def object_key(self, key: str) -> str:
        """The key in the bucket of *key* below the prefix."""
        return f"{self.prefix}/{key}" if self.prefix else key


def parse_settings(options: Mapping[str, object]) -> S3Settings:
    """Read the options of a location of type s3.

    :raises ConfigError: an option is unknown, missing or cannot be right.
    """
    given = Options(options, OPTIONS)
    bucket = _bucket(given)
    prefix = (given.text("prefix") or "").strip("/")
    access_key, secret_key = given.text("access_key"), given.text("secret_key")
    session_token = given.text("session_token")
    _check_credentials(given, access_key, secret_key, session_token)
    sse = _choice(given, "sse", SSE_CHOICES)
    sse_kms_key_id = given.text("sse_kms_key_id") or None
    if sse_kms_key_id and sse != "aws:kms":
        raise given.error("sse_kms_key_id is given without sse: aws:kms")
    storage_class = given.text("storage_class") or None
    if storage_class and not _STORAGE_CLASS.fullmatch(storage_class):
        raise given.error("storage_class is not one", hint="for example STANDARD or STANDARD_IA")
    return S3Settings(
        name=given.name,
        bucket=bucket,
        prefix=check_key(prefix) if prefix else "",
        endpoint_url=_endpoint_url(given),
        region=given.text("region") or None,
        access_key=access_key or None,
        secret_key=secret_key or None,
        session_token=session_token or None,
        sse=None if sse == "none" else sse,
        sse_kms_key_id=sse_kms_key_id,
        storage_class=storage_class,
        object_lock=_object_lock(given, options.get("object_lock")),
        checksums=given.flag("checksums", True),
        ca_bundle=_ca_bundle(given),
        addressing_style=_choice(given, "addressing_style", ADDRESSING_STYLES) or "auto",
        stall_timeout=given.number("stall_timeout", STALL_SECONDS, minimum=1),
    )


def _bucket(given: Options) -> str:
    bucket = given.required_text("bucket")
    if not _BUCKET.fullmatch(bucket):
        message, hint = _bucket_problem(bucket)
        raise given.error(f"bucket is not the name of one: {message}", hint=hint)
    return bucket


def _bucket_problem(bucket: str) -> tuple[str, str]:
    """What is wrong with it, without repeating it, and what to do."""
    if "/" in bucket:
        scheme = bucket.partition("://")[0] if "://" in bucket else ""
        what = f"it begins with {scheme}://" if scheme in ("s3", "http", "https", "gs") else "it has a path in it"
        return what, "the name alone, without s3:// and without a path: that goes into prefix"
    if bucket != bucket.strip():
        return "there are spaces around it", "take them away"
    if len(bucket) < _SHORTEST:
        return f"it has {len(bucket)} characters, and a name has {_SHORTEST} or more", "is it all of the name?"
    if len(bucket) > _LONGEST:
        return f"it has {len(bucket)} characters, and a name has {_LONGEST} at most", "is it something else?"
    return "it has characters that no name has", "letters, digits, '.', '_' and '-', beginning with a letter or digit"


def _check_credentials(given: Options, access_key: str | None, secret_key: str | None, token: str | None) -> None:
    if bool(access_key) != bool(secret_key):
        missing = "secret_key" if access_key else "access_key"
        raise given.error(f"{missing} is missing", hint="give both, or none to use the environment, profile or role")
    if token and not access_key:
        raise given.error("session_token is given without access_key and secret_key")
    # Both end up in a header, and such a mistake would otherwise show as a baffling refusal.
    for name, value in (("access_key", access_key), ("secret_key", secret_key), ("session_token", token)):
        if value and (value != value.strip() or not value.isascii()):
            raise given.error(f"{name} has spaces around it or letters that no key has")


def _endpoint_url(given: Options) -> str | None:
    url = given.text("endpoint_url")
    if not url:
        return None
    hint = "for example https://s3.example.com or http://127.0.0.1:9000"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise given.error("endpoint_url is not an address", hint=hint)
    if parts.username or parts.password:
        raise given.error("endpoint_url has credentials in it", hint="give them as access_key and secret_key")
    bucket = given.required_text("bucket")
    if parts.path.strip("/") == bucket or (parts.hostname or "").startswith((f"{bucket}.s3.", f"{bucket}.s3-")):
        raise given.error("endpoint_url has the bucket's name in it", hint="give the store's address alone")
    return url.rstrip("/")


def _ca_bundle(given: Options) -> str | None:
    path = given.text("ca_bundle")
    if path and not os.access(path, os.R_OK):
        raise given.error(f"ca_bundle {path!r} is not there or cannot be read")
    return path or None


def _choice(given: Options, key: str, choices: tuple[str, ...]) -> str | None:
    value = given.text(key)
    if value and value not in choices:
        raise given.error(f"{key} is not one of its choices", hint=", ".join(choices))
    return value or None


def _object_lock(given: Options, value: object) -> ObjectLock | None:
    if not value:
        return None
    hint = "for example {mode: GOVERNANCE, days: 30}"
    if not isinstance(value, Mapping) or set(value) != {"mode", "days"}:
        raise given.error("object_lock needs mode and days, and nothing else", hint=hint)
    mode, days = str(value["mode"]).upper(), str(value["days"])
    if mode not in LOCK_MODES:
        raise given.error("object_lock has an unknown mode", hint=" or ".join(LOCK_MODES))
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= _MAX_LOCK_DAYS:
        raise given.error(f"object_lock needs days from 1 to {_MAX_LOCK_DAYS}", hint=hint)
    return ObjectLock(mode, timedelta(days=int(days)))
