"""What is a secret inside an option that as such is none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible.secrets import escaped, secrets


def remote(text: str) -> dict[str, Any]:
    return {"locations": [{"name": "cloud", "type": "rclone", "remote": text}]}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"connect_params": {"password": "s1", "sslpassword": "s2", "sslmode": "require"}}, {"s1", "s2"}),
        ({"connect_params": {"oauth_client_secret": "s1", "scram_client_key": "s2"}}, {"s1", "s2"}),
        ({"connect_params": {"passfile": "/a", "sslkey": "/b", "keepalives": 1, "options": "-c x=1"}}, set()),
        ({"connect_params": {"password": 4711}}, {"4711"}),
        ({"connect_params": {"password": None}}, set()),
        ({"connect_params": "password=s1,sslmode=require"}, {"s1"}),
        ({"connect_params": '{"password": "s1"}'}, {"s1"}),
        ({"connect_params": 17}, set()),
        (remote("gdrive:Backups"), set()),
        (remote("webdav,pass=s1:x"), {"s1"}),
        (remote("webdav,user=me,pass=s1,vendor=other:x"), {"s1"}),
        (remote(":s3,access_key_id=AKIA,secret_access_key=s1,env_auth=false:x"), {"s1"}),
        (remote("dav,bearer_token='s1,:\"''s2':x"), {"s1,:\"'s2", "s1,:\"''s2"}),
        (remote('crypt,password="s1:"",",password2=s2,remote=a:x'), {'s1:",', 's1:"",', "s2"}),
        (remote("b2,account=me,key=s1,hard_delete=true:x"), {"s1"}),
        (remote("sftp,key_file=/a,key_use_agent=true,key_pem=s1:x"), {"s1"}),
        (remote("azureblob,sas_url=s1:x"), {"s1"}),
        (remote("webdav,url='https://me:s%401@example.org':x"), {"s%401", "s@1"}),
        ({"endpoint_url": "https://me:s1@s3.example.org:9000"}, {"s1"}),
        ({"endpoint_url": "https://s3.example.org:9000/a@b"}, set()),
        ({"recipients": ["age1abc", "AGE-SECRET-KEY-1ABC"]}, {"AGE-SECRET-KEY-1ABC"}),
        ({"where": "reset_token = 5", "tags": {"key": "INC-1"}}, set()),
    ],
)
def test_every_secret_is_found_and_nothing_else(parameters: dict[str, Any], expected: set[str]) -> None:
    assert set(secrets(parameters)) == expected


@pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
def test_a_private_key_is_one_to_its_end(kind: str) -> None:
    key = f"-----BEGIN {kind}-----\nY2FuYXJ5\n-----END {kind}-----\n"
    assert set(secrets({"recipients": [f"see {key}"]})) == {key}


@pytest.mark.parametrize("secret", ["it's", 'say "x"', "both ' and \"", "back\\slash", "two\nlines", "tab\t'"])
def test_a_secret_is_known_inside_what_python_writes_of_a_list(secret: str) -> None:
    for around in ("", "'", '"', "'\""):
        shown = str([{"name": around + secret}])
        assert any(form in shown for form in escaped([secret]))
