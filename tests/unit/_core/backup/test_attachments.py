"""An attachment is taken only as it may lie in the set: encrypted as the set is, under a plain name."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.attachments import Attachment, seal
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import Decryptor, X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.details import sealed_details

FIRST, SECOND = X25519Identity.generate(), X25519Identity.generate()
ENCRYPTION = parse_encryption([str(FIRST.recipient), str(SECOND.recipient)])


def option(data: bytes, name: str = "incident.txt") -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(data).decode()}


def test_what_is_sealed_is_taken_and_opens_with_each_key() -> None:
    sealed = seal(b"what happened", ENCRYPTION)
    attachment = Attachment.parse(option(sealed), ())
    attachment.check(ENCRYPTION)
    for identity in (FIRST, SECOND):
        decryptor = Decryptor([identity])
        assert decryptor.update(attachment.data) + decryptor.finalize() == b"what happened"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "incident", "content": "eA=="}, "the name cannot be used"),
        ({"name": "../x.txt", "content": "eA=="}, "the name cannot be used"),
        ({"name": "backup.txt", "content": "eA=="}, "the name cannot be used"),
        ({"name": "incident.txt", "content": "???"}, "content is not base64"),
        ({"name": "incident.txt", "content": ""}, "has 0 bytes"),
    ],
)
def test_what_cannot_be_an_attachment_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Attachment.parse(given, ("backup",))


@pytest.mark.parametrize(
    "data", [b"in the open", seal(b"x", parse_encryption([str(FIRST.recipient)]))], ids=["plain", "one recipient"]
)
def test_what_is_not_encrypted_as_the_set_is_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="is not encrypted as the set is"):
        Attachment.parse(option(data), ()).check(ENCRYPTION)


def test_details_are_never_written_in_the_open() -> None:
    with pytest.raises(ConfigError, match="never written in the open"):
        sealed_details({"incident_details": "x"}, [], None)
    with pytest.raises(ConfigError, match="the set is not encrypted"):
        Attachment.parse(option(seal(b"x", ENCRYPTION)), ()).check(parse_encryption([]))
    assert sealed_details({"incident_details": ""}, [], None) == []
