"""Run ansible-test's sanity tests over the working tree. Arguments are passed on to ``ansible-test sanity``.

ansible-test wants a path that ends in ansible_collections/mobul/backup, so it gets a copy of what git would track. It
fills an environment for each test from the package index, but wants to download pip itself from elsewhere: a home
directory of its own, with a pip bootstrap that takes the one that every Python carries, makes that needless. Copy and
home are each Python's own, so that runs for two versions of ansible-core do not meet.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tree import PROJECT, copy_tree

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CACHE = PROJECT / ".cache" / f"sanity-{PYTHON}"
HOME = CACHE / "home"
COPY = CACHE / "ansible_collections" / "mobul" / "backup"

_BOOTSTRAP = "import ensurepip\nensurepip.bootstrap(default_pip=True)\n"

# What pip says while it fills the environments of the tests.
_CHATTER = re.compile(
    r"Installing |Using cached|Looking in|Processing|Collecting|Successfully installed|Requirement already|"
    r"WARNING: Location|\s+(Downloading|Using cached|Obtaining|Preparing|━)"
)
# What nobody is shipped has the rules of pyproject.toml alone; but ansible-test wants its own settings.
_LEFT_OUT = re.compile(r"tests/(?!config\.yml|sanity/)|tools/|\.ci/")


def prepare_copy() -> None:
    """Copy what is shipped."""
    shutil.rmtree(CACHE / "ansible_collections", ignore_errors=True)
    copy_tree(COPY, lambda name: not _LEFT_OUT.match(name))
    # Otherwise ansible-test asks the project's own repository, which ignores the copy.
    subprocess.run(["git", "init", "--quiet", COPY], check=True)


def prepare_home() -> None:
    """Make the home directory, with the user's settings of pip in it."""
    import ansible_test._internal.python_requirements as requirements

    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"pip='([\d.]+)'", Path(requirements.__file__).read_text()):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(_BOOTSTRAP)
    settings, ours = Path.home() / ".config" / "pip", HOME / ".config" / "pip"
    if settings.is_dir() and not ours.exists():
        ours.parent.mkdir(exist_ok=True)
        ours.symlink_to(settings)


def main(arguments: list[str]) -> int:
    prepare_copy()
    prepare_home()
    argv = [
        str(Path(sys.executable).parent / "ansible-test"),
        "sanity",
        "--local",
        "--python",
        PYTHON,
        "--truncate",
        "0",
    ]
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "HOME": str(HOME), "PATH": paths, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result = subprocess.run(
        [*argv, *arguments],
        cwd=COPY,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    told = [line for line in result.stdout.splitlines() if not _CHATTER.match(line)]
    print(*told, sep="\n")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
