"""The host that makes the backup need not be the one that runs ansible-playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Keys
from support.lab import S3Server
from support.playbooks import Playbooks
from support.sshd import SshServer


@pytest.mark.next
def test_a_backup_is_made_on_the_host_that_is_reached_over_ssh(
    playbooks: Playbooks,
    keys: Keys,
    login: dict[str, Any],
    ssh_server: SshServer,
    s3_server: S3Server,
    s3_bucket: str,
    tmp_path: Path,
) -> None:
    inventory = playbooks.inventory(
        {"shop": ssh_server.variables()},
        **login,
        backup_recipients=keys.recipients,
        # As text: the file is on this side, and the key may not lie on the other one.
        backup_signing_key=keys.signing.read_text(),
        backup_locations=[
            s3_server.location(s3_bucket),
            {"name": "local", "type": "local", "path": str(tmp_path / "backups")},
        ],
    )
    run = playbooks.run("mobul.backup.weekly", inventory, "-vvv")

    assert run.status == 0, run.output
    assert "2 of 2 copies good" in run.output
    assert "ESTABLISH SSH CONNECTION" in run.output
    (manifest,) = (tmp_path / "backups").glob("shop/*/*/*/*/manifest.json")
    assert manifest.with_name("manifest.json.sig").exists()
    assert list(Path(s3_server.root / s3_bucket).glob("shop/*/*/*/*/manifest.json"))
    for secret in (login["backup_login_password"], s3_server.secret_key, "PRIVATE KEY"):
        assert secret not in run.output
