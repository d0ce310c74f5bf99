"""Many small objects and long listings, with requests that cost little.

A request through the client library takes a millisecond and a half of CPU, and a page of a listing 25, which is most
of what a large catalogue takes. This asks with the library's signatures over connections of its own, and reads of an
answer no more than is wanted. Whatever does not go well at the first try is left to the client, which knows
how to try again and what to tell.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit
from urllib.request import getproxies, proxy_bypass
from xml.etree import ElementTree

from ..stall_limit import StallLimit, watched
from .client import CONNECT_SECONDS, Signer, parse_time
from .settings import S3Settings

_OK = 200
_MAX_PAGE_BYTES = 16 * 1024 * 1024
"""A page has a thousand keys of a thousand bytes at most."""


def _unlucky() -> tuple[type[Exception], ...]:
    """What goes wrong with a store, an answer or credentials; anything else is a mistake of this file and is raised."""
    from botocore.exceptions import BotoCoreError

    return (OSError, http.client.HTTPException, ValueError, ElementTree.ParseError, BotoCoreError)


class Fetcher:
    """Reads objects of one bucket over connections of its own; safe for threads.

    :param client: botocore's, which signs.
    :param stall_limit: by which the store is given up, which raises :class:`Stalled`.
    """

    def __init__(self, client: Any, settings: S3Settings, stall_limit: StallLimit) -> None:
        self._client = client
        self._settings = settings
        self._signer = Signer(client, settings)
        self._connections = _connect(client.meta.endpoint_url, settings.ca_bundle, stall_limit)

    def fetch(self, key: str, limit: int) -> bytes | None:
        """The bytes of a small object; None where the client should be asked instead.

        :param key: below the settings' prefix.
        :param limit: bytes that it may have.
        """
        if self._connections is None:
            return None
        try:
            return _get(self._connections, *self._signer.sign(self._settings.object_key(key)), limit=limit)
        except _unlucky():
            return None

    def listing(self, **parameters: str) -> dict[str, Any] | None:
        """One page of ListObjectsV2 as the client would give it; None where the client should be asked instead."""
        if self._connections is None:
            return None
        given = {"Bucket": self._settings.bucket, **parameters}
        try:
            url = self._client.generate_presigned_url("list_objects_v2", Params=given)
            data = _get(self._connections, url, {}, limit=_MAX_PAGE_BYTES)
            if data is None:
                return None
            page = read_listing(data)
            return page if is_listing(page, self._settings.bucket, parameters.get("Prefix", "")) else None
        except _unlucky():
            return None

    def close(self) -> None:
        """Release the connections; safe to call twice."""
        if self._connections is not None:
            self._connections.close()


class _Connections:
    """One connection for each thread and host, kept from request to request.

    The library's own pool takes as long again for each request as the request itself.
    """

    def __init__(self, ca_bundle: str | None, stall_limit: StallLimit) -> None:
        self._ca_bundle = ca_bundle
        self._plain = watched(http.client.HTTPConnection, stall_limit)
        self._secure = watched(http.client.HTTPSConnection, stall_limit)
        self._context: ssl.SSLContext | None = None
        self._open: dict[tuple[int, str], http.client.HTTPConnection] = {}
        self._lock = threading.Lock()

    def of_this_thread(self, scheme: str, host: str) -> http.client.HTTPConnection:
        """A connection that nobody else uses; it is opened by its first request."""
        place = (threading.get_ident(), f"{scheme}://{host}")
        with self._lock:
            if place not in self._open:
                self._open[place] = self._make(scheme, host)
            return self._open[place]

    def _make(self, scheme: str, host: str) -> http.client.HTTPConnection:
        made: http.client.HTTPConnection
        if scheme != "https":
            made = self._plain(host, timeout=CONNECT_SECONDS)
            return made
        if self._context is None:
            from botocore.httpsession import get_cert_path

            self._context = ssl.create_default_context(cafile=self._ca_bundle or get_cert_path(True))
        made = self._secure(host, timeout=CONNECT_SECONDS, context=self._context)
        return made

    def close(self) -> None:
        with self._lock:
            for connection in self._open.values():
                connection.close()
            self._open.clear()


def _get(connections: _Connections, url: str, headers: Mapping[str, str], *, limit: int) -> bytes | None:
    parts = urlsplit(url)
    connection = connections.of_this_thread(parts.scheme, parts.netloc)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers)
        reply = connection.getresponse()
        data = reply.read(limit + 1)
        if len(data) > limit:
            raise ValueError(f"the answer is larger than {limit} bytes")
        if reply.length:
            # With a number of bytes asked for, an answer that is cut off ends without an error.
            raise http.client.IncompleteRead(data, reply.length)
    except BaseException:
        # What is left of the answer must not be taken for that to the next request.
        connection.close()
        raise
    return data if reply.status == _OK else None


def _connect(endpoint: str, ca_bundle: str | None, stall_limit: StallLimit) -> _Connections | None:
    """Connections; None where they would need a proxy, whose many settings only the client knows."""
    parts = urlsplit(endpoint)
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname or ""):
        return None
    return _Connections(ca_bundle, stall_limit)


def read_listing(data: bytes) -> dict[str, Any]:
    """The body of an answer to ListObjectsV2 as botocore would give it, as far as a listing needs it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html

    :raises ElementTree.ParseError: it is no XML.
    :raises ValueError: it is no such answer.
    """
    # The client library reads the same answer by the same parser.
    root = ElementTree.fromstring(data)  # noqa: S314
    space, _brace, name = root.tag.rpartition("}")
    if name != "ListBucketResult":
        raise ValueError(f"the answer is a {name}")
    tag = f"{space}}}" if space else ""
    decode = unquote_plus if root.findtext(f"{tag}EncodingType") == "url" else str
    key, size, modified, etag = (f"{tag}{one}" for one in ("Key", "Size", "LastModified", "ETag"))
    contents = [
        {
            "Key": decode(_text(entry, key)),
            "Size": int(_text(entry, size)),
            "LastModified": parse_time(_text(entry, modified)),
            "ETag": entry.findtext(etag) or "",
        }
        for entry in root.iter(f"{tag}Contents")
    ]
    prefix = f"{tag}Prefix"
    return {
        "Name": root.findtext(f"{tag}Name"),
        "Prefix": decode(root.findtext(prefix) or ""),
        "Contents": contents,
        "CommonPrefixes": [{"Prefix": decode(_text(one, prefix))} for one in root.iter(f"{tag}CommonPrefixes")],
        "IsTruncated": _text(root, f"{tag}IsTruncated") == "true",
        "NextContinuationToken": root.findtext(f"{tag}NextContinuationToken"),
    }


def is_listing(page: Mapping[str, Any], bucket: str, prefix: str) -> bool:
    """Whether an answer, as botocore gives it, is a listing of that bucket and prefix.

    To botocore whatever answers with 200 is one: an empty body, or a login page that happens to be XML, lists nothing.
    """
    name = page.get("Name") or ""
    # An access point answers by the bucket's name or its own; a tenant stands before the name in requests only.
    any_name = bucket.startswith("arn:") or bucket.endswith("-s3alias")
    same_bucket = bool(name) and (any_name or name in (bucket, bucket.rpartition(":")[2]))
    answered_prefix = page.get("Prefix") or ""
    same_prefix = answered_prefix == prefix or unquote_plus(answered_prefix) == unquote_plus(prefix)
    return same_bucket and same_prefix and "IsTruncated" in page


def _text(element: ElementTree.Element, tag: str) -> str:
    found = element.findtext(tag)
    if found is None:
        raise ValueError(f"the answer has no {tag}")
    return found
