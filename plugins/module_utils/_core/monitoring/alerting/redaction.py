"""Secrets of the channels, and of others where their form tells them, that must not stand in what is sent or told."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SECRET_OPTIONS = ("password", "webhook_url", "routing_key", "apprise_url")
HIDDEN = "********"

_SHORTEST = 4
"""Characters of a secret's part that is looked for in an answer about that secret."""

_SHORTEST_ANYWHERE = 16
"""The same in texts about other things, in which a short part of an address is most likely a word."""

_PRIVATE = re.compile(
    r"AGE-SECRET-KEY-1\w*|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*-----|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")


class Redaction:
    """Hides the secrets of some channels, given as their options.

    :param close: whether the texts are about these channels themselves, such as a server's answer, which may quote even
        a small part of an address.
    """

    def __init__(self, channels: Iterable[Mapping[str, Any]], *, close: bool) -> None:
        shortest = _SHORTEST if close else _SHORTEST_ANYWHERE
        found = {one for options in channels for one in _secrets(options, shortest)}
        # Longer ones first: one may be part of another.
        words = sorted(found, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words))) if words else None

    def hide(self, text: str) -> str:
        """*text* with every known secret replaced."""
        if self._words is not None:
            text = self._words.sub(HIDDEN, text)
        return _URL_PASSWORD.sub(rf"\g<1>{HIDDEN}", _PRIVATE.sub(HIDDEN, text))


def _secrets(options: Mapping[str, Any], shortest: int) -> Iterator[str]:
    for name in SECRET_OPTIONS:
        value = options.get(name)
        if not value:
            continue
        secret = str(value)
        yield secret
        if "://" in secret:
            yield from _parts(secret, shortest)
    password = str(options.get("password") or "")
    if password:
        # A mail server may quote the command that it does not like.
        user = str(options.get("username") or "")
        for form in (password, f"\0{user}\0{password}"):
            yield base64.b64encode(form.encode("utf-8", "replace")).decode()


def _parts(url: str, shortest: int) -> Iterator[str]:
    """The path of an address as a whole, and what stands between its punctuation: tokens and passwords."""
    scheme, _between, rest = url.partition("://")
    host, slash, below = rest.partition("/")
    path = slash + below
    if scheme in ("http", "https"):
        # Who is asked is no secret, and needed to understand an error. Others have tokens in its place.
        rest = host.rpartition("@")[0] + path
    if len(path) > shortest:
        yield path
    for part in re.split(r"[/?&=@:#,]", rest):
        for form in (part, urllib.parse.unquote(part)):
            if len(form) >= shortest:
                yield form
