"""When a store is given up: by what it lets us wait, and by nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.stall_limit import (
    LEAST_RATE,
    Rate,
    Stalled,
    StallLimit,
    Wait,
    WatchedSocket,
)
from hypothesis import given
from hypothesis import strategies as st

WINDOW = 300


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=50), st.integers(LEAST_RATE, 10**8))
def test_who_moves_enough_is_never_slow(waits: list[float], rate: int) -> None:
    patience = StallLimit(60)
    watch = Rate(patience)
    for wait in waits:
        patience.count(int(rate * wait) + 1)
        watch.waited(wait)


@given(st.lists(st.floats(20, 40), min_size=40, max_size=40), st.integers(0, LEAST_RATE // 2))
def test_who_trickles_is_slow_within_two_windows(waits: list[float], rate: int) -> None:
    patience = StallLimit(60)
    watch = Rate(patience)
    waited = 0.0
    with pytest.raises(Stalled, match="16 kB a second over 300 s") as caught:
        for wait in waits:
            waited += wait
            patience.count(int(rate * wait))
            watch.waited(wait)
    assert not caught.value.silent
    assert WINDOW <= waited <= 2 * WINDOW


def test_what_others_of_the_location_move_counts() -> None:
    patience = StallLimit(60)
    watch = Rate(patience)
    for _ in range(100):
        patience.count(LEAST_RATE * 60)
        watch.waited(60)


def silent_for(wait: Wait) -> float:
    """How long a silence is borne."""
    waited = 0.0
    with pytest.raises(Stalled, match="no byte for 60 s") as caught:
        while True:
            wait.moved(wait.slice, 0)
            waited += wait.slice
    assert caught.value.silent
    return waited + wait.slice


def test_silence_is_borne_for_its_time_and_anew_after_every_byte() -> None:
    wait = Wait(StallLimit(60))
    wait.begin(rated=False)
    for _ in range(20):
        for _slice in range(7):
            wait.moved(wait.slice, 0)
        wait.moved(0, 1)
    assert silent_for(wait) == 60
    wait.begin(rated=False)
    assert silent_for(wait) == 60


def test_a_machine_that_was_halted_did_not_wait() -> None:
    wait = Wait(StallLimit(60))
    wait.begin(rated=True)
    wait.moved(3600, 0)
    wait.moved(0, 1)


def test_what_moves_elsewhere_is_no_silence() -> None:
    moved = iter(range(1000))
    wait = Wait(StallLimit(60), lambda: next(moved))
    wait.begin(rated=False)
    for _ in range(100):
        wait.moved(wait.slice, 0)


def test_blanks_while_a_store_works_are_not_slow_where_no_rate_is_asked_for() -> None:
    wait = Wait(StallLimit(60))
    wait.begin(rated=False)
    for _ in range(1000):
        wait.moved(wait.slice, 1)


@pytest.fixture
def pair() -> Iterator[tuple[WatchedSocket, socket.socket]]:
    """Two ends of a connection, one of them watched."""
    ours, theirs = socket.socketpair()
    wait = Wait(StallLimit(0.2))
    wait.begin(rated=True)
    with ours, theirs:
        yield WatchedSocket(ours, wait), theirs


def test_a_watched_socket_is_read_and_written_like_any(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, theirs = pair
    data = bytes(range(256)) * 8192
    sender = threading.Thread(target=lambda: (theirs.sendall(data), theirs.shutdown(socket.SHUT_WR)))
    sender.start()
    with watched.makefile("rb") as file:
        assert file.read() == data
    sender.join()
    receiver: list[bytes] = []
    reader = threading.Thread(target=lambda: receiver.append(theirs.makefile("rb").read()))
    reader.start()
    watched.sendall(data)
    watched.shutdown(socket.SHUT_WR)
    reader.join()
    assert receiver == [data]


def test_who_takes_nothing_and_who_says_nothing_is_given_up(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, _theirs = pair
    with pytest.raises(Stalled):
        watched.sendall(bytes(100_000_000))
    with pytest.raises(Stalled):
        watched.makefile("rb").read(1)
