"""Rights on what is the platform's become those of the backup: for whom, by whom, and where they are left alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.profile import SUPABASE
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import Section, Toc, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.in_place.platform_rights import (
    plan_rights,
)

OWNER = "supabase_auth_admin"
TABLE = "CREATE TABLE auth.users (id uuid);\n"


def entry(dump_id: int, desc: str, tag: str, defn: str, *depends: int) -> TocEntry:
    return TocEntry(
        dump_id=dump_id, had_dumper=False, table_oid=0, oid=0, tag=tag, desc=desc, section=Section.PRE_DATA, defn=defn,
        drop_stmt="", copy_stmt="", namespace="auth", tablespace="", tableam="", relkind="", owner=OWNER,
        dependencies=depends, data_offset=None, position=0, size=0,
    )  # fmt: skip


def toc(*rights: str, table: str = TABLE) -> Toc:
    entries = [entry(1, "TABLE", "users", table)]
    if rights:
        entries.append(entry(2, "ACL", "TABLE users", "".join(f"{one};\n" for one in rights), 1))
    empty = Toc((1, 16, 0), 4, 8, "none", None, None, "postgres", "17", "17", 0, 0, ())
    return replace(empty, entries=tuple(entries))


def planned(backup: Toc, present: Toc, *, member: bool = True) -> list[str]:
    def lacking(roles: Collection[str]) -> Collection[str]:
        return () if member else roles

    found = plan_rights(SUPABASE, backup, present, "postgres", lacking)
    return [statement for one in found.statements for statement in one]


def grant(whom: str, what: str = "SELECT") -> str:
    return f"GRANT {what} ON TABLE auth.users TO {whom}"


def revoke(whom: str, what: str = "SELECT", cascade: str = " CASCADE") -> str:
    return f"REVOKE {what} ON TABLE auth.users FROM {whom}{cascade}"


def by_role(*statements: str) -> str:
    inner = "".join(f"{one};\n" for one in statements)
    return f"SET SESSION AUTHORIZATION postgres;\n{inner}RESET SESSION AUTHORIZATION"


@pytest.mark.parametrize(
    ("backup", "present", "expected"),
    [
        ([grant("mine")], [grant("mine")], []),
        ([grant("mine")], [], [grant("mine")]),
        ([], [grant("mine")], [revoke("mine")]),
        ([grant('"a TO ""b;"')], [], [grant('"a TO ""b;"')]),
        ([grant("anon")], [grant("anon", "ALL")], [revoke("anon", "ALL"), grant("anon")]),
        ([grant("mine")], [f"{grant('mine')} WITH GRANT OPTION"], [revoke("mine"), grant("mine")]),
        ([revoke("PUBLIC", "ALL", "")], [], [revoke("PUBLIC", "ALL", "")]),
        ([], [revoke("PUBLIC", "ALL", "")], [grant("PUBLIC", "ALL")]),
        ([grant("mine"), "SELECT 1"], [], []),
        ([grant("mine")], ["SELECT 1"], []),
    ],
)
def test_the_owners_member_makes_them_those_of_the_backup(
    backup: list[str], present: list[str], expected: list[str]
) -> None:
    assert planned(toc(*backup), toc(*present)) == expected


def test_where_the_platform_has_changed_the_table_its_own_roles_keep_what_they_have() -> None:
    newer = toc(grant("anon"), grant("late"), table="CREATE TABLE auth.users (id uuid, more text);\n")
    assert planned(toc(grant("anon", "ALL"), grant("mine")), newer) == [revoke("late"), grant("mine")]


def test_who_is_no_member_of_the_owner_takes_back_and_gives_only_in_its_own_name() -> None:
    present = toc(grant("anon"), grant("theirs"), by_role(grant("late")))
    backup = toc(grant("mine"), grant("authenticated"), by_role(grant("anon", "INSERT")))
    assert planned(backup, present, member=False) == [revoke("late"), grant("mine"), grant("anon", "INSERT")]


def test_what_others_gave_is_left_to_them() -> None:
    theirs = by_role(grant("mine")).replace("postgres", '"someone ""else"')
    assert planned(toc(theirs), toc()) == []
