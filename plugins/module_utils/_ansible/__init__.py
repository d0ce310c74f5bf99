"""The only place that knows AnsibleModule."""

import sys

NEEDED_PYTHON = (3, 11)
"""The oldest Python of a managed host."""

if sys.version_info < NEEDED_PYTHON:
    # plugin_utils/python_version.py tells what to do about it.
    raise ImportError(
        f"needs Python >= {'.'.join(map(str, NEEDED_PYTHON))}; this is {sys.version.split()[0]} at {sys.executable}"
    )
