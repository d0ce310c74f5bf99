"""A script is divided into statements as psql divides it, however its bytes come, and comes out as it went in."""

from __future__ import annotations

import random

from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.script_calls import (
    ActsOfScript,
    QuietScript,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.script_statements import (
    ScriptStatements,
)
from hypothesis import given
from hypothesis import strategies as st

_SCRIPT = rb"""-- a; comment
\restrict abc
SET x = 'a;b'; /* ; /* nested ; */ ' ; */ SELECT 'it''s;', E'\';\\', "a;""b", $$;$$, $a_1$ ; $$ ; $a_1$;
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 ELSE 2 END; SELECT 3; END;
CREATE OR REPLACE FUNCTION public."x"() RETURNS int LANGUAGE sql AS $_$ SELECT ';' $_$;
COPY a (b, c) FROM stdin;
x;	'
\.x
\\.
\.

COPY b FROM stdin;
\.
INSERT INTO t VALUES (1, 'a;b', '--');
INSERT INTO t VALUES (2, 'c:\d');
INSERT INTO t VALUES (3, E'\';', $$;$$), (4 - 1 / 2, ';');
CREATE RULE r AS ON UPDATE TO a DO ALSO (SELECT 1; SELECT 2);
SET standard_conforming_strings = off;
SELECT 'a\';b'; ;
DO $x$ begin; end $x$;
SELECT 1"""
_HEADS = [
    "SET X", "SELECT", "CREATE FUNCTION F", "CREATE OR REPLACE FUNCTION PUBLIC", "COPY A", "COPY B FROM STDIN",
    "CREATE RULE R AS ON", "SET STANDARD_CONFORMING_STRINGS OFF", "SELECT", "DO", "SELECT",
]  # fmt: skip


class _Heads(ScriptStatements):
    """What is told of a script."""

    def __init__(self) -> None:
        super().__init__()
        self.before_heads: list[str] = []
        self.texts: list[tuple[str, bytes]] = []

    def before(self, head: str) -> bytes:
        self.before_heads.append(head)
        return b""

    def after(self, head: str, text: bytes) -> None:
        if not head.startswith("INSERT"):
            self.texts.append((head, text))


def _read(sizes: list[int]) -> tuple[bytes, _Heads]:
    reader, at, out = _Heads(), 0, b""
    for size in sizes:
        out += reader.update(_SCRIPT[at : at + size])
        at += size
    return out + reader.update(_SCRIPT[at:]) + reader.finalize(), reader


def test_statements_end_where_psql_ends_them() -> None:
    out, reader = _read([])
    assert out == _SCRIPT
    assert [head for head in reader.before_heads if not head.startswith("INSERT")] == _HEADS
    texts = dict(reader.texts)
    assert texts["CREATE FUNCTION F"].endswith(b"SELECT 3; END;")
    assert texts["CREATE RULE R AS ON"].endswith(b"SELECT 2);")


@given(st.integers(0, 2**32), st.sampled_from([(1, 2), (1, 7, 40), (3, 200)]))
def test_it_does_not_matter_how_the_bytes_come(seed: int, sizes: tuple[int, ...]) -> None:
    chosen = random.Random(seed)
    out, reader = _read([chosen.choice(sizes) for _piece in range(300)])
    assert out == _SCRIPT
    assert reader.texts == _read([])[1].texts


def test_what_a_script_does_by_itself_is_found() -> None:
    acts = ActsOfScript()
    acts.update(
        rb"""
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT net.http_get(1)';
        COPY a TO PROGRAM 'curl x'; COPY b FROM stdin;
        net.http_post()
\.
        DO $$ BEGIN PERFORM dblink_exec('x', 'y'); END $$;
        CREATE SUBSCRIPTION a CONNECTION 'x' PUBLICATION p WITH (connect = false);
        COMMENT ON TABLE a IS 'net.http_delete()'; SELECT pg_catalog.setval('a', 1);
        """
    )
    acts.finalize()
    assert acts.found == ["COPY of a file or a program", "dblink_exec"]
    acts.update(b"CREATE SUBSCRIPTION b CONNECTION 'x' PUBLICATION p;")
    assert acts.found[2:] == ["CREATE SUBSCRIPTION that connects to its publisher"]


def test_nothing_is_put_into_a_script_that_makes_nothing_that_calls() -> None:
    script = b"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'x'; CREATE TABLE a (); INSERT INTO a VALUES ();"
    quiet = QuietScript(within=False)
    assert quiet.update(script) + quiet.finalize() == script


def test_functions_that_call_are_muted_but_where_the_script_speaks_of_functions() -> None:
    quiet = QuietScript(within=False)
    statements = [
        "CREATE FUNCTION f() RETURNS int LANGUAGE plperlu AS 'x';",
        "CREATE TABLE a (b int);",
        "INSERT INTO a VALUES (1);",
        "DROP FUNCTION f();",
        "SELECT 1",
    ]
    out = quiet.update("\n".join(statements).encode()) + quiet.finalize()
    lines = out.decode().split("\n")
    # What comes before a statement is at the end of the line before, so that the lines keep their numbers.
    assert ["mobul.muted_for" in line for line in lines] == [True, False, False, True, False, False, False]
    assert ["mobul.kept" in line for line in lines] == [True, False, True, True, False, False, True]
    assert all(line.startswith(statement) for line, statement in zip(lines, statements, strict=False))
