"""The platforms that are known by name."""

from __future__ import annotations

from ..errors import ConfigError
from .profile import Profile
from .supabase.profile import SUPABASE

PROFILES = {one.name: one for one in (SUPABASE,)}


def find_profile(name: str | None) -> Profile | None:
    """The profile with this name; None if no name was given.

    :raises ConfigError: there is none of that name.
    """
    if not name:
        return None
    if name not in PROFILES:
        raise ConfigError("check the options", f"profile is {name!r}", hint=", ".join(sorted(PROFILES)))
    return PROFILES[name]
