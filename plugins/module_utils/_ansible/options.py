# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs that several modules share; each has a documentation fragment of the same name."""

from __future__ import annotations

from typing import Any

CONNECTION: dict[str, Any] = {
    "login_host": {"type": "str", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "login_db": {"type": "str", "required": True},
    "login_unix_socket": {"type": "str", "default": ""},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path", "no_log": False},
    "connect_params": {"type": "dict", "default": {}},
    "pg_bin_dir": {"type": "path"},
}

S3_CONNECTION: dict[str, Any] = {
    "endpoint_url": {"type": "str"},
    "region": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "ca_bundle": {"type": "path"},
    "addressing_style": {"type": "str", "choices": ["auto", "path", "virtual"]},
    "stall_timeout": {"type": "int"},
}

LOCATION: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": ["local", "s3", "rclone"]},
    "path": {"type": "path"},
    "bucket": {"type": "str"},
    "prefix": {"type": "str"},
    **S3_CONNECTION,
    "sse": {"type": "str", "choices": ["AES256", "aws:kms", "none"]},
    "sse_kms_key_id": {"type": "str"},
    "storage_class": {"type": "str"},
    "object_lock": {"type": "dict"},
    "checksums": {"type": "bool"},
    "remote": {"type": "str"},
    "config": {"type": "path"},
    "rclone_path": {"type": "path"},
}

LOCATIONS: dict[str, Any] = {
    "locations": {"type": "list", "elements": "dict", "required": True, "options": LOCATION},
}

CATALOGUE: dict[str, Any] = {
    **LOCATIONS,
    "label": {"type": "str", "required": True},
    "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "record_verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "cache_dir": {"type": "path"},
}

RECORD_SIGNING: dict[str, Any] = {
    "record_signing_key": {"type": "str", "no_log": True},
    "record_signing_key_passphrase": {"type": "str", "no_log": True},
}

ADOPT: dict[str, Any] = {"adopt": {"type": "str"}}

PROFILE: dict[str, Any] = {"profile": {"type": "str", "choices": ["supabase"]}}

POLICY: dict[str, Any] = {"policy": {"type": "dict"}}

DECRYPTION: dict[str, Any] = {
    "identities": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "passphrase": {"type": "str", "no_log": True},
    "gnupghome": {"type": "path"},
    "openssl_kdf": {"type": "str", "choices": ["legacy", "pbkdf2"]},
    "openssl_md": {"type": "str"},
    "openssl_iter": {"type": "int"},
    "max_expansion": {"type": "int", "default": 2000},
    "max_toc_size": {"type": "int", "default": 128},
}

SET_OR_FILE: dict[str, Any] = {
    "locations": {**LOCATIONS["locations"], "required": False},
    "label": {"type": "str"},
    "backup": {"type": "str", "default": "latest"},
    "before": {"type": "str"},
    "location": {"type": "str"},
    "src": {"type": "path"},
}

RESTORE: dict[str, Any] = {
    **SET_OR_FILE,
    "state": {"type": "str", "default": "restored", "choices": ["restored", "finalized", "reverted"]},
    "expect_environment": {"type": "str"},
    "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "lock_timeout": {"type": "int", "default": 60},
}

SUPABASE: dict[str, Any] = {
    "project_ref": {"type": "str", "required": True},
    "access_token": {"type": "str", "no_log": True},
    "access_token_file": {"type": "path", "no_log": False},
    "api_url": {"type": "str"},
    "ca_cert": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
}

PROCEDURE_RECORD: dict[str, Any] = {
    "state": {"type": "str", "required": True, "choices": ["asked", "sealed", "begun", "recorded", "finished"]},
    "procedure": {
        "type": "str",
        "choices": [
            *("pre_deploy", "pre_migration", "post_incident", "restore", "restore_table"),
            *("backup", "export", "hold", "info", "maintenance", "rekey", "supabase_restore", "verify"),
        ],
    },
    "host": {"type": "str", "default": ""},
    "hosts": {"type": "int", "default": 1},
    "label": {"type": "str", "default": ""},
    "environment": {"type": "str", "default": ""},
    "told": {"type": "bool", "default": False},
    "must_tell": {"type": "bool", "default": False},
    "left_out": {"type": "dict", "default": {}},
    "record": {"type": "dict"},
    "step": {"type": "str"},
    "result": {"type": "dict"},
    "reused": {"type": "bool", "default": False},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "gnupghome": {"type": "path"},
    "document_key": {"type": "str", "no_log": True},
    "document_key_passphrase": {"type": "str", "no_log": True},
}

RUN_SUMMARY: dict[str, Any] = {
    "state": {"type": "str", "default": "host", "choices": ["host", "noted", "run"]},
    "lines": {"type": "list", "elements": "str", "default": []},
    "failure": {"type": "str", "default": ""},
    "registered": {"type": "list", "elements": "str", "default": []},
    "title": {"type": "str", "default": "run"},
    "noted": {"type": "str", "default": "run__noted"},
}

RUN_CHECK: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "default": []},
    "own": {"type": "list", "elements": "str", "default": []},
    "that": {"type": "bool", "default": True},
    "fail_msg": {"type": "str", "default": ""},
}
