"""``make demo``: it can be repeated, and what it prints runs as it is printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from support import packed_modules
from support.lab import PROJECT, find_tool

DEMO = PROJECT / ".demo"
ROOTS = ("s3/mobul-backups", "gdrive/Mobul-Backups", "local")


def run_demo() -> str:
    argv = [sys.executable, PROJECT / "tools" / "demo.py"]
    environment = {**os.environ, **packed_modules.environment()}
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", env=environment)
    assert result.returncode == 0, result.stdout
    return result.stdout


def sets(root: str) -> set[str]:
    found = (DEMO / "locations" / root).glob("mobul/*/*/*/weekly_*/manifest.json")
    return {path.parent.name for path in found}


def printed_commands(output: str) -> str:
    """The commands of the guide: its indented lines."""
    guide = output.partition("Look at it:")[2]
    return "".join(line + "\n" for line in guide.splitlines() if line.startswith("  "))


def test_the_printed_commands_check_and_restore_the_newest_set(tmp_path: Path) -> None:
    # It is repeated where `make demo` has run already.
    first = "" if sets("local") else run_demo()
    before = sets("local")
    second = run_demo()

    assert len(sets("local") - before) == 1
    assert (sets("s3/mobul-backups") & sets("gdrive/Mobul-Backups")) >= sets("local") - before
    for name in ("ops.agekey", "escrow.agekey", "signing.key"):
        assert (DEMO / "keys" / name).stat().st_mode & 0o777 == 0o600
    assert (DEMO / "keys" / "signing.pub").is_file()
    for key in ("ops", "escrow"):
        private = re.search("AGE-SECRET-KEY-1\\w+", (DEMO / "keys" / f"{key}.agekey").read_text())
        assert private
        assert private[0] not in first + second

    if find_tool("age") is None:
        assert "install your distribution's package `age`" in second
        return
    script = tmp_path / "commands.sh"
    script.write_text("set -e\n" + printed_commands(second))
    shell = subprocess.run(["sh", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
    assert shell.returncode == 0, shell.stdout
    newest = max(sets("local"))
    (manifest,) = (DEMO / "locations" / "local").glob(f"mobul/*/*/*/{newest}/manifest.json")
    assert "Signature Verified Successfully" in shell.stdout
    for artifact in json.loads(manifest.read_text())["artifacts"]:
        assert f"{artifact['name']}: OK\n" in shell.stdout
    # The tables whose rows are not as many as were backed up would be listed.
    assert "rows\n" not in shell.stdout.replace("(5 rows)\n", "")
    assert shell.stdout.rstrip().endswith("(5 rows)")
