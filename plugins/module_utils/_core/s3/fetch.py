"""Many small objects, one short request each.

A request through the client library takes a millisecond and a half of CPU, which is most of what a large catalogue
takes. This asks by a presigned URL, which the library makes, over connections of its own; whatever does not go well at
the first try is left to the client, which knows how to try again and what to tell.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .client import CONNECT_SECONDS, READ_SECONDS
from .settings import S3Settings

_OK = 200
_VALID_SECONDS = 300


class Fetcher:
    """Reads small objects of one bucket as a whole; safe for threads.

    :param client: botocore's, which signs.
    """

    def __init__(self, client: Any, settings: S3Settings, connections: int) -> None:
        self._client = client
        self._settings = settings
        self._pool = _open_pool(client.meta.endpoint_url, settings.ca_bundle, connections)

    def fetch(self, key: str) -> bytes | None:
        """The object's bytes; None where the client should be asked instead.

        :param key: below the settings' prefix.
        """
        if self._pool is None:
            return None
        where = {"Bucket": self._settings.bucket, "Key": self._settings.object_key(key)}
        try:
            url = self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=_VALID_SECONDS)
            # A redirect leads to a host for which the signature does not hold.
            reply = self._pool.request("GET", url, redirect=False, retries=False)
        except Exception:
            return None
        data: bytes = reply.data
        return data if reply.status == _OK else None

    def close(self) -> None:
        """Release the connections; safe to call twice."""
        if self._pool is not None:
            self._pool.clear()


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
