"""What the servers that fork for runs have in common: a fork that becomes what a new process would be.

An order is a mapping: the ``directory``, ``environment`` and ``umask`` of the process, and what its work needs.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from .processes import die_with_parent

LONGEST_ORDER = 1 << 20
"""Bytes, as JSON."""
MODULES_VARIABLE = "MOBUL_LAB_MODULES"
"""Names the socket of what forks modules; a run that has it empty starts each as a process of its own."""


def umask() -> int:
    """The umask of this process, which can only be asked for by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def carry_out(
    order: Mapping[str, Any], answer: int, outputs: Sequence[int], work: Callable[[Mapping[str, Any]], object]
) -> NoReturn:
    """Have another fork do *work*, write its status to a socket, and end.

    :param answer: that socket, as the number of a file.
    :param outputs: files in the place of stdout and stderr.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with_parent(watcher)()
        os.close(answer)
        _be_process(order, outputs, work)
    for file in outputs:
        os.close(file)
    _pid, status = os.waitpid(pid, 0)
    os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _be_process(
    order: Mapping[str, Any], outputs: Sequence[int], work: Callable[[Mapping[str, Any]], object]
) -> NoReturn:
    """Become what a new process of Python would be, do *work*, and end as one."""
    status: Any = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.umask(order["umask"])
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, file in enumerate(outputs, start=1):
            os.dup2(file, number)
            os.close(file)
        work(order)
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(bool(status)))
