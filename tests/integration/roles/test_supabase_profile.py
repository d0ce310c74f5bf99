"""The procedures against a project of Supabase, by playbooks alone: no more than the profile is special."""

from __future__ import annotations

import json

import pytest
from support.backup_bench import Keys
from support.installations import installations
from support.playbooks import Playbooks
from support.supabase_project import DATABASE, ROLE, ProjectServer


@pytest.mark.skipif(17 not in installations(), reason="PostgreSQL 17 is not here")
def test_a_project_is_backed_up_drilled_and_brought_back(playbooks: Playbooks, keys: Keys) -> None:
    with ProjectServer(17) as server:
        server.fill()
        passwords = server.query(DATABASE, "SELECT id, encrypted_password FROM auth.users ORDER BY id")
        login = {**server.login(DATABASE), "login_user": ROLE, "login_password": server.role_password}
        inventory = playbooks.inventory(
            {"shop": {}},
            **{f"backup_{name}": value for name, value in login.items()},
            backup_profile="supabase",
            backup_environment="staging",
            backup_pg_bin_dir=str(server.bin_dir),
            backup_recipients=keys.recipients,
            backup_signing_key=str(keys.signing),
            backup_verify_key=[str(keys.verify)],
            backup_locations=[{"name": "disk", "type": "local", "path": str(playbooks.directory / "sets")}],
            backup_tables=[{"name": "notes", "priority": 1, "fingerprint": True}],
            verify_identities=[str(keys.identity)],
            restore_identities=[str(keys.identity)],
            restore_table_identities=[str(keys.identity)],
        )
        assert playbooks.run("mobul.backup.weekly", inventory).status == 0
        assert playbooks.run("mobul.backup.verify", inventory).status == 0

        server.as_role("DELETE FROM public.notes")
        given = {"expect_environment": "staging", "table": "notes", "restore_table_strategy": "merge"}
        run = playbooks.run("mobul.backup.restore_table", inventory, "-e", json.dumps(given))
        assert run.status == 0
        assert server.query(DATABASE, "SELECT count(*) FROM public.notes") == [(5,)]

        server.as_role("DELETE FROM public.notes; UPDATE auth.users SET encrypted_password = 'lost'")
        given = {"expect_environment": "staging", "expect_database": DATABASE}
        assert playbooks.run("mobul.backup.restore", inventory, "-e", json.dumps(given)).status == 0
        assert server.query(DATABASE, "SELECT id, encrypted_password FROM auth.users ORDER BY id") == passwords
        assert server.query(DATABASE, "SELECT count(*) FROM public.notes") == [(5,)]
