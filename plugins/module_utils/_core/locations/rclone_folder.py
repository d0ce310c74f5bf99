"""The folder that is an rclone location's root, and those above it, as far as they were not there."""

from __future__ import annotations

import contextlib

from ..errors import LocationError
from .rclone_store import RcloneStore

_STEP = "check the location"


def make_folder(store: RcloneStore) -> list[str]:
    """Make the root's folder; returns the remotes of all folders that this made, the innermost first."""
    missing: list[str] = []
    for remote in _remotes(store.remote):
        if store.entries(_STEP, "", remote=remote, dirsOnly=True) is not None:
            break
        missing.append(remote)
    if missing:
        store.ask(_STEP, "operations/mkdir", fs=store.remote, remote="")
    return missing


def remove_folders(store: RcloneStore, remotes: list[str]) -> None:
    """Remove folders that :func:`make_folder` made, as long as nothing is in them."""
    step = "remove the empty folder"
    with contextlib.suppress(LocationError):
        for remote in remotes:
            # Asked first, since not every store refuses to remove a folder with what is in it.
            if store.entries(step, "", remote=remote) != []:
                return
            store.ask(step, "operations/rmdir", fs=remote, remote="")


def _remotes(remote: str) -> list[str]:
    """*remote* and, without the remote's own root, the folders above it."""
    name, colon, path = remote.rpartition(":")
    start = "/" if path.startswith("/") else ""
    parts = [part for part in path.split("/") if part]
    above = [f"{name}{colon}{start}{'/'.join(parts[:count])}" for count in range(len(parts) - 1, 0, -1)]
    return [remote, *above]
