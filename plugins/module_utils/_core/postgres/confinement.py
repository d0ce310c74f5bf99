"""The small program between root and what runs as a transient user, see :mod:`.transient_user`.

It runs in a process of its own (:func:`command` gives Python its text), as a child of a process with threads may do
little more than become another program. Each of its two verbs gives up root's rights first. Nothing is imported after
that, not even a codec: Python's own files may lie where only root can read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_IPC_RMID = 0
_MAX_PROCESSES = 1024
NUMBERS = range(61184, 65518, 2)
"""The transient users there may be; the odd number after each is its ender's."""


def command(verb: str, *arguments: object) -> list[str]:
    """The argv that runs :func:`main` with these words, without a look at anybody's environment; no secret in it."""
    # Here, as that program has no need of it.
    import inspect

    text = f"{inspect.getsource(sys.modules[__name__])}\nmain(sys.argv[1:])\n"
    return [sys.executable, "-I", "-S", "-c", text, verb, *map(str, arguments)]


def main(words: list[str]) -> None:
    """The verbs: ``run UID GID PROGRAM ARGUMENT...`` becomes that program; ``end UID`` ends all of a transient user."""
    if words[0] == "run":
        _become(int(words[1]), int(words[2]), words[3:])
    else:
        _end(int(words[1]))


def _become(uid: int, gid: int, argv: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # It listens on a Unix socket alone; what it restores shall call nobody. Most containers do not let root do this.
    libc.unshare(_CLONE_NEWNET)
    # No setuid program changes whom it, or a child of it, runs as: who ends that user's processes ends all of them.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise SystemExit("the kernel lets its children become another user (no_new_privs)")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if uid in NUMBERS:
        # Of another user, others' processes would count as well.
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = _MAX_PROCESSES if hard == resource.RLIM_INFINITY else min(hard, _MAX_PROCESSES)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    os.umask(0o077)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _check_none("CapPrm", "CapEff", "CapAmb")
    # Only now: a change of user takes it back. A server whose run was killed ends at once, and its children with it.
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)
    try:
        os.execv(argv[0], argv)  # noqa: S606
    except OSError as error:
        raise SystemExit(f"user {uid} cannot start {argv[0]}: {error.strerror}") from None


def _end(uid: int) -> None:
    # Whom it may signal goes by its effective and its real user, neither of whom is anybody else; by whom it may be
    # signalled, by its real and its saved one, so that those whom it is to end cannot end it first.
    os.setresuid(uid + 1, uid, 0)
    _check_none("CapEff")
    real, effective, _saved = os.getresuid()
    if uid not in NUMBERS or (real, effective) != (uid + 1, uid):
        raise SystemExit(f"{uid} is no transient user")
    with contextlib.suppress(ProcessLookupError):
        # One call for all of them, between which none can fork.
        os.kill(-1, signal.SIGKILL)
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, remove in (("shm", libc.shmctl), ("sem", libc.semctl), ("msg", libc.msgctl)):
        for number in _ipc_objects(kind, uid):
            remove(number, 0, _IPC_RMID) if kind == "sem" else remove(number, _IPC_RMID, None)


def _ipc_objects(kind: str, uid: int) -> list[int]:
    """The ids of a user's System V objects, from ``/proc/sysvipc``: a line of names, a line for each object."""
    try:
        with open(f"/proc/sysvipc/{kind}", encoding="utf-8") as file:
            names, *rows = (line.split() for line in file)
    except (OSError, ValueError):
        return []
    objects = [dict(zip(names, row, strict=False)) for row in rows]
    return [int(one[names[1]]) for one in objects if str(uid) in (one["uid"], one["cuid"])]


def _check_none(*sets: str) -> None:
    """A process that keeps root's capabilities as another user would end everybody's, or be root after all."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        capabilities = dict(line.split(":", 1) for line in file if line.startswith("Cap"))
    if any(int(capabilities[name], 16) != 0 for name in sets):
        raise SystemExit("root keeps its capabilities as another user (secure bits)")
