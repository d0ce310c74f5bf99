"""Build the reference of the collection's modules, roles and options as HTML in .cache/docs/html."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DESTINATION = PROJECT / ".cache" / "docs"

_CONFIGURATION = """\
project = "mobul.backup"
extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
exclude_patterns = []
html_theme = "alabaster"
html_short_title = project
html_show_sphinx = False
"""


def main() -> None:
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    sources = DESTINATION / "rst"
    shutil.rmtree(DESTINATION, ignore_errors=True)
    sources.mkdir(parents=True, mode=0o755)
    argv = [str(programs / "antsibull-docs"), "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    subprocess.run([*argv, "--dest-dir", str(sources), "mobul.backup"], env=environment, check=True)
    (sources / "conf.py").write_text(_CONFIGURATION)
    html = DESTINATION / "html"
    subprocess.run([programs / "sphinx-build", "-q", "-b", "html", sources, html], env=environment, check=True)
    print(f"file://{html / 'index.html'}")


if __name__ == "__main__":
    main()
