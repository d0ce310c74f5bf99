"""Promises of the schema's digests; those about a restored copy are in ``tests/integration/archive``."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Sequence

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import (
    ArchiveWalker,
    schema_fingerprint,
    schema_objects,
)
from hypothesis import given
from hypothesis import strategies as st
from support.archives import PREAMBLE, SMALL, ArchiveBuilder, Entry


def objects(*entries: Entry, compression: int = 0, **options: bool) -> dict[str, str]:
    walker = ArchiveWalker()
    walker.update(ArchiveBuilder(entries, compression=compression).toc())
    return schema_objects(walker.toc, **options)


def renumbered(entries: Sequence[Entry]) -> list[Entry]:
    return [
        dataclasses.replace(entry, dump_id=number, oid=entry.oid + 1000)
        for number, entry in enumerate(entries, start=500)
    ]


def defined(desc: str, definition: str) -> str:
    [digest] = objects(Entry(5, desc, "x", definition)).values()
    return digest


def test_objects_are_told_by_kind_schema_and_name() -> None:
    found = objects(*SMALL, Entry(40, "SCHEMA", "app", "CREATE SCHEMA app;\n", namespace=None))
    assert set(found) == {
        "TABLE public.tall",
        "TABLE public.empty",
        "SEQUENCE SET public.s",
        "INDEX public.tall_n",
        "SCHEMA app",
    }
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in found.values())


def test_data_settings_and_the_database_itself_are_no_schema() -> None:
    entries = [
        Entry(4, "DATABASE", "shop", "CREATE DATABASE shop;\n", None),
        Entry(5, "DATABASE PROPERTIES", "shop", "ALTER DATABASE shop SET x = 1;\n", None),
        Entry(6, "COMMENT", "DATABASE shop", "COMMENT ON DATABASE shop IS 'x';\n", None),
        Entry(7, "ACL", "DATABASE shop", "GRANT CONNECT ON DATABASE shop TO x;\n", None),
        Entry(8, "SECURITY LABEL", "DATABASE shop", "SECURITY LABEL", None),
        Entry(9, "BLOB", "16401", "SELECT pg_catalog.lo_create('16401');\n", None),
        Entry(10, "BLOB METADATA", "16401..16402", "16401\n16402\n", None),
        Entry(11, "ACL", "LARGE OBJECT 16401", "GRANT SELECT ON LARGE OBJECT 16401 TO x;\n", None),
        Entry(12, "ACL", "LARGE OBJECTS 16401..16402", "GRANT SELECT ON LARGE OBJECT 16401 TO x;\n", None),
        Entry(13, "COMMENT", "LARGE OBJECT 16401", "COMMENT ON LARGE OBJECT 16401 IS 'x';\n", None),
        Entry(14, "MATERIALIZED VIEW DATA", "v", "REFRESH MATERIALIZED VIEW public.v;\n"),
        Entry(15, "STATISTICS DATA", "t", "SELECT pg_restore_relation_stats();\n"),
    ]
    assert objects(*PREAMBLE, *entries) == {}


def test_numbers_order_and_compression_do_not_count() -> None:
    shuffled = renumbered(SMALL)
    random.Random(1).shuffle(shuffled)
    assert objects(*shuffled, compression=3) == objects(*SMALL)


@pytest.mark.parametrize(
    "change",
    [
        {"defn": "CREATE TABLE public.tall (n bigint);\n"},
        {"owner": "other"},
        {"tablespace": "fast"},
        {"tableam": "columnar"},
        {"tag": "taller"},
        {"namespace": "app"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_an_object_shows(change: dict[str, str]) -> None:
    table = SMALL[3]
    before, after = objects(table), objects(dataclasses.replace(table, **change))
    assert before != after
    assert schema_fingerprint(before) != schema_fingerprint(after)


def test_fields_do_not_run_into_each_other() -> None:
    one = objects(Entry(5, "TABLE", "t", "ab", owner="c"))
    assert one != objects(Entry(5, "TABLE", "t", "a", owner="bc"))


def test_owners_privileges_and_sequence_values_can_be_left_out() -> None:
    entries = [
        SMALL[3],
        Entry(12, "SEQUENCE SET", "s", "SELECT pg_catalog.setval('public.s', 42, true);\n"),
        Entry(13, "ACL", "TABLE tall", "GRANT SELECT ON TABLE public.tall TO x;\n"),
        Entry(
            14, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO x;\n"
        ),
    ]
    other = [dataclasses.replace(entry, owner="other") for entry in entries]
    assert objects(*entries, owners=False) == objects(*other, owners=False)
    assert set(objects(*entries, privileges=False)) == {"TABLE public.tall", "SEQUENCE SET public.s"}
    assert "SEQUENCE SET public.s" not in objects(*entries, sequence_values=False)


def test_objects_of_one_name_are_all_there_whatever_their_order() -> None:
    same = [Entry(n, "OPERATOR", "=", f"CREATE OPERATOR = ({n});\n") for n in (5, 6, 7)]
    found = objects(*same)
    assert set(found) == {"OPERATOR public.=", "OPERATOR public.= (2)", "OPERATOR public.= (3)"}
    assert len(set(found.values())) == 3
    assert objects(*renumbered(same[::-1])) == found


def test_a_name_that_looks_numbered_hides_no_other() -> None:
    same = [Entry(n, "TABLE", "t", f"CREATE TABLE {n};\n", namespace=None) for n in (5, 6)]
    found = objects(*same, Entry(7, "TABLE", "t (2)", "CREATE TABLE 7;\n", namespace=None))
    assert set(found) == {"TABLE t", "TABLE t (2)", "TABLE t (3)"}
    assert len(set(found.values())) == 3


def test_dots_in_names_hide_no_object() -> None:
    dotted = [Entry(5, "TABLE", "b.c", "CREATE 1;\n", "a"), Entry(6, "TABLE", "c", "CREATE 2;\n", "a.b")]
    assert len(objects(*dotted)) == 2


def test_the_order_of_grants_does_not_count_but_every_grant_does() -> None:
    one, two = "GRANT SELECT ON TABLE public.t TO a;\n", "GRANT SELECT ON TABLE public.t TO b;\n"
    granted = 'SET SESSION AUTHORIZATION a;\nGRANT SELECT ON TABLE public.t TO "c;\n";\nRESET SESSION AUTHORIZATION;\n'
    for desc in ("ACL", "DEFAULT ACL"):
        assert defined(desc, one + granted + two) == defined(desc, two + one + granted)
        assert defined(desc, one + two) != defined(desc, one)
        assert defined(desc, one + granted) != defined(
            desc, one + granted.replace("AUTHORIZATION a", "AUTHORIZATION b")
        )
        assert defined(desc, "GRANT x") != defined(desc, "GRANT y")
    assert defined("FUNCTION", one + two) != defined("FUNCTION", two + one)


@pytest.mark.parametrize("rest", [";\n", " USING (x IN (a, b));\n", " WITH CHECK (true);\n"])
def test_the_order_of_a_policys_roles_does_not_count_but_every_role_does(rest: str) -> None:
    start = "CREATE POLICY p ON public.t AS RESTRICTIVE FOR SELECT TO "
    policy = start + 'alice, "bob, (x)", "c""d"' + rest
    assert defined("POLICY", policy) == defined("POLICY", start + '"c""d", "bob, (x)", alice' + rest)
    assert defined("POLICY", policy) != defined("POLICY", start + '"bob, (x)", alice' + rest)
    assert defined("POLICY", policy) != defined("POLICY", start + '"c""d", "bob, (y)", alice' + rest)


def test_both_forms_of_a_list_of_varchars_are_one() -> None:
    stored = "CHECK (((k)::text = ANY ((ARRAY['x, ''y'::character varying, 'z'::character varying(5)])::text[])))"
    restored = (
        "CHECK (((k)::text = ANY (ARRAY[('x, ''y'::character varying)::text, ('z'::character varying(5))::text])))"
    )
    assert defined("CHECK CONSTRAINT", stored) == defined("CHECK CONSTRAINT", restored)
    assert defined("CHECK CONSTRAINT", stored) != defined("CHECK CONSTRAINT", restored.replace("'z'", "'w'"))


@pytest.mark.parametrize(
    ("desc", "definition"),
    [
        ("USER MAPPING", "CREATE USER MAPPING FOR u SERVER s OPTIONS (\n    password '{}',\n    \"user\" 'name'\n);\n"),
        (
            "SUBSCRIPTION",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h password={}' PUBLICATION p WITH (slot_name = 's');\n",
        ),
        ("SERVER", "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (\n    api_key '{}',\n    host 'h'\n);\n"),
        ("SERVER", "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (\n    \"Secret\" '{}'\n);\n"),
    ],
)
@pytest.mark.parametrize("password", ["geheim", "it''s", "a\\", ""])
def test_passwords_are_in_no_digest(desc: str, definition: str, password: str) -> None:
    assert defined(desc, definition.format("other")) == defined(desc, definition.format(password))
    assert defined(desc, definition.format(password)) != defined(desc, definition.format(password) + "ALTER")


def test_passwords_with_backslashes_are_in_no_digest() -> None:
    subscription = "CREATE SUBSCRIPTION s CONNECTION E'password={}' PUBLICATION p WITH (slot_name = 's');\n"
    mapping = "CREATE USER MAPPING FOR u SERVER s OPTIONS (\n    password E'{}',\n    \"user\" 'name'\n);\n"
    for desc, definition in (("SUBSCRIPTION", subscription), ("USER MAPPING", mapping)):
        digests = {defined(desc, definition.format(password)) for password in ("other", r"a\\", r"\'", r"''\\''")}
        assert len(digests) == 1


def test_a_servers_other_options_count() -> None:
    server = "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (\n    api_key 'k',\n    host 'h'\n);\n"
    assert defined("SERVER", server) != defined("SERVER", server.replace("'h'", "'i'"))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6))
def test_the_fingerprint_depends_on_nothing_but_the_mapping(mapping: dict[str, str]) -> None:
    assert schema_fingerprint(mapping) == schema_fingerprint(dict(reversed(mapping.items())))
    assert re.fullmatch("[0-9a-f]{64}", schema_fingerprint(mapping))
    assert schema_fingerprint(mapping) != schema_fingerprint({**mapping, "another key": "x"})
