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

    def __init__(self, columns: int = 40, rows: int = HEIGHT) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
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
        return os.terminal_size((self.screen.columns, self.screen.lines))

    def on_screen(self) -> list[str]:
        """What can be seen, without what is empty at the end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n").split("\n")

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


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("rows", "after", "seen"), [(30, 30, 20), (10, 10, 6), (30, 10, 6), (10, 30, 20)], ids=str)
def test_twenty_hosts_with_long_names_never_break_the_screen(
    attached: Callable[[Terminal], Screen], rows: int, after: int, seen: int
) -> None:
    hosts = [f"database-{number:02}.a-very-long-name.example.org" for number in range(20)]
    terminal = Terminal(60, rows)
    screen = attached(terminal)
    results = ["PLAY [databases]", ""]
    for result in results:
        terminal.display(result)
    for second in range(2):
        if second == 1:
            resize(terminal, after)
        for host in hosts:
            terminal.display(progress(host, f"dump the database: {second}.0 GiB of about 98.0 GiB"), stderr=True)
        results.append(f"ok: [other{second}]")
        terminal.display(results[-1])
    expected = [f"[{host}] pg_backup: dump the database: 1.0 GiB of about 98.0 GiB"[:59].rstrip() for host in hosts]
    if seen < len(hosts):
        expected = [*expected[:seen], f"and {20 - seen} more hosts"]
    assert terminal.on_screen()[-len(expected) - 1 :] == [results[-1], *expected]
    # Nothing of what scrolls is lost. Of what a lower screen has pushed out nothing can be erased.
    assert [line for line in terminal.shown() if not line.startswith(("[database-", "and "))] == results
    if after >= rows:
        assert terminal.shown() == [*results, *expected]
    for host in hosts:
        screen.forget(host)
    assert terminal.on_screen()[-1] == results[-1]
    if after >= rows:
        assert terminal.shown() == results


def resize(terminal: Terminal, rows: int) -> None:
    """Make it lower or higher, as terminals do: lines at the top go into the history or come back from it."""
    screen = terminal.screen
    lines = terminal.shown()
    screen.reset()
    screen.history.top.clear()
    screen.resize(rows, screen.columns)
    screen.set_mode(pyte.modes.LNM)
    terminal.write("".join(f"{line}\n" for line in lines))


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
