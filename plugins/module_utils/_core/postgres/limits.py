"""What may be asked of a server: how many programs at once, and how long to wait for a lock."""

from __future__ import annotations

from ..errors import ConfigError

_MAX_JOBS = 64


def check_jobs(jobs: int, step: str) -> None:
    """Refuse a number of programs that no server is meant for."""
    if not 1 <= jobs <= _MAX_JOBS:
        raise ConfigError(step, f"jobs is {jobs}", hint=f"1 to {_MAX_JOBS}")


def check_lock_timeout(seconds: int, step: str) -> None:
    """Refuse not to wait at all, which to the server means to wait for ever."""
    if seconds < 1:
        raise ConfigError(step, f"lock_timeout is {seconds}", hint="seconds, 1 or more")
