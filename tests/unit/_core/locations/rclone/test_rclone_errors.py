"""What rclone and the stores say is told shortly, with what to do, and without secrets."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.rclone.errors import explain
from hypothesis import given
from hypothesis import strategies as st

SECRET = "S3cr3t-canary+/=value0"


@pytest.mark.parametrize(
    ("message", "told", "transient"),
    [
        (
            'couldn\'t fetch token: invalid_grant: maybe token expired? - try "rclone config reconnect"',
            "no longer accepts rclone's token",
            False,
        ),
        (
            "googleapi: Error 403: The storage quota has been exceeded., storageQuotaExceeded",
            "full",
            False,
        ),
        ("googleapi: Error 403: User Rate Limit Exceeded., userRateLimitExceeded", "overloaded", True),
        ("Update ... failed: 503 Service Unavailable", "overloaded", True),
        ("InternalError: internal server error status code: 500", "overloaded", True),
        ("write /mnt/x: no space left on device", "full", False),
        ("Insufficient Storage: 507 Insufficient Storage", "full", False),
        ("read metadata failed: 401 Unauthorized", "denies access", False),
        (
            "operation error S3: ListObjectsV2, response error StatusCode: 403, AccessDenied",
            "denies access",
            False,
        ),
        ('Propfind "http://127.0.0.1:9/x": dial tcp 127.0.0.1:9: connect: connection refused', "does not answer", True),
        ('Get "https://host/": dial tcp: lookup host: no such host', "does not answer", True),
        ("net/http: timeout awaiting response headers", "does not answer", True),
        ("no progress for 300 s", "does not answer", True),
        ("rclone broke the connection off: BrokenPipeError", "does not answer", True),
        ("error in ListJSON: directory not found", "folder or bucket does not exist", False),
        ("something never seen before", "something never seen before", False),
    ],
)
def test_a_message_is_explained(message: str, told: str, transient: bool) -> None:
    meaning = explain(message)
    assert told in meaning.message
    assert meaning.transient is transient


@pytest.mark.parametrize(
    "message",
    [
        f'Get "https://user:{SECRET}@host/path": no such host',
        f'Get "https://host/path?X-Amz-Signature={SECRET}&x=1": EOF',
        f"bad response: Authorization: Bearer {SECRET}",
        f"Authorization: Basic {SECRET}",
        f'{{"access_token":"{SECRET}","token_type":"Bearer"}}',
        f'"refresh_token": "{SECRET}"',
        f"pass={SECRET}: cannot decode",
        f"secret_access_key = {SECRET}",
        f"client_secret={SECRET}, client_id=5",
        f"sftp: password: {SECRET}",
        f"sent bearer {SECRET} twice",
    ],
)
def test_a_secret_in_a_message_is_not_shown(message: str) -> None:
    assert SECRET not in explain(message).message


def test_what_is_confidential_is_not_shown() -> None:
    parameters = ",user=me,pass=open sesame"
    meaning = explain(f"cannot open gdrive{parameters}:path", confidential=parameters)
    assert "sesame" not in meaning.message
    assert "gdrive" in meaning.message


@given(st.text(max_size=2000))
def test_a_message_stays_short_and_on_one_line(message: str) -> None:
    told = explain(message).message
    assert len(told) <= 330
    assert "\n" not in told
