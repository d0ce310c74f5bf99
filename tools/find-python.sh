#!/bin/sh
# Print a Python that is new enough: $PYTHON if it is set, otherwise the first one found on the PATH or among pyenv's.
# usage: tools/find-python.sh OLDEST_VERSION
set -eu

for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 \
    "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.*/bin/python3; do
    if "$candidate" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$1'.split('.'))))" 2>/dev/null; then
        printf '%s\n' "$candidate"
        exit
    fi
done
echo "no Python >= $1 found: install one, or name it with PYTHON=/path/to/python3" >&2
exit 1
