"""A program of ours that serves, with a directory for what it writes."""

from __future__ import annotations

import shutil
from typing import TypeVar

from . import workspace
from .programs import Program

Self = TypeVar("Self", bound="OwnServer")


class OwnServer:
    """The base class of such; a context manager.

    :param name: of its directory.
    """

    def __init__(self, name: str) -> None:
        self.directory = workspace.new_directory(name)
        self.log = self.directory / "server.log"
        self._program: Program | None = None

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> object:
        """Start the server; returns when it takes connections."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._program.pid if self._program else None

    def stop(self) -> None:
        """End the server and keep its files."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    def close(self) -> None:
        """End the server and remove its files."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
