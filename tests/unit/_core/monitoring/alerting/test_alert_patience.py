"""How often, and for how long, a message is tried."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.retry_budget import (
    DeliveryError,
    RetryBudget,
)


class Clock:
    """A time that passes by sleeping only, and by what each try takes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Server:
    """Fails with *errors* one after the other, and then takes what it is sent; each try takes *seconds*."""

    def __init__(self, clock: Clock, *errors: DeliveryError, seconds: float = 0.0) -> None:
        self.clock, self.errors, self.seconds = clock, list(errors), seconds
        self.allowed: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.allowed.append(seconds)
        self.clock.now += min(self.seconds, seconds)
        if self.errors:
            raise self.errors.pop(0)
        return "taken"


def busy(pause: float | None = None) -> DeliveryError:
    return DeliveryError("busy", transient=True, pause=pause)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_may_succeed_later_is_tried_again_with_growing_pauses(clock: Clock) -> None:
    server = Server(clock, busy(), busy(), busy())
    assert RetryBudget(30, clock, clock.sleep).attempt(server) == "taken"
    assert clock.pauses == [1.0, 2.0, 4.0]


def test_a_server_is_left_alone_for_as_long_as_it_asks(clock: Clock) -> None:
    server = Server(clock, busy(pause=7), busy(pause=0))
    assert RetryBudget(30, clock, clock.sleep).attempt(server) == "taken"
    assert clock.pauses == [7, 2.0]


def test_what_cannot_succeed_is_not_tried_again(clock: Clock) -> None:
    server = Server(clock, DeliveryError("no such channel"))
    with pytest.raises(DeliveryError, match=r"no such channel$"):
        RetryBudget(30, clock, clock.sleep).attempt(server)
    assert clock.pauses == []


@pytest.mark.parametrize("seconds", [0.0, 3.0, 100.0])
def test_it_ends_in_time_and_says_how_often_it_was_tried(clock: Clock, seconds: float) -> None:
    server = Server(clock, *(busy() for _ in range(100)), seconds=seconds)
    with pytest.raises(DeliveryError, match=r"busy; given up after \d tries"):
        RetryBudget(30, clock, clock.sleep).attempt(server)
    assert clock.now <= 130.0
    assert max(server.allowed) <= 10.0


def test_a_server_that_wants_more_time_than_there_is_is_given_up_at_once(clock: Clock) -> None:
    with pytest.raises(DeliveryError):
        RetryBudget(30, clock, clock.sleep).attempt(Server(clock, busy(pause=31)))
    assert clock.pauses == []
