"""What node_exporter's textfile collector is told: the catalogue in numbers, by label and kind.

The format is Prometheus's text format, written by its own client library
(https://prometheus.io/docs/instrumenting/exposition_formats/). Names follow its conventions: base units, ``_seconds``,
``_bytes``, and no timestamps. Nothing in the file depends on when it was written, so that one that has not changed is
not written again; how old it is tells node_exporter itself, as ``node_textfile_mtime_seconds``.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ..backupset.naming import check_name
from ..backupset.record_keys import record_verify_keys
from ..backupset.record_trust import TrustedDrill
from ..backupset.signing import load_verify_keys
from ..catalogue.all_locations import Catalogue, KnownSet, read_catalogue
from ..catalogue.cache import default_directory
from ..catalogue.index import objects_stay
from ..errors import BackupError, LocationError, PreflightError
from ..findings import PASSED
from ..locations import enter_locations
from ..texts import page, visible
from .checks import all_drills
from .managed import add_managed, is_asked

STEP = "write the metrics"
_HINT = "directory is that of node_exporter's --collector.textfile.directory"
_MODE = 0o644
"""node_exporter runs as a user of its own, and nothing in the file is secret."""
_MAX_BYTES = 16 * 1024 * 1024


def run_backup_metrics(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the metrics of one database as the parameters of ``backup_metrics`` say.

    :return: what the module returns.
    :raises BackupError: no location could be read, or the file could not be written.
    """
    label = check_name(params["label"], "label")
    path = os.path.join(params["directory"], f"mobul_backup_{label}.prom")
    with objects_stay(), contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        catalogue = read_catalogue(
            locations,
            label,
            cache_dir=params["cache_dir"] or default_directory(),
            verify_keys=load_verify_keys(params["verify_key"]),
            record_keys=record_verify_keys(params),
        )
        if not catalogue.indexes:
            message = "; ".join(str(error) for error in catalogue.failures.values())
            raise LocationError(locations[0].name, STEP, f"no location could be read: {message}")
        text = metrics_text(catalogue, params["environment"], datetime.now(timezone.utc))
    files: dict[str, str | None] = {path: text}
    if params.get("supabase") is not None:
        # A file of its own, as a backup writes the other one and knows nothing of this.
        own = os.path.join(params["directory"], f"mobul_supabase_{label}.prom")
        files[own] = supabase_text(label, params["environment"], params["supabase"])
    before = {name: _read(name) for name in files}
    changed = [name for name, text in files.items() if before[name] != text]
    if check_mode:
        _check_directory(params["directory"])
    else:
        for name in changed:
            _bring(name, files[name])
    diffs = [_diff(name, before[name], files[name]) for name in files]
    return {
        "changed": bool(changed),
        "path": path,
        "summary": [f"{label}: {name} {_done(text, name in changed, check_mode)}" for name, text in files.items()],
        "warnings": [str(error) for error in catalogue.failures.values()],
        "diff": diffs[0] if len(diffs) == 1 else diffs,
    }


def metrics_text(catalogue: Catalogue, environment: str, now: datetime) -> str:
    """The content of the file.

    :raises PreflightError: the client library is missing.
    """
    own = (catalogue.label, environment)

    def add(gauge: Any) -> None:
        _add_kinds(catalogue, own, gauge)
        _add_locations(catalogue, own, gauge)
        _add_drills(all_drills(catalogue, now), own, gauge)
        held = sum(one.counted(now).hold is not None for one in catalogue.finished)
        gauge("held_sets", "Sets that are held.").labels(*own).set(held)

    return _generated(add)


def supabase_text(label: str, environment: str, result: Mapping[str, Any]) -> str | None:
    """The content of the file about what Supabase keeps by itself; None for no file, as nobody looked.

    :param result: what ``supabase_backup_info`` has returned.
    :raises PreflightError: the client library is missing.
    """
    if not is_asked(result):
        return None
    return _generated(lambda gauge: add_managed(result, (label, environment), gauge))


def _generated(add: Callable[[Any], None]) -> str:
    """Metrics as text; *add* gets what makes a gauge of a name, its words and further labels."""
    try:
        from prometheus_client import CollectorRegistry, Gauge, generate_latest
    except ImportError as error:
        raise PreflightError(
            STEP, "the Python library prometheus_client is missing", hint="pip install prometheus-client on this host"
        ) from error
    registry = CollectorRegistry()

    class Visible(Gauge):
        """Its labels have no more control characters than anything else that people read."""

        def labels(self, *values: Any, **named: Any) -> Any:
            return super().labels(*map(visible, values), **named)

    def gauge(name: str, words: str, *labels: str) -> Any:
        return Visible(f"mobul_backup_{name}", words, ("label", "environment", *labels), registry=registry)

    add(gauge)
    text: str = generate_latest(registry).decode()
    return text


def _add_kinds(catalogue: Catalogue, own: tuple[str, str], gauge: Any) -> None:
    sets = gauge("sets", "Good sets of a kind.", "kind")
    finished = gauge("last_success_timestamp_seconds", "When the newest good set was finished.", "kind")
    snapshot = gauge("last_snapshot_timestamp_seconds", "Snapshot time of the newest good set.", "kind")
    duration = gauge("last_duration_seconds", "How long the newest good set took.", "kind")
    size = gauge("last_size_bytes", "Size of the newest good set.", "kind")
    copies = gauge("last_copies", "Good copies of the newest good set.", "kind")
    expected = gauge("expected_copies", "Copies that the newest good set should have: one in each location.", "kind")
    newest: dict[str, KnownSet] = {one.id.kind: one for one in catalogue.finished if one.good}
    for kind, one in sorted(newest.items()):
        summary = one.summary
        if summary is None:
            continue
        began, ended = (datetime.fromisoformat(time) for time in (summary.started, summary.finished))
        sets.labels(*own, kind).set(sum(bool(other.good) and other.id.kind == kind for other in catalogue.finished))
        finished.labels(*own, kind).set(ended.timestamp())
        snapshot.labels(*own, kind).set(one.id.time.timestamp())
        duration.labels(*own, kind).set((ended - began).total_seconds())
        size.labels(*own, kind).set(sum(summary.artifacts.values()))
        copies.labels(*own, kind).set(len(one.good))
        expected.labels(*own, kind).set(len(catalogue.indexes) + len(catalogue.failures))


def _add_locations(catalogue: Catalogue, own: tuple[str, str], gauge: Any) -> None:
    up = gauge("location_up", "Whether the location could be read.", "location")
    damaged = gauge("damaged_copies", "Damaged copies, as far as a listing shows.", "location")
    for name, index in catalogue.indexes.items():
        up.labels(*own, name).set(1)
        damaged.labels(*own, name).set(sum(copy.state == "damaged" for copy in index.copies.values()))
    for name in catalogue.failures:
        up.labels(*own, name).set(0)


def _add_drills(drills: list[TrustedDrill], own: tuple[str, str], gauge: Any) -> None:
    finished = gauge("last_drill_timestamp_seconds", "When the last restore drill ended.", "location")
    passed = gauge("last_drill_passed", "Whether the last restore drill passed.", "location")
    seconds = gauge("last_drill_restore_seconds", "How long the restore of the last drill took.", "location")
    for name, drill in {one.drill.location: one.drill for one in drills}.items():
        finished.labels(*own, name).set(drill.finished.timestamp())
        passed.labels(*own, name).set(drill.verdict == PASSED)
        seconds.labels(*own, name).set(drill.restore_seconds)


def _diff(path: str, before: str | None, after: str | None) -> dict[str, str]:
    lines = [page((text or "").split("\n")[:-1]) for text in (before, after)]
    return {"before": lines[0], "after": lines[1], "before_header": path, "after_header": path}


def _done(text: str | None, changed: bool, check_mode: bool) -> str:
    if not changed:
        return "is up to date"
    return f"{'would be' if check_mode else 'was'} {'removed' if text is None else 'written'}"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return None


def _check_directory(directory: str) -> None:
    """What would keep the file from being written is told in check mode, too."""
    if not os.path.isdir(directory):
        raise BackupError(STEP, f"{directory} is no directory", hint=_HINT)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise BackupError(STEP, f"{directory} cannot be written to by this user", hint=_HINT)


def _bring(path: str, text: str | None) -> None:
    if text is not None:
        _write(path, text)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _write(path: str, text: str) -> None:
    """The file is the old one or the new one, whole, whenever it is read."""
    directory = os.path.dirname(path)
    try:
        # The collector reads only what ends with .prom.
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _MODE)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise BackupError(
            STEP,
            f"{path}: {error.strerror}",
            hint=_HINT,
        ) from None
