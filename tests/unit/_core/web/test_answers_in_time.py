"""A web service that sends its answer byte by byte, or half of it, is none that has answered."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.mail import EmailChannel
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.retry_budget import DeliveryError
from ansible_collections.mobul.backup.plugins.module_utils._core.web.https import Unreached, ask

STEPS = 400
"""Of a twentieth of a second: a client that waits for the end of a head meets one, and takes it for an answer."""
TRICKLES = {
    "status": (b"", b"H"),
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
}


@contextlib.contextmanager
def service(first: bytes, again: bytes = b"") -> Iterator[str]:
    """It sends *first* at once, and *again* until the client is gone."""
    over = threading.Event()

    def answer() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            if first:
                client.recv(65536)
            client.sendall(first)
            for _step in range(STEPS if again else 0):
                if over.wait(0.05):
                    return
                client.sendall(again)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        over.set()
        thread.join()


@pytest.mark.parametrize("tls", ["none", "tls"])
def test_a_mail_server_that_greets_byte_by_byte_is_given_up(tls: str) -> None:
    sent = (b"", b"2") if tls == "none" else (b"\x16\x03\x03\x40\x00", b"\x02")
    # Where the machine sleeps for longer than that, the server was silent.
    with service(*sent) as url, pytest.raises(DeliveryError, match=r"has not ended within|timed out"):
        port = int(url.strip("/").rpartition(":")[2])
        options = {"type": "email", "host": "127.0.0.1", "port": port, "tls": tls, "from": "a@b.c", "to": ["d@e.f"]}
        EmailChannel.parse(options)._deliver(EmailMessage(), 0.2)


def answer_of(url: str, *, seconds: float) -> bytes:
    return ask("GET", url, headers={}, body=None, ca_cert=None, seconds=seconds, limit=10_000).body


@pytest.mark.parametrize("what", TRICKLES)
def test_an_answer_that_comes_byte_by_byte_is_given_up(what: str) -> None:
    with service(*TRICKLES[what]) as url, pytest.raises(Unreached) as caught:
        answer_of(url, seconds=0.2)
    assert caught.value.transient
    assert caught.value.arrived


def test_half_an_answer_is_none_and_may_be_asked_for_again() -> None:
    with service(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": ') as url, pytest.raises(Unreached) as caught:
        answer_of(url, seconds=60)
    assert caught.value.transient
    assert caught.value.arrived


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with service(b"HTTP/1.1 200 OK\r\n\r\nall of it") as url:
        assert answer_of(url, seconds=60) == b"all of it"
