"""Harmless errors of pg_restore are known by name; with any other among them, nothing is overlooked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.complaints import (
    Complaint,
    Complaints,
)

ENTRIES = {
    3: ("SCHEMA", "", "public"),
    4: ("COMMENT", "", "SCHEMA public"),
    5: ("COMMENT", "", "EXTENSION pgcrypto"),
    6: ("INDEX", "public", "orders_by_client"),
    7: ("EVENT TRIGGER", "", "seen"),
}
PUBLIC = (3, 'schema "public" already exists', "CREATE SCHEMA public;")
OWNER = (5, "must be owner of extension pgcrypto", "COMMENT ON EXTENSION pgcrypto IS 'x';")
INDEX = (6, 'relation "orders_by_client" already exists', "CREATE INDEX ...")
TRIGGER = (7, 'permission denied to create event trigger "seen"', "CREATE EVENT TRIGGER seen ...")


def toc() -> Any:
    entries = {
        number: SimpleNamespace(desc=desc, namespace=namespace, tag=tag)
        for number, (desc, namespace, tag) in ENTRIES.items()
    }
    return SimpleNamespace(by_id=entries)


def stderr(*errors: tuple[int, str, str], ignored: int | None = None) -> str:
    """What pg_restore --verbose writes of them."""
    lines = ["pg_restore: connecting to database for restore"]
    for number, message, command in errors:
        desc, namespace, tag = ENTRIES[number]
        lines += [
            f'pg_restore: creating {desc} "{tag}"',
            "pg_restore: while PROCESSING TOC:",
            f"pg_restore: from TOC entry {number}; 2615 2200 {desc} {namespace or '-'} {tag} postgres",
            f"pg_restore: error: could not execute query: ERROR:  {message}",
            f"Command was: {command}",
            "",
        ]
    count = len(errors) if ignored is None else ignored
    return "\n".join([*lines, f"pg_restore: warning: errors ignored on restore: {count}", ""])


def never(_name: str) -> bool:
    return False


def test_errors_that_are_known_to_be_harmless_are_forgiven_and_told() -> None:
    complaints = Complaints(toc(), never)
    assert complaints.tolerates(stderr(PUBLIC, OWNER))
    assert complaints.tolerated == [
        Complaint("SCHEMA public", 'schema "public" already exists'),
        Complaint("COMMENT EXTENSION pgcrypto", "must be owner of extension pgcrypto"),
    ]


@pytest.mark.parametrize(
    "errors",
    [
        (INDEX,),
        (PUBLIC, INDEX),
        ((3, "permission denied for database shop", "CREATE SCHEMA public;"),),
        ((6, 'schema "public" already exists', "CREATE INDEX"),),
        ((5, "extension pgcrypto does not exist", "COMMENT"),),
    ],
    ids=["unknown", "one unknown", "another error of a known object", "a known error of another", "another reason"],
)
def test_anything_else_is_not_and_nothing_beside_it(errors: tuple[tuple[int, str, str], ...]) -> None:
    complaints = Complaints(toc(), never)
    assert not complaints.tolerates(stderr(*errors))
    assert complaints.tolerated == []


def test_what_the_inventory_expects_is_forgiven_whatever_the_error() -> None:
    assert Complaints(toc(), lambda name: name == "EVENT TRIGGER seen").tolerates(stderr(TRIGGER, PUBLIC))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pg_restore: error: connection to server was lost\n",
        stderr(PUBLIC, ignored=2),
        stderr(PUBLIC).partition("pg_restore: warning")[0],
        "pg_restore: error: could not execute query: ERROR:  of nobody\n" + stderr(PUBLIC, ignored=2),
        stderr(PUBLIC) + "pg_restore: error: could not write: disk full\n",
        stderr(PUBLIC).replace("entry 3;", "entry 99;"),
    ],
    ids=["nothing", "no object", "one not told", "cut off", "one before any object", "another kind", "no such entry"],
)
def test_what_cannot_be_told_apart_is_never_forgiven(text: str) -> None:
    assert not Complaints(toc(), lambda _name: True).tolerates(text)


UNKNOWN = (
    "pg_restore: while INITIALIZING:\n"
    'pg_restore: error: could not execute query: FEHLER:  unbekannt: "transaction_timeout"\n'
    "Command was: SET transaction_timeout = 0;\n"
)


def test_a_timeout_that_an_older_server_does_not_know_is_no_error_in_any_language() -> None:
    complaints = Complaints(toc(), never, unknown=("transaction_timeout",))
    assert complaints.tolerates(UNKNOWN + stderr(PUBLIC, ignored=2))
    assert not complaints.tolerates(UNKNOWN + stderr(INDEX, ignored=2))
    assert not complaints.tolerates(UNKNOWN.replace("transaction_timeout = 0", "role = 0") + stderr(PUBLIC, ignored=2))
    assert not Complaints(toc(), never).tolerates(UNKNOWN + stderr(PUBLIC, ignored=2))


def test_what_could_not_be_restored_is_explained_by_its_name_and_without_values() -> None:
    text = stderr(INDEX).replace('relation "orders_by_client" already exists', 'invalid input for x: "Ann"')
    error = Complaints(toc(), never).explain("restore", text)
    assert error is not None
    assert "INDEX public.orders_by_client: invalid input for x: (a value)" in str(error)
    assert "expected_differences: ['INDEX public.orders_by_client']" in str(error)
    assert Complaints(toc(), never).explain("restore", "pg_restore: error: connection lost\n") is None


def test_an_entry_that_quotes_such_a_setting_is_an_error_like_any_other() -> None:
    complaints = Complaints(toc(), never, unknown=("transaction_timeout",))
    quoting = (6, "no such thing", "CREATE INDEX\nCommand was: SET transaction_timeout = 0;")
    assert not complaints.tolerates(UNKNOWN + stderr(PUBLIC, quoting, ignored=3))


def test_an_extension_that_the_server_lacks_is_to_be_installed_or_expected() -> None:
    lacking = (5, 'extension "pgcrypto" is not available', "CREATE EXTENSION pgcrypto;")
    error = Complaints(toc(), never).explain("restore", stderr(lacking))
    assert error is not None
    assert "install the extension on this server; or expected_differences" in str(error)
