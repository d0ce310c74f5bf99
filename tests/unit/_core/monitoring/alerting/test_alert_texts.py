"""The words of alerts: what they say, how long they are, and that nothing from outside changes their form."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting import (
    pagerduty as pagerduty_module,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting import slack as slack_module
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.alert import (
    Alert,
    Announcement,
    merge,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.channels import parse_channel
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.slack import escape
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.text import clean, cut, page, title
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.alert_services import check_event, check_slack
from support.effort import examples

BAD = ("failed", "warning")
# Lone surrogates, too, which stand for bytes that no encoding knows.
anything = st.text(st.characters(), max_size=200)
findings = st.builds(
    Finding, check=anything, subject=anything, status=st.sampled_from(BAD), message=anything | st.just("<&>`" * 20_000)
)
alerts = st.builds(
    lambda label, environment, found: Alert(label, environment, "weekly", merge(found)),
    anything,
    anything,
    st.lists(findings, min_size=1, max_size=60),
)


def alert(*given: tuple[str, str, str, str], environment: str = "production") -> Alert:
    found = [
        Finding(check=check, subject=subject, status=status, message=text) for check, subject, status, text in given
    ]
    return Alert("shop", environment, "weekly", merge(found))


def test_a_page_names_the_database_the_conditions_and_what_was_found() -> None:
    one = alert(
        ("job", "weekly", "failed", "connect to the database: refused\n(check login_host)"),
        ("size", "", "warning", "40 % smaller"),
    )
    lines = page(one, one.bad(["critical", "warning"])).splitlines()
    assert lines[:8] == [
        "shop (production), weekly: 1 failed, 1 warning",
        "",
        "FAILED: job weekly",
        "  connect to the database: refused",
        "  (check login_host)",
        "",
        "WARNING: size",
        "  40 % smaller",
    ]


def test_a_title_says_what_is_wrong_if_it_is_one_thing() -> None:
    one = alert(("upload", "gdrive", "failed", "x"), environment="")
    assert title(one, one.findings) == "shop: upload gdrive: failed"


@given(anything, st.integers(0, 100))
def test_a_text_that_is_cut_has_its_length_and_says_so(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    if len(text) <= limit:
        assert short == text
    elif limit >= 40:
        assert short.endswith(f"[{len(text):,} characters, cut]")


@given(st.text(), st.integers(60, 200))
@example("&" * 100, 60)
def test_an_escaped_text_has_its_length_and_no_half_of_an_escape(text: str, limit: int) -> None:
    escaped = escape(text, limit)
    assert len(escaped) <= limit
    assert not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", escaped)


@given(anything)
def test_a_clean_text_can_be_sent_everywhere(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.encode("utf-8").decode() == cleaned
    assert not {one for one in cleaned if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}


class Now:
    """Tries once."""

    def attempt(self, send: Any) -> Any:
        return send(1.0)


SLACK = parse_channel({"type": "slack", "webhook_url": "https://hooks.example.com/services/T/B/secret"})
PAGERDUTY = parse_channel({"type": "pagerduty", "routing_key": "0" * 32, "severities": ["critical", "warning"]})
EMAIL = parse_channel({"type": "email", "host": "smtp.example.com", "from": "a@example.com", "to": ["b@example.com"]})


@settings(max_examples=examples(50))
@given(alerts)
@example(
    Alert("a" * 5000, "b" * 5000, "weekly", merge([Finding(check="c" * 5000, status="failed", message="\0" * 9000)]))
)
@example(Alert("", "", "", merge([Finding(check="x", status="failed", message="\U0001f600" * 40_000)])))
def test_whatever_is_told_slack_and_pagerduty_take_it(one: Alert) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = _recording(patch)
        for channel in (SLACK, PAGERDUTY):
            for message in channel.messages(one):
                message.send(Now())  # type: ignore[arg-type]
    for document in found:
        if "routing_key" in document:
            assert check_event(document, len(json.dumps(document).encode())) == []
        else:
            assert check_slack(document) is None
    assert len(found) == 1 + len(one.findings)


@settings(max_examples=examples(50))
@given(alerts)
@example(alert(("job", "a\r\nBcc: evil@example.com", "failed", "x\r\nBcc: evil@example.com\r\n.\r\n")))
def test_an_email_has_the_headers_that_it_is_given_and_no_other(one: Alert) -> None:
    message = EMAIL._message(title(one, one.findings), page(one, one.findings))  # type: ignore[attr-defined]
    wanted = ["subject", "from", "to", "date", "message-id", "auto-submitted", "mime-version"]
    sent = message.as_bytes()
    names = [
        line.partition(b":")[0].lower() for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] > b" "
    ]
    assert sorted({name.decode() for name in names} - {"content-type", "content-transfer-encoding"}) == sorted(wanted)


def test_severities_and_what_passed_find_their_way() -> None:
    one = alert(("a", "", "failed", "x"), ("b", "", "warning", "x"), ("c", "", "passed", "x"))

    def told(**options: Any) -> list[str]:
        base = {"slack": {"webhook_url": "https://example.com/a"}, "pagerduty": {"routing_key": "0" * 32}}
        return [message.title for message in parse_channel({**base[options["type"]], **options}).messages(one)]

    assert told(type="slack") == ["shop (production), weekly: 1 failed, 1 warning"]
    assert told(type="slack", severities=["critical"]) == ["shop (production): a: failed"]
    assert told(type="slack", severities=["warning"]) == ["shop (production): b: warning"]
    assert told(type="pagerduty") == ["trigger: shop (production): a: failed", "resolve: shop (production): c: passed"]
    assert len(told(type="pagerduty", severities=["critical", "warning"])) == 3


ANNOUNCED = st.builds(
    Announcement, st.sampled_from(["begun", "go", "no_go"]), st.text(), st.lists(st.text()).map(tuple), st.text()
)


@settings(max_examples=examples(30))
@given(alerts, ANNOUNCED)
@example(alert(), Announcement("go", "a", ("", " \n"), "t"))
@example(alert(), Announcement("go", "a\r\nBcc: evil@example.com", ("x\r\n<!channel> ```" * 3000,), "t\r\nBcc: x"))
def test_whatever_is_announced_slack_takes_it_and_an_email_is_one(one: Alert, announced: Announcement) -> None:
    one = replace(one, announcement=announced)
    with pytest.MonkeyPatch.context() as patch:
        found = _recording(patch)
        for message in SLACK.messages(one):
            message.send(Now())  # type: ignore[arg-type]
    assert [check_slack(document) for document in found] == [None]
    (told,) = EMAIL.messages(one)
    sent = EMAIL._message(told.title, told.text, announced).as_bytes()  # type: ignore[attr-defined]
    assert b"\nBcc:" not in sent.partition(b"\r\n\r\n")[0]


def test_an_announcement_is_a_thread_and_pages_nobody() -> None:
    begun, ended = (Announcement(state, "pre_deploy v1", ("a line",), "thread-1") for state in ("begun", "go"))
    first, second = (EMAIL._message("s", "t", one) for one in (begun, ended))  # type: ignore[attr-defined]
    assert second["References"] == second["In-Reply-To"] == first["Message-ID"] != second["Message-ID"]
    one = Alert("shop", "production", "pre_deploy", (), begun)
    assert [message.title for message in SLACK.messages(one)] == ["shop (production): pre_deploy v1: begins"]
    assert "thread-1" in SLACK.messages(one)[0].text
    assert PAGERDUTY.messages(one) == []
    critical = {"type": "slack", "webhook_url": "https://example.com/a", "severities": ["critical"]}
    assert parse_channel(critical).messages(one) == []
    with pytest.raises(ConfigError, match="nobody is paged"):
        parse_channel({"type": "pagerduty", "routing_key": "0" * 32, "severities": ["critical", "announcement"]})


def test_of_what_passed_nobody_is_told_by_mail_or_slack() -> None:
    good = alert(("job", "weekly", "passed", "x"))
    assert [list(channel.messages(good)) for channel in (EMAIL, SLACK)] == [[], []]


def test_a_message_to_slack_cannot_leave_its_block_of_code() -> None:
    one = alert(("job", "weekly", "failed", "```\n<!channel> *all* `x`"))
    with pytest.MonkeyPatch.context() as patch:
        found = _recording(patch)
        SLACK.messages(one)[0].send(Now())  # type: ignore[arg-type]
    text = found[0]["blocks"][1]["text"]["text"]
    assert text.count("```") == 2
    assert "&lt;!channel&gt;" in text


def _recording(patch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def post(_url: str, document: dict[str, Any], **_options: Any) -> tuple[int, str]:
        found.append(document)
        return (202, "") if "routing_key" in document else (200, "ok")

    patch.setattr(slack_module, "post_json", post)
    patch.setattr(pagerduty_module, "post_json", post)
    return found
