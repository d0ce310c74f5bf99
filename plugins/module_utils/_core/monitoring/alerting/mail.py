"""Email: one plain-text message, by SMTP (RFC 5321) over TLS."""

from __future__ import annotations

import email.policy
import email.utils
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.message import EmailMessage
from typing import Any

from ...errors import ConfigError
from ...web.deadline import Deadline
from .alert import BEGUN, Alert, Announcement
from .channel import STEP, Channel, optional, required
from .retry_budget import DeliveryError, Message, RetryBudget
from .text import cut, one_line, page, title
from .tls import client_context, unreached

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SUBJECT_LIMIT = 200
_FITTING = "the server's port and tls must fit: 587 with starttls, 465 with tls"
_EXCHANGES = 6
"""So many times in a row a server that is slow, and honest, may be silent as long as it may be once."""


class _Plain(smtplib.SMTP):
    def __init__(self, *args: Any, deadline: Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*args, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._deadline.connect((host, port), timeout, self.source_address)


class _Encrypted(smtplib.SMTP_SSL):
    def __init__(self, *args: Any, deadline: Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*args, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = self._deadline.connect((host, port), timeout, self.source_address)
        return self.context.wrap_socket(connected, server_hostname=host)


@dataclass(frozen=True, kw_only=True)
class EmailChannel(Channel):
    """A channel that sends e-mail through one mail server."""

    type = "email"
    options = ("host", "port", "tls", "ca_cert", "username", "password", "from", "to")

    host: str
    port: int
    tls: str
    ca_cert: str | None
    username: str | None
    password: str | None
    sender: str
    to: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> EmailChannel:
        tls = str(options.get("tls") or "starttls")
        username, password = optional(options, "username"), optional(options, "password")
        if (username is None) != (password is None):
            raise ConfigError(
                STEP, f"there is a {'username' if username else 'password'} alone", hint="give both or none"
            )
        if username is not None and tls == "none":
            raise ConfigError(
                STEP, "a login over a connection without encryption is refused", hint="set tls to starttls or tls"
            )
        recipients = options.get("to") or []
        if not recipients:
            raise ConfigError(STEP, "to is empty", hint="give at least one address")
        return cls(
            **cls.common(options),
            host=required(options, "host"),
            port=int(options.get("port") or _PORTS[tls]),
            tls=tls,
            ca_cert=optional(options, "ca_cert"),
            username=username,
            password=password,
            sender=_address(required(options, "from")),
            to=tuple(_address(str(one)) for one in recipients),
        )

    def messages(self, alert: Alert) -> list[Message]:
        findings, announcement = alert.bad(self.severities), self.announcement(alert)
        if not findings and announcement is None:
            return []
        subject, text = title(alert, findings, announcement), page(alert, findings, announcement)

        def send(budget: RetryBudget) -> None:
            # Made once: the servers on the way know a message that comes twice by its id.
            message = self._message(subject, text, announcement)
            budget.attempt(lambda seconds: self._deliver(message, seconds))

        return [Message(subject, text, send)]

    def _message(self, subject: str, text: str, announcement: Announcement | None = None) -> EmailMessage:
        message = EmailMessage(policy=email.policy.SMTP)
        message["Subject"] = cut(one_line(subject), _SUBJECT_LIMIT)
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = datetime.now(timezone.utc)
        domain = email.utils.parseaddr(self.sender)[1].rpartition("@")[2]
        thread = None if announcement is None else _thread_id(announcement.thread, domain)
        if announcement is not None and announcement.state == BEGUN:
            message["Message-ID"] = thread
        else:
            message["Message-ID"] = email.utils.make_msgid(domain=domain)
            if thread is not None:
                # An answer to the first one (RFC 5322, 3.6.4), so that readers show them as one thread.
                message["In-Reply-To"] = message["References"] = thread
        # So that no absence notice answers it (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    def _deliver(self, message: EmailMessage, seconds: float) -> None:
        server = f"{self.host}:{self.port}"
        deadline = Deadline(_EXCHANGES * seconds)
        try:
            smtp = self._connect(seconds, deadline)
            try:
                if self.username is not None and self.password is not None:
                    smtp.login(self.username, self.password)
                refused = smtp.send_message(message)
                if deadline.passed:
                    raise deadline.error()
            finally:
                _leave(smtp)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise _failure(deadline.error() if deadline.passed else error, server) from error
        finally:
            deadline.stop()
        if refused:
            refusals = ", ".join(f"{address} ({_reply(*reply)})" for address, reply in refused.items())
            raise DeliveryError(f"{server} accepted the message for some recipients, but not for {refusals}")

    def _connect(self, seconds: float, deadline: Deadline) -> smtplib.SMTP:
        context = client_context(self.ca_cert)
        if self.tls == "tls":
            return _Encrypted(self.host, self.port, timeout=seconds, context=context, deadline=deadline)
        smtp = _Plain(self.host, self.port, timeout=seconds, deadline=deadline)
        if self.tls == "starttls":
            try:
                smtp.starttls(context=context)
            except BaseException:
                smtp.close()
                raise
        return smtp


def _address(text: str) -> str:
    """A mailbox, with or without a person's name. It becomes part of a header, so it is one line."""
    found = email.policy.SMTP.header_factory("To", text) if text.isprintable() else None
    if found is None or found.defects or len(found.addresses) != 1 or not found.addresses[0].domain:
        raise ConfigError(
            STEP, f"{text!r} is no mail address", hint="write ops@example.com, or Operations <ops@example.com>"
        )
    return text


def _thread_id(thread: str, domain: str) -> str:
    """The id of the message that an announcement's thread begins with, whoever has sent that."""
    return f"<{hashlib.sha256(thread.encode('utf-8', 'replace')).hexdigest()[:32]}@{domain}>"


def _leave(smtp: smtplib.SMTP) -> None:
    """What the server says now changes nothing: the message was taken or not."""
    try:
        smtp.quit()
    except (smtplib.SMTPException, OSError):
        smtp.close()


def _failure(error: Exception, server: str) -> DeliveryError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = list(error.recipients.items())
        message = ", ".join(f"{address} ({_reply(*reply)})" for address, reply in replies)
        transient = all(400 <= reply[0] < 500 for _address, reply in replies)
        return DeliveryError(f"{server} accepts the message for none of the recipients: {message}", transient=transient)
    if isinstance(error, smtplib.SMTPResponseException):
        message = f"{server} answered {_reply(error.smtp_code, error.smtp_error)}"
        # -1 is what the library has for an answer that is none.
        return DeliveryError(message, transient=400 <= error.smtp_code < 500 or error.smtp_code == -1)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(f"{server} does not offer it: {one_line(str(error))}", hint=_FITTING)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
        message = f"{server} speaks no TLS that fits: {one_line(str(error))}"
        return DeliveryError(message, hint=_FITTING)
    return unreached(error, server)


def _reply(code: int, text: bytes | str) -> str:
    message = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return cut(one_line(f"{code} {message}"), 500)
