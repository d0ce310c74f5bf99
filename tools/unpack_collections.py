"""Put the collections that the roles use into a virtual environment, from the package index.

The PyPI package ``ansible`` has them. It is downloaded and only they are unpacked: all of it would be 600 MB.
usage: .venv/bin/python tools/unpack_collections.py
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
REQUIREMENTS = PROJECT / "requirements-collections.txt"
WANTED = ("ansible_collections/awx/awx/",)


def main() -> None:
    """Unpack what is wanted into this Python's site-packages, unless it is there already, from the same requirement."""
    packages = Path(sysconfig.get_path("purelib"))
    mark = packages / "ansible_collections" / "unpacked.txt"
    asked = REQUIREMENTS.read_text()
    if mark.is_file() and mark.read_text() == asked:
        return
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        # An ansible-core that this version of the package does not name serves its collections as well.
        subprocess.run([*pip, "--no-deps", "--dest", directory, "-r", REQUIREMENTS], check=True)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages, [name for name in archive.namelist() if name.startswith(WANTED)])
    mark.write_text(asked)


if __name__ == "__main__":
    main()
