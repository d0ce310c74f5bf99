"""Build the archive that Galaxy takes, in the directory that is named.

It is made of what git tracks, in a copy, so that nothing that lies about is shipped. A version that is not released yet
gets the changelog that its fragments make; the fragments themselves stay.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from tree import PROJECT, copy_tree

_CHANGELOG = "import sys; sys.modules['sphinx'] = None; from antsibull_changelog.cli import main; sys.exit(main())"
"""antsibull-changelog; it looks through the fragments once more, and would start Sphinx for each sentence of them."""


def main(directory: str) -> None:
    destination = Path(directory).absolute()
    programs = Path(sys.executable).parent
    paths = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": paths}
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "ansible_collections" / "mobul" / "backup"
        copy_tree(copy)
        version = yaml.safe_load((PROJECT / "galaxy.yml").read_text())["version"]
        changes = yaml.safe_load((PROJECT / "changelogs" / "changelog.yaml").read_text())
        command = "generate" if version in changes["releases"] else "release"
        subprocess.run([sys.executable, "-c", _CHANGELOG, command], cwd=copy, env=environment, check=True)
        build = [programs / "ansible-galaxy", "collection", "build", "--force", "--output-path", destination, copy]
        subprocess.run(build, env=environment, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
