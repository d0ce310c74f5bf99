"""A provider of security labels: PostgreSQL brings none that works without SELinux, so one is compiled."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from . import workspace
from .installations import installations

PROVIDER = "mobul_test"
_CODE = f"""
#include "postgres.h"
#include "fmgr.h"
#include "commands/seclabel.h"
PG_MODULE_MAGIC;
void _PG_init(void);
static void check(const ObjectAddress *object, const char *label)
{{
}}
void _PG_init(void)
{{
    register_label_provider("{PROVIDER}", check);
}}
"""


@functools.cache
def label_provider(major: int) -> Path | None:
    """The library for ``session_preload_libraries``; None without a compiler or the server's headers."""
    argv = [installations()[major] / "pg_config", "--includedir-server"]
    headers = Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not (headers / "commands" / "seclabel.h").exists():
        return None
    directory = workspace.new_directory("labels")
    (directory / "labels.c").write_text(_CODE)
    library = directory / "labels.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-I{headers}", "-o", library, directory / "labels.c"],
        capture_output=True,
        check=True,
    )
    library.chmod(0o755)
    return library
