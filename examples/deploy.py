#!/usr/bin/env python3
"""Deploy only after a go: DEPLOYMENT_ID=release/v1.2 deploy.py PRIVATE_DATA_DIR DATABASE COMMAND...

Runs the procedure before a deployment by ansible-runner, and COMMAND if it ends in go. The exit status is 1 for no go,
2 where something was not given, and otherwise COMMAND's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import ansible_runner


def back_up(private_data_dir: str, database: str, deployment_id: str) -> tuple[str, dict[str, Any]]:
    """How the run ended (``successful``, ``failed``, ``canceled``, ``timeout``), and the document of the procedure."""
    run = ansible_runner.run(
        private_data_dir=private_data_dir,
        playbook="mobul.backup.pre_deploy",
        limit=database,
        # Goes to Ansible as JSON: whatever is in it, it stays one value.
        extravars={"deployment_id": deployment_id},
        # Else ansible-runner keeps what it is given in env/, and another run finds this one's values there.
        suppress_env_files=True,
    )
    documents: dict[str, Any] = {}
    for event in run.events:
        if event["event"] == "playbook_on_stats":
            documents = event["event_data"].get("artifact_data", {}).get("procedure_result", {})
    # A run that was killed comes to no statistics.
    return str(run.status), documents.get(database, {})


def main(words: list[str]) -> int:
    """Run the procedure, then the command; returns the exit status."""
    deployment_id = os.environ.get("DEPLOYMENT_ID", "")
    if len(words) < 3 or not deployment_id:
        print(__doc__, file=sys.stderr)
        return 2
    private_data_dir, database, *command = words
    status, document = back_up(private_data_dir, database, deployment_id)
    if status != "successful" or document.get("verdict") != "go":
        print(f"no go ({status}): {document.get('reason', 'see above')}", file=sys.stderr)
        return 1
    backup = document["backup"]
    print(f"go: {backup['id']}, manifest {backup['manifest_sha256']}")
    for copy in backup["copies"]:
        print(f"  {copy['location']}: {copy['status']}")
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
