"""The files of the working tree that belong to the project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def copy_tree(copy: Path, wanted: Callable[[str], object] = lambda _name: True) -> None:
    """Copy the tracked files, and the new ones that git does not ignore, whose names are wanted."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    names = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in names.split("\0")[:-1]:
        source, target = PROJECT / name, copy / name
        if source.is_file() and wanted(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
