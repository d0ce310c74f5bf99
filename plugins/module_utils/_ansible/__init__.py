"""The only place that knows AnsibleModule."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a managed host may have an older one
    # plugin_utils/python_version.py tells what to do about it.
    raise ImportError(f"needs Python >= 3.11; this is {sys.version.split()[0]} at {sys.executable}")
