"""The lines at the bottom of a terminal spoil nothing that is shown above them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pyte
import pytest
from ansible_collections.mobul.backup.plugins.callback.live import Screen, fitting, width
from ansible_collections.mobul.backup.plugins.plugin_utils.progress import MARK
from hypothesis import given
from hypothesis import strategies as st

HEIGHT = 12


class Terminal:
    """A terminal of a user, to which Ansible's display writes."""

    def __init__(self, columns: int = 40) -> None:
        self.screen = pyte.HistoryScreen(columns, HEIGHT, history=1000)
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)
        self._lock = threading.RLock()

    def write(self, text: str) -> None:
        self._stream.feed(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def display(self, msg: str, *, stderr: bool = False) -> None:
        (sys.stderr if stderr else sys.stdout).write(f"{msg}\n")

    def size(self) -> os.terminal_size:
        return os.terminal_size((self.screen.columns, HEIGHT))

    def shown(self) -> list[str]:
        """All that was ever written and was not erased, without what is empty at the end."""
        above = ["".join(row[column].data for column in range(len(row))).rstrip() for row in self.screen.history.top]
        lines = [*above, *(line.rstrip() for line in self.screen.display)]
        while lines and not lines[-1]:
            lines.pop()
        return lines


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> Callable[[Terminal], Screen]:
    def attach(terminal: Terminal) -> Screen:
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        return Screen(terminal, terminal.size)

    return attach


def progress(host: str, text: str) -> str:
    return f"{MARK}[{host}] pg_backup: {text}"


def test_each_host_has_one_line_below_all_else(attached: Callable[[Terminal], Screen]) -> None:
    terminal = Terminal()
    screen = attached(terminal)
    for host, text in (("a", "one"), ("b", "two"), ("a", "three")):
        terminal.display(progress(host, text), stderr=True)
    terminal.display("ok: [c]")
    assert terminal.shown() == ["ok: [c]", "[a] pg_backup: three", "[b] pg_backup: two"]
    screen.forget("a")
    assert terminal.shown() == ["ok: [c]", "[b] pg_backup: two"]
    screen.clear()
    assert terminal.shown() == ["ok: [c]"]


def test_more_hosts_than_lines_are_counted(attached: Callable[[Terminal], Screen]) -> None:
    terminal = Terminal()
    attached(terminal)
    for number in range(20):
        terminal.display(progress(f"host{number}", "dump"), stderr=True)
    assert len(terminal.shown()) == HEIGHT - 3
    assert terminal.shown()[-1] == "and 12 more hosts"


def test_a_terminal_that_became_narrower_is_left_clean(attached: Callable[[Terminal], Screen]) -> None:
    terminal = Terminal(40)
    screen = attached(terminal)
    terminal.display("first")
    terminal.display(progress("a", "x" * 60), stderr=True)
    # As terminals do that break a line anew.
    [drawn] = terminal.shown()[1:]
    terminal.screen.resize(HEIGHT, 20)
    terminal.screen.reset()
    terminal.screen.set_mode(pyte.modes.LNM)
    terminal.write(f"first\n{drawn}\n")
    screen.clear()
    assert terminal.shown() == ["first"]


TEXTS = st.text(st.sampled_from("ab c日é"), max_size=60)
STEPS = st.one_of(
    st.tuples(st.just("show"), TEXTS),
    st.tuples(st.sampled_from("abcdefghijklmnop"), TEXTS),
    st.tuples(st.just("forget"), st.sampled_from("abcdefghijklmnop")),
)


@given(st.lists(STEPS, max_size=30))
def test_what_is_shown_above_is_what_would_be_shown_without(steps: list[tuple[str, str]]) -> None:
    terminal, plain = Terminal(), Terminal()
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = terminal  # type: ignore[assignment]
    try:
        screen = Screen(terminal, terminal.size)
        for step, text in steps:
            if step == "show":
                terminal.display(text)
                plain.write(f"{text}\n")
            elif step == "forget":
                screen.forget(text)
            else:
                terminal.display(progress(step, text), stderr=True)
        screen.clear()
    finally:
        sys.stdout, sys.stderr = before
    assert terminal.shown() == plain.shown()


@given(TEXTS, st.integers(1, 30))
def test_a_line_never_takes_more_columns_than_there_are(text: str, columns: int) -> None:
    cut = fitting(text, columns)
    assert text.startswith(cut)
    assert width(cut) <= columns
    assert cut == text or width(text[: len(cut) + 1]) > columns
