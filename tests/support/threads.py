"""Several threads that do the same at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


def run_at_once(work: Callable[[int], object], count: int) -> None:
    """Call *work* with the numbers below *count*, each in a thread of its own; raise the first error of any."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
