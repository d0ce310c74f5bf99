"""A remote as rclone's daemon shows it: requests about keys, and their failures in the product's form."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from ...errors import LocationError, name_taken
from .daemon import RcloneDaemon, RcloneError, RcloneStalledError, RcloneStartError
from .errors import explain
from .process import find_program, program_version

MINIMUM_VERSION = (1, 65, 0)
"""The oldest that the tests of locations were run with."""

DIGESTS = ("sha256", "sha1", "md5")
"""Hashes that a store may know of its objects, the one preferred first."""

_NO_DIRECTORY = ("directory not found", "not a directory")
_NO_OBJECT = ("object not found", "is a directory", *_NO_DIRECTORY)
_DOUBLES_AT_MOST = 20
_OPEN = "open the location"
_INSTALL = "install rclone (https://rclone.org/install), or name the program in `rclone_path`"


@dataclass(frozen=True)
class Traits:
    """What a kind of store can do.

    :param buckets: it consists of buckets (or containers), which are made by their owner.
    :param doubles: it allows two objects of one name.
    :param moves: it renames objects by itself; otherwise an upload is invisible until it is complete.
    :param streams: it takes an object whose size is not known; otherwise rclone collects it in a file first.
    :param reports_space: it can say how much room is left.
    :param digest: the hash that it tells of an object without reading it; None when there is none that we know.
    """

    buckets: bool
    doubles: bool
    moves: bool
    streams: bool
    reports_space: bool
    digest: str | None


@dataclass(frozen=True)
class Entry:
    """One line of a listing; ``path`` is below the root."""

    path: str
    name: str
    size: int
    modified: datetime
    is_directory: bool
    hashes: dict[str, str]


class RcloneStore:
    """One root directory on one remote, through a daemon.

    :param name: the location's name.
    :param remote: as rclone writes it: ``name:path`` or ``name,option=value:path``.
    :param config: absolute path of rclone's configuration; None for its own choice.
    :param program: name or path of rclone; None to look for it.
    :param stall_timeout: see :class:`StallLimit`, seconds.
    """

    def __init__(self, name: str, remote: str, config: str | None, program: str | None, stall_timeout: float) -> None:
        self.name = name
        self.remote = remote
        self.stall_timeout = stall_timeout
        self._config = config
        self._program = program
        self._lock = threading.Lock()
        self._open: tuple[RcloneDaemon, Traits] | None = None
        self._being_published: set[str] = set()
        self._silent_until = 0.0

    @property
    def daemon(self) -> RcloneDaemon:
        """The daemon, once everything that can be said about the remote was found in order."""
        return self._opened()[0]

    def traits(self) -> Traits:
        """What the store can do; the first call starts rclone and looks for the remote."""
        return self._opened()[1]

    def close(self) -> None:
        """Stop the daemon."""
        with self._lock:
            if self._open is not None:
                self._open[0].close()

    def error(self, step: str, message: str, *, hint: str | None = None, transient: bool = False) -> LocationError:
        """A :class:`LocationError` of this location."""
        return LocationError(self.name, step, message, hint=hint, transient=transient)

    def exists_already(self, key: str) -> LocationError:
        """The error of a writer that finds its name taken."""
        return name_taken(self.error(f"write {key}", f"{key!r} exists already", hint="an object is never replaced"))

    @contextmanager
    def translated(self, step: str) -> Iterator[None]:
        """Turn :class:`RcloneError` into :class:`LocationError`."""
        try:
            yield
        except RcloneError as error:
            if isinstance(error, RcloneStalledError):
                self._silent_until = time.monotonic() + self.stall_timeout
            meaning = explain(str(error), confidential=_parameters(self.remote))
            raise self.error(step, meaning.message, hint=meaning.hint, transient=meaning.transient) from None

    def ask(self, step: str, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one request to the daemon and return its answer; raise :class:`LocationError` if it fails."""
        daemon = self.daemon
        with self.translated(step):
            return daemon.call(method, **parameters)

    def entries(
        self, step: str, directory: str, *, recurse: bool = False, remote: str | None = None, **options: Any
    ) -> list[Entry] | None:
        """What is in *directory*; None when there is no such directory.

        :param remote: another root than the location's.
        :param options: of ``operations/list`` (``filesOnly``, ``dirsOnly``, ``hashTypes``).
        """
        daemon = self.daemon
        wanted = {"recurse": recurse, "noMimeType": True, **options}
        with self.translated(step):
            try:
                answer = daemon.call("operations/list", fs=remote or self.remote, remote=directory, opt=wanted)
            except RcloneError as error:
                if any(message in str(error) for message in _NO_DIRECTORY):
                    return None
                raise
        return [_entry(item) for item in answer.get("list") or ()]

    def listing(self, step: str, directory: str, *, recurse: bool = False, **options: Any) -> list[Entry]:
        """Like :meth:`entries`; a directory that does not exist is empty if the root is there, else an error."""
        found = self.entries(step, directory, recurse=recurse, **options)
        if found == []:
            self._refuse_any_name(step)
        if found is not None:
            return found
        if directory == "" or self.entries(step, "", dirsOnly=True) is None:
            raise self.error(
                step,
                f"the folder or bucket of {self.shown} does not exist",
                hint="check the location's `remote`; a folder is made when the location is checked or written to",
            )
        if recurse and self.entries(step, directory) is not None:
            raise self.error(step, f"{directory!r} changed while it was listed", transient=True)
        return []

    def _refuse_any_name(self, step: str) -> None:
        """Raise where the store answers in the same way whatever it is asked for.

        To rclone a page to log in, say, is a directory in which nothing lies. Buckets have directories of any name.
        """
        if self.traits().buckets:
            return
        if self.entries(step, f".nothing-{uuid4().hex}") is not None:
            raise self.error(
                step,
                f"{self.shown} answers with a directory for any name: it is not the store",
                hint="a proxy, or a page to log in, answers in its place: correct the remote's url, or the network",
                transient=True,
            )

    def find(self, step: str, key: str, **options: Any) -> Entry | None:
        """The object *key*, by the listing of its directory; raises when two have its name."""
        found = [entry for entry in self.entries(step, parent_of(key), **options) or () if entry.path == key]
        files = [entry for entry in found if not entry.is_directory]
        self.refuse_doubles(step, files)
        return files[0] if files else None

    def refuse_doubles(self, step: str, entries: Iterable[Entry]) -> None:
        """Raise when two objects have one name, as some stores (Google Drive) allow."""
        doubles = sorted(path for path, count in Counter(entry.path for entry in entries).items() if count > 1)
        if doubles:
            more = f" (and {len(doubles) - 1} other names twice)" if len(doubles) > 1 else ""
            raise self.error(
                step,
                f"there are two objects named {doubles[0]!r}{more}",
                hint=f"look at both and remove one, for example with `rclone dedupe {self.shown}`",
            )

    def remove(self, step: str, key: str) -> None:
        """Remove the object *key*, every one of that name, and its directory if that is then empty."""
        directory = parent_of(key)
        for _attempt in range(_DOUBLES_AT_MOST):
            self._delete(step, key)
            left = self.entries(step, directory)
            if left is None or not any(entry.path == key and not entry.is_directory for entry in left):
                break
        if left == [] and directory:
            daemon = self.daemon
            try:
                daemon.call("operations/rmdir", fs=self.remote, remote=directory)
            except RcloneError:
                # Somebody has put something in meanwhile, or the store knows no directories: both are fine.
                return

    def _delete(self, step: str, key: str) -> None:
        daemon = self.daemon
        with self.translated(step):
            try:
                daemon.call("operations/deletefile", fs=self.remote, remote=key)
            except RcloneError as error:
                if not _is_no_object(error):
                    raise

    @contextmanager
    def publishing(self, key: str) -> Iterator[None]:
        """Hold the name *key*, so that of several writers in this process only one gets it."""
        with self._lock:
            if key in self._being_published:
                raise self.exists_already(key)
            self._being_published.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._being_published.discard(key)

    @property
    def shown(self) -> str:
        """The remote without the parameters of a connection string, which may be secrets."""
        parameters = _parameters(self.remote)
        return self.remote.replace(parameters, "") if parameters else self.remote

    def _opened(self) -> tuple[RcloneDaemon, Traits]:
        with self._lock:
            # A hundred files shall not wait for the store one after the other.
            if time.monotonic() < self._silent_until:
                message = "the store was given up a moment ago: it did not answer"
                raise self.error(_OPEN, message, hint="look after the store and the network", transient=True)
            if self._open is None:
                program = self._find_program()
                daemon = RcloneDaemon(program, self._config, self.stall_timeout)
                with self.translated(_OPEN):
                    self._require_version(daemon, program)
                    self._require_remote(daemon)
                    self._open = daemon, _traits(daemon.call("operations/fsinfo", fs=self.remote))
            return self._open

    def _find_program(self) -> str:
        if self._config is not None and (os.path.isdir(self._config) or not os.access(self._config, os.R_OK)):
            what = "is a directory" if os.path.isdir(self._config) else "cannot be read"
            hint = "correct the location's `config`, or let the user of this run read it"
            raise self.error(_OPEN, f"rclone's configuration {self._config} {what}", hint=hint)
        program = find_program(self._program)
        if program is None:
            raise self.error(_OPEN, f"{self._program or 'rclone'} is not installed on this machine", hint=_INSTALL)
        return program

    def _require_version(self, daemon: RcloneDaemon, program: str) -> None:
        try:
            number = tuple(int(part) for part in daemon.call("core/version").get("decomposed") or ())
        except RcloneStartError:
            # Old ones do not even start: they know no Unix sockets.
            number = program_version(program) or MINIMUM_VERSION
            if number >= MINIMUM_VERSION:
                raise
        if number < MINIMUM_VERSION:
            found, wanted = (".".join(map(str, version)) for version in (number, MINIMUM_VERSION))
            raise self.error(_OPEN, f"{program} is rclone {found}; {wanted} or newer is needed", hint=_INSTALL)

    def _require_remote(self, daemon: RcloneDaemon) -> None:
        wanted = remote_name(self.remote)
        known = sorted(str(name).rstrip(":") for name in daemon.call("config/listremotes").get("remotes") or ())
        if wanted not in known:
            message = f"it knows {', '.join(known)}" if known else "it knows no remote at all"
            where = self._config or "rclone's configuration"
            raise self.error(_OPEN, f"there is no remote '{wanted}' in {where}", hint=message)


def remote_name(remote: str) -> str:
    """The name of the remote in ``name:path`` or ``name,option=value:path``."""
    return re.split("[:,]", remote, maxsplit=1)[0]


def parent_of(key: str) -> str:
    """The directory of *key*; "" for the root."""
    return key.rpartition("/")[0]


def _is_no_object(error: RcloneError) -> bool:
    """Whether rclone says that there is no such object."""
    return any(message in str(error) for message in _NO_OBJECT)


def _parameters(remote: str) -> str:
    match = re.match(r"[^:,]+(,.*):", remote)
    return match[1] if match else ""


def _traits(information: dict[str, Any]) -> Traits:
    features = information.get("Features") or {}
    hashes = () if features.get("SlowHash") else information.get("Hashes") or ()
    return Traits(
        buckets=bool(features.get("BucketBased")),
        doubles=bool(features.get("DuplicateFiles")),
        moves=bool(features.get("Move")),
        streams=bool(features.get("PutStream")),
        reports_space=bool(features.get("About")),
        digest=next((digest for digest in DIGESTS if digest in hashes), None),
    )


def _entry(item: dict[str, Any]) -> Entry:
    text = item.get("ModTime") or ""
    modified = datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, timezone.utc)
    return Entry(
        path=str(item["Path"]),
        name=str(item["Name"]),
        size=int(item["Size"]),
        modified=modified.astimezone(timezone.utc),
        is_directory=bool(item.get("IsDir")),
        hashes=dict(item.get("Hashes") or {}),
    )
