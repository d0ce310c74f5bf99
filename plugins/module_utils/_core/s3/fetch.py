"""Many small objects and long listings, with requests that cost little.

A request through the client library takes a millisecond and a half of CPU, and a page of a listing 25, which is most
of what a large catalogue takes. This asks with the library's signatures over connections of its own, and reads of an
answer no more than is wanted. Whatever does not go well at the first try is left to the client, which knows
how to try again and what to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit
from urllib.request import getproxies, proxy_bypass
from xml.etree import ElementTree

from .client import CONNECT_SECONDS, READ_SECONDS, Signer, parse_time
from .settings import S3Settings

_OK = 200


class Fetcher:
    """Reads from one bucket; safe for threads.

    :param client: botocore's, which signs.
    """

    def __init__(self, client: Any, settings: S3Settings, connections: int) -> None:
        self._client = client
        self._settings = settings
        self._signer = Signer(client, settings)
        self._pool = _open_pool(client.meta.endpoint_url, settings.ca_bundle, connections)

    def fetch(self, key: str) -> bytes | None:
        """The bytes of a small object; None where the client should be asked instead.

        :param key: below the settings' prefix.
        """
        if self._pool is None:
            return None
        try:
            url, headers = self._signer.sign(self._settings.object_key(key))
            return self._get(url, headers)
        except Exception:
            return None

    def listing(self, **parameters: str) -> dict[str, Any] | None:
        """One page of ListObjectsV2 as the client would give it; None where the client should be asked instead."""
        if self._pool is None:
            return None
        given = {"Bucket": self._settings.bucket, **parameters}
        try:
            data = self._get(self._client.generate_presigned_url("list_objects_v2", Params=given), {})
            return None if data is None else read_listing(data)
        except Exception:
            return None

    def _get(self, url: str, headers: Mapping[str, str]) -> bytes | None:
        # A redirect leads to a host for which the signature does not hold.
        reply = self._pool.request("GET", url, headers=headers, redirect=False, retries=False)
        data: bytes = reply.data
        return data if reply.status == _OK else None

    def close(self) -> None:
        """Release the connections; safe to call twice."""
        if self._pool is not None:
            self._pool.clear()


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
        "Contents": contents,
        "CommonPrefixes": [{"Prefix": decode(_text(one, prefix))} for one in root.iter(f"{tag}CommonPrefixes")],
        "IsTruncated": _text(root, f"{tag}IsTruncated") == "true",
        "NextContinuationToken": root.findtext(f"{tag}NextContinuationToken"),
    }


def _text(element: ElementTree.Element, tag: str) -> str:
    found = element.findtext(tag)
    if found is None:
        raise ValueError(f"the answer has no {tag}")
    return found


def _open_pool(endpoint: str, ca_bundle: str | None, connections: int) -> Any:
    """Connections to the endpoint; None where they would need a proxy, whose many settings only the client knows."""
    import urllib3
    from botocore.httpsession import get_cert_path

    parts = urlsplit(endpoint)
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname or ""):
        return None
    return urllib3.PoolManager(
        maxsize=connections,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca_bundle or get_cert_path(True),
    )
