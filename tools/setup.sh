#!/bin/sh
# Make a virtual environment in which this collection is found as mobul.backup.
# usage: tools/setup.sh DIRECTORY OLDEST_PYTHON PIP_ARGUMENT...
set -eu

directory=$1 oldest=$2
shift 2
tools=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

if ! PYTHON=$directory/bin/python "$tools/find-python.sh" "$oldest" 2>/dev/null | grep -qx "$directory/bin/python"; then
    python=$("$tools/find-python.sh" "$oldest")
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        echo "$python cannot make virtual environments: install its venv module" >&2
        echo "(on Debian and Ubuntu: apt-get install $package), or name another Python with PYTHON=" >&2
        exit 1
    fi
    "$python" -m venv --clear "$directory"
fi

echo "installing into $directory ..."
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --prefer-binary "$@"
"$directory/bin/python" "$tools/unpack_collections.py"

# Relative, so that the environment may be moved with the project.
"$directory/bin/python" - "${tools%/*}" <<'END'
import os, sys, sysconfig

collections = os.path.join(os.path.realpath(sysconfig.get_path("purelib")), "ansible_collections", "mobul")
link = os.path.join(collections, "backup")
os.makedirs(collections, exist_ok=True)
if os.path.lexists(link):
    os.remove(link)
os.symlink(os.path.relpath(sys.argv[1], collections), link)
END
