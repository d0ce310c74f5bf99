"""Passwords as PostgreSQL stores them, made so that a login costs next to nothing.

A server and its client each hash a password 4,096 times for every connection, of which a run of all tests makes
tens of thousands. The number is part of what is stored (RFC 5802, src/backend/libpq/auth-scram.c). PostgreSQL 16 and
newer have the setting ``scram_iterations`` for what they store from then on; initdb's password needs this in any case.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets


def verifier(password: str) -> str:
    """What may be given to ``PASSWORD`` instead of *password* (ASCII), which then logs in: SCRAM with one iteration."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    stored = hashlib.sha256(client).digest()
    return f"SCRAM-SHA-256$1:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
