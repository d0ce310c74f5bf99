"""What a store or the client library says, as an error that tells a person what to do next.

The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and their kin on other
stores. A reply to a HEAD request has no body, so there the status takes the code's place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ...errors import LocationError
from .settings import S3Settings

_MAX_MESSAGE = 300

_PERMISSIONS = (
    "the credentials need s3:PutObject, s3:GetObject, s3:DeleteObject, s3:ListBucket, s3:AbortMultipartUpload and "
    "s3:ListBucketMultipartUploads there"
)
DENIED_CODES = ("AccessDenied", "AllAccessDisabled", "403")
DAMAGED_CODES = ("BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch")
_BUSY = ("the store is overloaded or out of order, also after several tries", "try again later")
_MEANINGS: dict[tuple[str, ...], tuple[str, str, bool]] = {
    ("NoSuchBucket",): ("the bucket does not exist", "create it, or correct bucket, endpoint_url or region", False),
    ("InvalidBucketName",): ("this is no name of a bucket", "correct bucket", False),
    ("NoSuchUpload",): ("the upload is gone", "somebody aborted it, or a lifecycle rule with too short an age", False),
    (*DENIED_CODES, "401"): ("access is denied", _PERMISSIONS, False),
    ("InvalidAccessKeyId",): ("the access key is not known", "correct access_key, or the profile it comes from", False),
    ("SignatureDoesNotMatch",): ("the secret key does not belong to the access key", "correct secret_key", False),
    ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"): (
        "the session token has expired or is not valid",
        "get new temporary credentials",
        False,
    ),
    ("InvalidStorageClass",): ("the storage class is not known", "correct storage_class or leave it out", False),
    ("InvalidEncryptionAlgorithmError",): ("the kind of encryption is not known", "sse: none leaves it out", False),
    ("InvalidObjectState",): ("the object is archived", "backup_thaw asks for a copy that can be read", False),
    ("EntityTooLarge",): ("the object is larger than the store takes", "choose another location for it", False),
    (*DAMAGED_CODES, "InvalidDigest"): (
        "the bytes arrived damaged",
        "try again; if it stays so, look for a faulty proxy or network",
        True,
    ),
    ("QuotaExceeded", "XMinioStorageFull", "507"): (
        "there is no room left",
        "raise the quota, or remove something",
        False,
    ),
}
"""Codes -> what they mean, what to do, and whether the same request may succeed later."""
_CODES = {code: meaning for codes, meaning in _MEANINGS.items() for code in codes}
_UNKNOWN = "the store does not know something that was asked for"
_TRANSIENT_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
}
_BROKEN = ("HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseStreamingError")
_REDIRECTS = {"301", "307", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}


_HTTP_NOT_IMPLEMENTED = 501
_OPTIONS: tuple[tuple[str, Callable[[S3Settings], object]], ...] = (
    ("object_lock", lambda settings: settings.object_lock),
    ("sse", lambda settings: settings.sse),
    ("storage_class", lambda settings: settings.storage_class),
    ("checksums", lambda settings: settings.checksums),
)
"""What a location may ask of a store that not every store knows."""
_WORDS = {
    "object_lock": ("object lock", "objectlock", "object-lock", "retention", "worm"),
    "sse": ("encrypt", "sse", "kms"),
    "storage_class": ("storage class", "storageclass", "storage-class"),
    "checksums": ("checksum", "crc32"),
}
_REMEDIES = {
    "object_lock": "enable Object Lock on the bucket, or leave object_lock out",
    "sse": "sse: none leaves encryption to the bucket",
    "storage_class": "correct storage_class or leave it out",
    "checksums": "checksums: false sends no additional checksums",
}


class S3Error(LocationError):
    """A :class:`LocationError` with the error code of the store.

    :param code: the store's code, "" when no answer came.
    :param status: the answer's HTTP status, 0 when no answer came.
    """

    def __init__(
        self,
        settings: S3Settings,
        step: str,
        message: str,
        *,
        hint: str | None = None,
        transient: bool = False,
        code: str = "",
        status: int = 0,
    ) -> None:
        place = f"bucket '{settings.bucket}' at {settings.endpoint}"
        super().__init__(settings.name, step, f"{place}: {message}", hint=hint, transient=transient)
        if not settings.name:
            self.message = f"{place}: {message}"
        self.code = code
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether the error says that the object (not the bucket) does not exist."""
        return self.code in ("NoSuchKey", "404")

    def advise(self, hint: str) -> None:
        """Say what to do next, where that is known better than from the store's answer."""
        self.hint = hint
        self.args = (self.step, self.message, hint)


def explain(error: Exception, settings: S3Settings, step: str, key: str | None = None) -> LocationError:
    """Give *error*, raised by a call of the client library, the product's form.

    :param key: the object that the call was about.
    """
    if isinstance(error, LocationError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and "ResponseMetadata" in response:
        return _answered(response, settings, step, key)
    return _unanswered(error, settings, step)


def _answered(response: Mapping[str, Any], settings: S3Settings, step: str, key: str | None) -> S3Error:
    said = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    code, status = str(said.get("Code", "")), int(metadata.get("HTTPStatusCode", 0))
    text = _one_line(str(said.get("Message") or ""), settings)
    hint: str | None
    if code in ("NoSuchKey", "404"):
        message, hint, transient = f"there is no object {key!r}", None, False
        if key is None:
            message, hint = "there is no such place", "correct bucket and endpoint_url, which has no bucket in it"
    elif code in _SKEWED:
        message, hint, transient = _skew(headers), "synchronise this host's clock (NTP)", False
    elif code in _REDIRECTS:
        region = headers.get("x-amz-bucket-region") or said.get("Region")
        where = f"the bucket is in region {region}" if region else "the bucket is in another region"
        hint = f"set region: {region}" if region else f"set its region{_redirected(headers)}"
        message, transient = where, False
    elif code.upper().startswith("KMS"):
        message = f"the store cannot use the KMS key: {text or code}"
        hint, transient = "allow kms:GenerateDataKey and kms:Decrypt, or correct sse_kms_key_id", False
    elif code in _CODES:
        message, hint, transient = _CODES[code]
        message = _with_code(message, code, text)
    elif code in ("NotImplemented", "501") or status == _HTTP_NOT_IMPLEMENTED:
        message, hint, transient = _with_code(_UNKNOWN, code, text), _options_to_blame(text, settings), False
    else:
        # With status 200 the store failed after it had begun to answer.
        transient = code in _TRANSIENT_CODES or status in (200, 429) or status >= 500
        message = _with_code(_BUSY[0], code, text) if transient else f"{text or 'refused'} ({code or status})"
        hint = _BUSY[1] if transient else _options_to_blame(text, settings)
    return S3Error(settings, step, message, hint=hint, transient=transient, code=code, status=status)


def _unanswered(error: Exception, settings: S3Settings, step: str) -> S3Error:
    text = _one_line(str(error), settings)
    kind = type(error).__name__
    message, hint, transient = f"{kind}: {text}", None, False
    if isinstance(error, ImportError):
        message, hint = "the Python library boto3 is missing", "pip install boto3 on the host that runs the module"
    elif "maximum recursion depth" in text:
        # So the client library ends when it asks for the region, and is sent elsewhere with that question, too; in its
        # own words or in those of the layer that it had reached.
        message, hint = "the store redirects in a circle", "set region, or correct endpoint_url"
    elif kind == "SSLError":
        message = f"no trusted TLS connection: {text}"
        hint = "correct endpoint_url, or give the store's certificate authority as ca_bundle"
    elif kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"):
        message = f"there are no credentials: {text}"
        hint = "give access_key and secret_key, or the environment, profile or role of whom the module runs as"
    elif kind in ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"):
        message, hint, transient = f"not reachable: {text}", "check endpoint_url, the network and the store", True
    elif _is_library_error(
        error, "HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseStreamingError"
    ):
        message, hint, transient = f"the connection broke, also after several tries: {text}", _BUSY[1], True
    return S3Error(settings, step, message, hint=hint, transient=transient)


def _is_library_error(error: Exception, *names: str) -> bool:
    return any(base.__name__ in names and base.__module__.startswith("botocore") for base in type(error).__mro__)


def _skew(headers: Mapping[str, str]) -> str:
    message = "this host's clock differs too much from the store's"
    try:
        ahead = datetime.now(timezone.utc) - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return message
    amount = timedelta(seconds=round(abs(ahead.total_seconds())))
    return f"{message}: it is {amount} {'ahead' if ahead > timedelta(0) else 'behind'}"


def _redirected(headers: Mapping[str, str]) -> str:
    """Where the store sends us, as far as that may be shown."""
    parts = urlsplit(headers.get("location", ""))
    return f", or endpoint_url: it names {parts.scheme}://{parts.hostname}" if parts.hostname else ""


def _options_to_blame(text: str, settings: S3Settings) -> str:
    """The options to change where the store refuses what they ask for: those that *text* is about, else all that ask.

    Many stores say no more than that something was wrong.
    """
    lower = text.lower()
    asking = [option for option, asks in _OPTIONS if asks(settings)]
    named = [option for option, words in _WORDS.items() if any(word in lower for word in words)]
    blamed = named or asking
    if not blamed:
        return "the store does not say what is wrong: look into its log"
    remedies = "; ".join(_REMEDIES[option] for option in blamed)
    return remedies if named else f"if it is something that the store does not know: {remedies}"


def _with_code(message: str, code: str, text: str) -> str:
    return f"{message} ({code}{f': {text}' if text and text != code else ''})"


def _one_line(text: str, settings: S3Settings) -> str:
    """*text* as one short line without what must stay secret, whoever put it in."""
    for secret in (settings.secret_key, settings.session_token):
        if secret:
            text = text.replace(secret, "********")
    return " ".join(text.split())[:_MAX_MESSAGE]
