"""A restore says which environment it takes its target for, and gets no set of another one."""

from __future__ import annotations

from ..errors import ConfigError


def require_environment(expected: str | None) -> None:
    """Refuse a restore that does not say what it takes the database for."""
    if not expected:
        raise ConfigError(
            "check the options",
            "expect_environment is missing",
            hint="say which environment the database belongs to, for example expect_environment: staging",
        )


def check_environment(found: str | None, expected: str | None) -> None:
    """Refuse a set of another environment; one that was made without any is told by :func:`unknown_environment`."""
    if found and expected and found != expected:
        raise ConfigError(
            "check the backup",
            f"the backup is of environment {found!r}, and expect_environment is {expected!r}",
            hint="nothing was touched",
        )


def unknown_environment(found: str | None, expected: str | None) -> list[str]:
    """A warning if the set does not say which environment it is from."""
    if found or not expected:
        return []
    return [f"the backup names no environment: only its label says that it is of {expected!r}"]
