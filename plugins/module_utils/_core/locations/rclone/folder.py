"""The folder that is an rclone location's root, while it is not there."""

from __future__ import annotations

from ...stream.partial import partial_name
from .store import RcloneStore

_STEP = "check the location"


def make_folder(store: RcloneStore) -> None:
    """Make the root's folder, and those above it, where they are missing."""
    if store.entries(_STEP, "", dirsOnly=True) is None:
        store.ask(_STEP, "operations/mkdir", fs=store.remote, remote="")


def folder_could_be_made(store: RcloneStore) -> bool:
    """Whether the root's folder is missing; raises when it could not be made, and leaves no trace.

    Where the remote's own root is what is missing, nothing can be tried without making it.
    """
    if store.entries(_STEP, "", dirsOnly=True) is not None:
        return False
    for above in _above(store.remote):
        if store.entries(_STEP, "", remote=above, dirsOnly=True) is not None:
            name = partial_name("check")
            store.ask(_STEP, "operations/mkdir", fs=above, remote=name)
            store.ask(_STEP, "operations/rmdir", fs=above, remote=name)
            break
    return True


def _above(remote: str) -> list[str]:
    """The folders above *remote*, the innermost first and the remote's own root last."""
    name, colon, path = remote.rpartition(":")
    start = "/" if path.startswith("/") else ""
    parts = [part for part in path.split("/") if part]
    return [f"{name}{colon}{start}{'/'.join(parts[:count])}" for count in range(len(parts) - 1, -1, -1)]
