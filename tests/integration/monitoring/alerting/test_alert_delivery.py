"""Alerts that arrive, or do not: a real mail server, and services that refuse what Slack and PagerDuty refuse."""

from __future__ import annotations

import email.utils
import socket
import sys
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting import retry_budget, sending
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.run import run_backup_alert
from support.alert_services import PASSWORD, ROUTING_KEY, USER, WEBHOOK_PATH, AlertServices, Desk, MailServer, Reply
from support.alert_services import free_port as closed_port
from support.certificates import Certificates

CONDITIONS = [
    ("job", "weekly", "connect to the database: the server refused the password"),
    ("upload", "gdrive", "location 'gdrive': the quota is used up"),
    ("size", "weekly", "the dump is 40 % smaller than its history"),
    ("integrity", "s3", "the copy's checksum differs"),
    ("age", "weekly", "the newest good set is nine days old"),
    ("copies", "local", "the newest set is missing there"),
]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of patience instead of thirty."""
    monkeypatch.setattr(retry_budget, "_FIRST_PAUSE", 0.05)

    class Short(retry_budget.RetryBudget):
        def __init__(self, seconds: float = 1.0) -> None:
            super().__init__(min(seconds, 3.0))

    monkeypatch.setattr(sending, "RetryBudget", Short)


def finding(check: str, subject: str, message: str, status: str = "failed") -> dict[str, str]:
    return {"check": check, "subject": subject, "status": status, "message": message}


def alert(channels: list[dict[str, Any]], *findings: dict[str, str], check_mode: bool = False) -> dict[str, Any]:
    """Send an alert of *findings*, and return what the module returns."""
    params = {
        "label": "shop",
        "environment": "production",
        "source": "daily_check",
        "result": None,
        "findings": list(findings),
        "announcement": None,
        "channels": channels,
        "must_deliver": False,
    }
    return run_backup_alert(params, check_mode)


def text_of(message: EmailMessage) -> str:
    """The text of an email, whose lines end as SMTP has them."""
    return str(message.get_content()).replace("\r\n", "\n")


def failure(channel: dict[str, Any]) -> str:
    """Why an alert through *channel* did not arrive."""
    told = alert([channel], finding("job", "weekly", "it broke"))["channels"][0]
    assert told["status"] == "failed", told
    return str(told["error"])


def test_every_condition_reaches_every_channel(desk: Desk) -> None:
    told = alert(desk.channels, *(finding(*one) for one in CONDITIONS))
    assert [(one["status"], one["sent"]) for one in told["channels"]] == [("sent", 1), ("sent", 1), ("sent", 6)]
    assert told["changed"]

    (message,) = desk.mail.mailbox.messages
    (post,) = desk.services.posts
    page, blocks = text_of(message), [block["text"]["text"] for block in post["blocks"] if "text" in block]
    assert message["Subject"] == "shop (production), daily_check: 6 failed"
    assert post["text"] == "shop (production), daily_check: 6 failed"
    for number, (check, subject, reason) in enumerate(CONDITIONS):
        assert f"FAILED: {check} {subject}\n  {reason}\n" in page
        assert f"*{check} {subject}*" in blocks[number + 1]
        assert reason in blocks[number + 1]
    events = {event["dedup_key"]: event for event in desk.services.events}
    assert set(events) == {f"mobul.backup/shop/production/{check}/{subject}" for check, subject, _ in CONDITIONS}
    for check, subject, reason in CONDITIONS:
        event = events[f"mobul.backup/shop/production/{check}/{subject}"]
        assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "critical")
        assert event["payload"]["summary"] == f"shop (production): {check} {subject}: failed: {reason}"
        assert event["routing_key"] == ROUTING_KEY


def test_an_incident_ends_when_its_condition_is_good_and_nobody_else_is_told(desk: Desk) -> None:
    first, second = finding(*CONDITIONS[0]), finding(*CONDITIONS[1])
    alert(desk.channels, first, second)
    assert len(desk.services.incidents) == 2
    told = alert(desk.channels, {**first, "status": "passed"}, second)
    assert desk.services.incidents == {"mobul.backup/shop/production/upload/gdrive"}
    alert(desk.channels, {**first, "status": "passed"}, {**second, "status": "passed"})
    assert desk.services.incidents == set()
    assert (len(desk.mail.mailbox.messages), len(desk.services.posts)) == (2, 2)
    assert told["channels"][2]["messages"] == [
        "trigger: shop (production): upload gdrive: failed",
        "resolve: shop (production): job weekly: passed",
    ]


def test_an_email_is_a_whole_one(desk: Desk) -> None:
    channel = {**desk.mail.channel, "to": ["ops@example.com", "Jörg Müller <jm@example.com>"]}
    alert([channel], finding("job", "weekly", "größer als\r\n.\r\nBcc: x@example.com"))
    (message,), (envelope,) = desk.mail.mailbox.messages, desk.mail.mailbox.envelopes
    assert envelope.mail_from == "backups@example.com"
    assert envelope.rcpt_tos == ["ops@example.com", "jm@example.com"]
    assert message["From"] == "Backups <backups@example.com>"
    assert [one.addr_spec for one in message["To"].addresses] == envelope.rcpt_tos
    assert message["Message-ID"].endswith("@example.com>")
    assert abs(email.utils.parsedate_to_datetime(message["Date"]).timestamp() - time.time()) < 60
    assert message.get_content_type() == "text/plain"
    assert "  größer als\n  .\n  Bcc: x@example.com\n" in text_of(message)
    assert message["Bcc"] is None


@pytest.mark.parametrize("tls", ["tls", "none"])
def test_a_mail_server_may_have_tls_from_the_beginning_or_none(certificates: Certificates, tls: str) -> None:
    with MailServer(certificates, tls) as server:
        assert alert([server.channel], finding("job", "weekly", "it broke"))["channels"][0]["status"] == "sent"
        assert len(server.mailbox.messages) == 1


def test_no_password_leaves_for_a_server_that_does_not_prove_who_it_is(desk: Desk, certificates: Certificates) -> None:
    with MailServer(certificates, "none") as bare:
        told = failure({**desk.mail.channel, "port": bare.channel["port"]})
        assert "STARTTLS extension not supported" in told
    unknown = failure({**desk.mail.channel, "ca_cert": None})
    assert "does not prove who it is" in unknown
    assert "ca_cert names the file" in unknown
    assert "speaks no TLS that fits" in failure({**desk.mail.channel, "tls": "tls"})
    assert desk.mail.mailbox.messages == []


def test_what_a_mail_server_refuses_is_told_without_the_password(desk: Desk) -> None:
    channel = desk.mail.channel
    wrong = "canary-wrong-password"
    told = failure({**channel, "password": wrong})
    assert "535 5.7.8 not you: ********" in told
    assert wrong not in told
    desk.mail.mailbox.refused = {"gone@example.com"}
    assert "accepts the message for none of the recipients: gone@example.com (550 5.1.1 no such mailbox)" in failure(
        {**channel, "to": ["gone@example.com"]}
    )
    told = failure({**channel, "to": ["gone@example.com", "ops@example.com"]})
    assert "for some recipients, but not for gone@example.com" in told
    assert desk.mail.mailbox.envelopes[0].rcpt_tos == ["ops@example.com"]


def test_a_service_that_is_busy_or_fails_is_asked_again(desk: Desk) -> None:
    services = desk.services
    for channel in (services.slack, services.pagerduty):
        services.replies = [Reply(429, "rate_limited", {"Retry-After": "0"}), Reply(503), Reply(500, "fatal_error")]
        assert alert([channel], finding("job", "weekly", "it broke"))["channels"][0]["status"] == "sent"
    assert len(services.posts) == len(services.events) == 1
    assert len(services.asked) == 8


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(404, "no_service"), "127.0.0.1 answered 404: no_service"),
        (Reply(403, "invalid_token"), "answered 403: invalid_token"),
        (Reply(410, "channel_is_archived"), "answered 410: channel_is_archived"),
        (Reply(200, "<html>log in to this network</html>"), "and not 200 'ok'"),
        (Reply(429, "rate_limited", {"Retry-After": "3600"}), "answered 429: rate_limited"),
        (Reply(400, f"no {WEBHOOK_PATH} here"), "answered 400: no ******** here"),
    ],
)
def test_a_message_that_slack_does_not_take_is_a_failure_with_its_reason(desk: Desk, reply: Reply, reason: str) -> None:
    desk.services.replies = [reply]
    assert reason in failure(desk.services.slack)
    assert len(desk.services.asked) == 1


def test_a_service_that_never_recovers_is_given_up(desk: Desk) -> None:
    desk.services.replies = [Reply(502)] * 1000
    assert "answered 502; given up after" in failure(desk.services.slack)


def test_a_message_is_not_sent_on_to_another_address(desk: Desk) -> None:
    with AlertServices() as elsewhere:
        desk.services.replies = [Reply(302, "", {"Location": elsewhere.url + WEBHOOK_PATH})]
        assert "answered 302" in failure(desk.services.slack)
        assert elsewhere.asked == []


def test_what_pagerduty_refuses_is_told(desk: Desk) -> None:
    told = failure({**desk.services.pagerduty, "routing_key": "canary-short"})
    assert "Length of 'routing_key' is incorrect" in told
    assert "canary-short" not in told


def test_events_that_fail_do_not_take_the_others_along(desk: Desk) -> None:
    desk.services.replies = [Reply(400, "no")]
    told = alert([desk.services.pagerduty], *(finding(*one) for one in CONDITIONS))["channels"][0]
    assert (told["status"], told["sent"]) == ("failed", 5)
    assert told["error"].startswith("1 of 6 events failed: ")
    assert len(desk.services.events) == 5


def test_certificates_of_web_services_are_verified(certificates: Certificates) -> None:
    with AlertServices(certificates) as services:
        for channel in (services.slack, services.pagerduty):
            assert "does not prove who it is" in failure(channel)
            trusting = {**channel, "ca_cert": str(certificates.ca)}
            assert alert([trusting], finding("job", "weekly", "x"))["channels"][0]["status"] == "sent"
            assert "ca_cert cannot be read" in failure({**channel, "ca_cert": "/no/such/file"})


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_channels_that_fail_stop_no_other_and_cost_no_time(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, silent: int
) -> None:
    url = f"http://127.0.0.1:{silent}"
    bad = [
        {**desk.services.slack, "name": "silent", "webhook_url": f"{url}/services/a"},
        {**desk.services.pagerduty, "name": "closed", "events_url": f"http://127.0.0.1:{closed_port()}/v2/enqueue"},
        {**desk.mail.channel, "name": "silent mail", "port": silent},
        {**desk.mail.channel, "name": "wrong", "tls": "none"},
        {"type": "slack", "name": "empty", "webhook_url": ""},
    ]
    # Each begins when all others have begun.
    together = threading.Barrier(len(bad) + len(desk.channels), timeout=60)
    through_one = sending._through_one

    def meet(*arguments: Any) -> Any:
        together.wait()
        return through_one(*arguments)

    monkeypatch.setattr(sending, "_through_one", meet)
    told = alert([*bad, *desk.channels], finding("job", "weekly", "it broke"))
    assert [one["status"] for one in told["channels"]] == ["failed"] * len(bad) + ["sent"] * 3
    assert (len(desk.mail.mailbox.messages), len(desk.services.posts), len(desk.services.events)) == (1, 1, 1)
    assert len(told["warnings"]) == len(bad)
    assert told["warnings"][0].startswith("shop (production): no alert by silent (slack): ")


def test_a_server_that_trickles_its_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    monkeypatch.setattr(sending, "BUDGET_SECONDS", 0.5)
    monkeypatch.setattr(sending, "_GRACE", 0.5)
    stop = threading.Event()

    def trickle(server: socket.socket) -> None:
        connection, _address = server.accept()
        with connection:
            while not stop.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,), daemon=True)
        thread.start()
        channel = {**desk.services.slack, "webhook_url": f"http://127.0.0.1:{server.getsockname()[1]}/services/a"}
        told = failure(channel)
        # Until now there was always more to come.
        stop.set()
        thread.join()
    assert "it did not finish in time" in told


def test_any_other_service_is_reached_by_apprise(desk: Desk) -> None:
    # Of apprise's own the one that posts a plain JSON document.
    address = desk.services.url.removeprefix("http://")
    desk.services.replies = [Reply(200, "ok"), Reply(418, "no")]
    # A busy machine may want longer than apprise's four seconds.
    channel = {"type": "apprise", "apprise_url": f"json://{address}/canary-token/?cto=120&rto=120"}
    assert alert([channel], finding("job", "weekly", "it broke"))["channels"][0]["status"] == "sent"
    assert desk.services.asked == ["/canary-token/"]
    told = failure(channel)
    assert "apprise could not deliver the message: Failed to send JSON" in told
    assert "418" in told
    assert "canary" not in failure({**channel, "apprise_url": "jsonn://canary-token/canary-token"})


def test_without_apprise_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    told = failure({"type": "apprise", "apprise_url": "json://127.0.0.1/"})
    assert "the Python library apprise is not on the host" in told
    assert "pip install apprise" in told


def test_in_check_mode_nothing_is_sent_and_mistakes_are_told(desk: Desk) -> None:
    channels = [*desk.channels, {"type": "slack", "name": "wrong", "webhook_url": "x"}]
    told = alert(channels, finding("job", "weekly", "it broke"), check_mode=True)
    assert told["changed"]
    assert [one["status"] for one in told["channels"]] == ["planned"] * 3 + ["failed"]
    assert "slack (slack): would send: shop (production): job weekly: failed" in told["summary"]
    assert "it broke" in told["diff"]["after"]
    assert desk.services.asked == []
    assert desk.mail.mailbox.messages == []
    nothing = alert(desk.channels[:2], finding("job", "weekly", "fine", status="passed"), check_mode=True)
    assert not nothing["changed"]
    assert [one["status"] for one in nothing["channels"]] == ["nothing_to_send"] * 2


def test_a_message_never_tells_the_secrets_of_the_channels(desk: Desk) -> None:
    secrets = [PASSWORD, ROUTING_KEY, desk.services.slack["webhook_url"], WEBHOOK_PATH.rpartition("/")[2]]
    alert(desk.channels, finding("job", USER, f"it printed {' and '.join(secrets)}"))
    sent = [
        desk.mail.mailbox.messages[0].get_content(),
        str(desk.services.posts),
        str(desk.services.events[0]["payload"]),
    ]
    for secret in secrets:
        assert [text for text in sent if secret in text] == []


def test_an_alert_about_nothing_is_a_mistake() -> None:
    with pytest.raises(BackupError, match="there is nothing to send"):
        alert([])
