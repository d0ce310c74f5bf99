"""What only superusers restore is told by the entry of the dump; everything else is not."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import Section, TocEntry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.named_roles import roles_of_entry
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.reserved import is_reserved


def entry(desc: str, defn: str = "", owner: str = "") -> TocEntry:
    return TocEntry(
        dump_id=1, had_dumper=False, table_oid=0, oid=0, tag="x", desc=desc, section=Section.PRE_DATA, defn=defn,
        drop_stmt="", copy_stmt="", namespace="public", tablespace="", tableam="", relkind="", owner=owner,
        dependencies=(), data_offset=None, position=0, size=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("desc", "defn"),
    [
        ("EVENT TRIGGER", ""),
        ("FUNCTION", "CREATE FUNCTION public.f() RETURNS int\n    LANGUAGE c STRICT\n    AS 'lib', 'f';\n"),
        ("FUNCTION", "CREATE FUNCTION public.f() RETURNS int\n    LANGUAGE sql LEAKPROOF\n    AS $$SELECT 1$$;\n"),
        ("TYPE", "CREATE TYPE public.t (\n    INTERNALLENGTH = variable,\n    INPUT = public.in\n);\n"),
        ("CAST", "CREATE CAST (public.a AS public.b) WITHOUT FUNCTION;\n"),
        ("PUBLICATION", "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');\n"),
        ("ACL", "SET SESSION AUTHORIZATION a;\nGRANT SELECT ON TABLE public.t TO b;\nRESET SESSION AUTHORIZATION;\n"),
    ],
)
def test_what_only_superusers_make(desc: str, defn: str) -> None:
    assert is_reserved(entry(desc, defn), 170000)


@pytest.mark.parametrize(
    ("desc", "defn"),
    [
        ("FUNCTION", "CREATE FUNCTION public.f() RETURNS int\n    LANGUAGE plpgsql\n    AS $$-- LANGUAGE c\n$$;\n"),
        ("TYPE", "CREATE TYPE public.t AS ENUM (\n    'a'\n);\n"),
        ("CAST", "CREATE CAST (public.a AS public.b) WITH FUNCTION public.f(public.a);\n"),
        ("PUBLICATION", "CREATE PUBLICATION p WITH (publish = 'insert');\n"),
        ("ACL", "GRANT SELECT ON TABLE public.t TO b;\n"),
        ("TABLE", "CREATE TABLE public.t (a int);\n"),
    ],
)
def test_what_others_make(desc: str, defn: str) -> None:
    assert not is_reserved(entry(desc, defn), 170000)


def test_subscriptions_are_for_others_since_16() -> None:
    one = entry("SUBSCRIPTION", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p")
    assert is_reserved(one, 150000)
    assert not is_reserved(one, 160000)


@pytest.mark.parametrize(
    ("desc", "defn", "roles"),
    [
        ("TABLE", "", {"o"}),
        (
            "ACL",
            'REVOKE ALL ON TABLE public.t FROM PUBLIC;\nGRANT ALL ON TABLE t TO "r ""x";\n',
            {"o", 'r "x'},
        ),
        ("ACL", "GRANT ALL ON SCHEMA public TO r WITH GRANT OPTION;\n", {"o", "r"}),
        ("ACL", "SET SESSION AUTHORIZATION g;\nGRANT ALL ON SCHEMA public TO r;\n", {"o", "g", "r"}),
        (
            "DEFAULT ACL",
            "ALTER DEFAULT PRIVILEGES FOR ROLE m IN SCHEMA s GRANT ALL ON TABLES TO r;\n",
            {"o", "m", "r"},
        ),
        ("POLICY", "CREATE POLICY p ON public.t FOR SELECT TO a, b USING (true);\n", {"o", "a", "b"}),
        ("DATABASE PROPERTIES", "ALTER ROLE r IN DATABASE shop SET work_mem TO '4MB';\n", {"o", "r"}),
        ("USER MAPPING", "CREATE USER MAPPING FOR u SERVER s;\n", {"o", "u"}),
        ("USER MAPPING", "CREATE USER MAPPING FOR public SERVER s;\n", {"o"}),
    ],
)
def test_the_roles_that_an_entry_names(desc: str, defn: str, roles: set[str]) -> None:
    assert roles_of_entry(entry(desc, defn, owner="o")) == roles
