"""The client library, loaded in the background and configured for one bucket.

botocore alone is used, boto3's own foundation: same credentials, same requests, a quarter less time to load.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from ..stall_limit import StallLimit, watched
from .settings import S3Settings

CONNECT_SECONDS = 10
ATTEMPTS = 5

_session_lock = threading.Lock()
_sessions: list[Any] = []


class LazyClient:
    """The client of one bucket; it begins to load when it is made, and whoever needs it waits for it."""

    def __init__(self, settings: S3Settings, connections: int, stall_limit: StallLimit) -> None:
        self._settings = settings
        self._stall_limit = stall_limit
        self._connections = connections
        self._client: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._load, name=f"load S3 for {settings.name}", daemon=True)
        self._thread.start()

    def get(self) -> Any:
        """The client; raises what went wrong while it was made, for example ImportError."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._client

    def close(self) -> None:
        """Close the connections that are not in use; safe to call twice."""
        self._thread.join()
        if self._client is not None:
            self._client.close()

    def _load(self) -> None:
        try:
            self._client = make_client(self._settings, self._connections, self._stall_limit)
        except Exception as error:
            self._error = error


def make_client(settings: S3Settings, connections: int, stall_limit: StallLimit) -> Any:
    """A botocore client for *settings*, whose connections give the store up by *stall_limit*."""
    import botocore.config
    import botocore.session

    # One session for all: it keeps the service's description, which takes long to read, but may not be shared
    # between threads while a client is made.
    with _session_lock:
        if not _sessions:
            session = botocore.session.get_session()
            # The library's own, for every form that a date can have, takes half the time of a long listing.
            parsers = session.get_component("response_parser_factory")
            parsers.set_parser_defaults(timestamp_parser=parse_time)
            _sessions.append(session)
        session = _sessions[0]
        s3: dict[str, object] = {"addressing_style": settings.addressing_style}
        if "payload_signing_enabled" not in (session.get_scoped_config().get("s3") or {}):
            s3["payload_signing_enabled"] = not is_private_line(settings.endpoint_url)
        config = botocore.config.Config(
            connect_timeout=CONNECT_SECONDS,
            max_pool_connections=connections,
            # What is signed beforehand must not fall back to the second version, which few stores know.
            signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            s3=s3,
            **_without_own_checksums(botocore.config.Config),
        )
        client = session.create_client(
            "s3",
            region_name=settings.region or _default_region(session, settings),
            endpoint_url=settings.endpoint_url,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            aws_session_token=settings.session_token,
            verify=settings.ca_bundle,
            config=config,
        )
    _watch(client, stall_limit)
    return client


def _watch(client: Any, stall_limit: StallLimit) -> None:
    """Make the client's connections those of ours. The library has no other way to choose them."""
    pools = client._endpoint.http_session._pool_classes_by_scheme
    for scheme, base in tuple(pools.items()):
        pools[scheme] = type(base.__name__, (base,), {"ConnectionCls": watched(base.ConnectionCls, stall_limit)})


class Signer:
    """Signs requests for objects of one bucket, without all that the client does around that.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html

    :param client: made of the same *settings*.
    """

    def __init__(self, client: Any, settings: S3Settings) -> None:
        from botocore.credentials import Credentials

        self._region = client.meta.region_name
        self._credentials = (
            Credentials(settings.access_key, settings.secret_key, settings.session_token)
            if settings.access_key
            else _sessions[0].get_credentials()
        )
        where = {"Bucket": settings.bucket, "Key": "x"}
        # How a bucket becomes part of the host's name or of the path is the library's to know.
        self._bucket_url = client.generate_presigned_url("get_object", Params=where).partition("?")[0][:-1]

    def sign(self, key: str) -> tuple[str, dict[str, str]]:
        """The URL of an object, and the headers of a request that reads it.

        :param key: as the bucket has it.
        """
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("GET", self._bucket_url + quote(key, safe="/~"))
        S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
        return request.url, dict(request.headers.items())


def parse_time(value: Any) -> datetime:
    """A moment as stores write it: ISO 8601 in documents, RFC 9110 in headers; anything else as botocore reads it."""
    import botocore.utils

    for read in (_iso_time, parsedate_to_datetime):
        with contextlib.suppress(TypeError, ValueError):
            found = read(value)
            if found.tzinfo is not None:
                return found
    other: datetime = botocore.utils.parse_timestamp(value)
    return other if other.tzinfo is not None else other.replace(tzinfo=timezone.utc)


def _iso_time(value: str) -> datetime:
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def _without_own_checksums(config_class: Any) -> dict[str, str]:
    """What keeps the client library from adding and checking checksums by itself; older ones never did.

    We compute those of parts ourselves, so that they travel in plain headers, which more stores know than trailers.
    What is read is proven by the manifest; and a store that repeats the whole object's checksum beside a range
    would make every ranged read fail.
    """
    wanted = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return {name: value for name, value in wanted.items() if name in config_class.OPTION_DEFAULTS}


def is_private_line(endpoint_url: str | None) -> bool:
    """Whether nobody can change what is sent to the endpoint: TLS, or a server on this very host.

    Then the signature need not cover the payload, which saves its SHA-256: the payload has a checksum anyway. On
    any other line the signature covers it, as the client library would have it.
    """
    if endpoint_url is None:
        return True
    parts = urlsplit(endpoint_url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _default_region(session: Any, settings: S3Settings) -> str | None:
    configured = session.get_config_variable("region")
    # Other stores than AWS seldom have regions, but a signature needs the name of one.
    return configured or ("us-east-1" if settings.endpoint_url else None)
