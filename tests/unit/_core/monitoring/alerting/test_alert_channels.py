"""Channels as an inventory declares them, and the mistakes in it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.channels import parse_channel
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.redaction import HIDDEN, Redaction

EMAIL = {"type": "email", "host": "smtp.example.com", "from": "a@example.com", "to": ["b@example.com"]}
SLACK = {"type": "slack", "webhook_url": "https://hooks.slack.com/services/T012/B012/0123456789abcdefghijklmn"}
PAGERDUTY = {"type": "pagerduty", "routing_key": "0123456789abcdef0123456789abcdef"}
APPRISE = {"type": "apprise", "apprise_url": "tgram://123456789:abcdefg_hijklmnop/12315544/"}


@pytest.mark.parametrize("options", [EMAIL, SLACK, PAGERDUTY, APPRISE])
def test_the_least_that_a_channel_needs_is_enough_and_all_of_it_is_needed(options: dict[str, Any]) -> None:
    assert parse_channel(options).name == options["type"]
    assert parse_channel({**options, "name": "ops"}).name == "ops"
    for name in set(options) - {"type"}:
        for empty in (None, "", []):
            with pytest.raises(ConfigError, match=rf"{name} is (missing|empty)"):
                parse_channel({**options, name: empty})


@pytest.mark.parametrize(("tls", "port"), [(None, 587), ("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_of_a_mail_server_follows_its_tls(tls: str | None, port: int) -> None:
    assert parse_channel({**EMAIL, "tls": tls}).port == port  # type: ignore[attr-defined]
    assert parse_channel({**EMAIL, "tls": tls, "port": 2525}).port == 2525  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({**EMAIL, "tls": "none", "username": "u", "password": "canary"}, "without encryption is refused"),
        ({**EMAIL, "username": "u"}, "a username alone"),
        ({**EMAIL, "password": "canary"}, "a password alone"),
        ({**EMAIL, "from": "a@example.com\nBcc: x@example.com"}, "no mail address"),
        ({**EMAIL, "to": ["b@example.com", "ops"]}, "'ops' is no mail address"),
        ({**EMAIL, "to": ["two words"]}, "no mail address"),
        ({**EMAIL, "to": ["b@example.com, c@example.com"]}, "no mail address"),
        ({**EMAIL, "webhook_url": "https://canary.example.com"}, "a channel of type email does not take webhook_url"),
        ({**SLACK, "webhook_url": "http://hooks.slack.com/canary"}, "webhook_url is not https"),
        ({**SLACK, "webhook_url": "hooks.slack.com/canary"}, "webhook_url is no address"),
        ({**SLACK, "webhook_url": "https://hooks.slack.com/canary\nx"}, "webhook_url is no address"),
        ({**SLACK, "webhook_url": "https://hooks.slack.com:canary/"}, "webhook_url is no address"),
        ({**PAGERDUTY, "events_url": "ftp://events.pagerduty.com/"}, "events_url is not https"),
    ],
)
def test_a_mistake_is_named_and_no_secret_is(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_channel(options)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        (SLACK, "404 for /services/T012/B012/0123456789abcdefghijklmn", f"404 for {HIDDEN}"),
        (SLACK, "hooks.slack.com answered 404: no token 0123456789abcdefghijklmn", None),
        (APPRISE, "cannot reach bot 123456789 with abcdefg_hijklmnop", f"cannot reach bot {HIDDEN} with {HIDDEN}"),
        ({**EMAIL, "username": "u", "password": "pa ss&w"}, "500 unknown: AUTH PLAIN AHUAcGEgc3Mmdw==", None),
        (PAGERDUTY, "no key 0123456789abcdef0123456789abcdef", f"no key {HIDDEN}"),
    ],
)
def test_an_answer_that_quotes_a_secret_is_told_without_it(
    options: dict[str, Any], text: str, expected: str | None
) -> None:
    told = Redaction([options], close=True).hide(text)
    assert HIDDEN in told
    if expected is not None:
        assert told == expected
    if options is SLACK:
        assert told.startswith(("404", "hooks.slack.com answered"))


def test_a_message_is_told_without_secrets_and_keeps_its_words() -> None:
    channels = [{"type": "apprise", "apprise_url": "slack://tokenA/tokenB/#backups"}, SLACK, PAGERDUTY]
    redaction = Redaction(channels, close=False)
    for secret in (
        SLACK["webhook_url"],
        PAGERDUTY["routing_key"],
        "slack://tokenA/tokenB/#backups",
        "AGE-SECRET-KEY-1QQQQ",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----",
    ):
        assert redaction.hide(f"it is {secret}, really") == f"it is {HIDDEN}, really"
    assert redaction.hide("postgresql://u:secret@db/x") == f"postgresql://u:{HIDDEN}@db/x"
    assert redaction.hide("no backups in services of T012") == "no backups in services of T012"
