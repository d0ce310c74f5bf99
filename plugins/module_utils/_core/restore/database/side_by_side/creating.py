"""A new, empty database that is made like the one that it will replace."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....errors import BackupError
from ....postgres.archive import Toc
from ....postgres.connection import ConnectionOptions
from ....postgres.messages import server_message
from ....postgres.types import Composable, Connection
from ..naming import Note
from ..subscriptions import release, subscriptions_of
from ..target import ExistingDatabase, Setting

STEP = "create the new database"
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
"""Settings whose values are lists of names: ``GUC_LIST_QUOTE`` in PostgreSQL's guc_tables.c."""
_ELEMENT = re.compile(r'"((?:[^"]|"")*)"|([^\s",][^",]*)')
_CLAUSES = re.compile(
    r" WITH TEMPLATE = template0"
    r"((?: (?:ENCODING|LOCALE_PROVIDER|LOCALE|LC_COLLATE|LC_CTYPE|BUILTIN_LOCALE|ICU_LOCALE|ICU_RULES)"
    r" = (?:'(?:[^']|'')*'|[a-z]+))*)(?: TABLESPACE = [^;]*)?;\s*\Z"
)
_ENCODING = re.compile(r" ENCODING = '[^']*'")
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_DEFAULT_TABLESPACE = "pg_default"
_DEFAULT_GRANTS = ("CONNECT", "TEMPORARY")


def create_database(
    connection: Connection,
    name: str,
    like: ExistingDatabase | None,
    owner: str,
    note: Note,
    *,
    toc: Toc | None,
    any_locale: bool = False,
) -> None:
    """Make it, empty, closed to the public, with a comment that says what it is.

    :param like: whose encoding, locale and tablespace it gets.
    :param owner: whose it is; that decides what others may make in it, as the schema public is its owner's.
    :param toc: where encoding and locale are from if there is none to be like.
    :param any_locale: of these, take the encoding alone.
    """
    from psycopg2 import Error, sql

    words: list[Composable] = [sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))]
    words.append(sql.SQL("OWNER {}").format(sql.Identifier(owner)))
    words += _like(like) if like is not None else [sql.SQL(_locale(toc, any_locale))]
    try:
        with connection.cursor() as cursor:
            # Whoever is cut off before the comment is there leaves a database that nobody can ever have been in.
            cursor.execute(sql.SQL(" ").join([*words, sql.SQL("ALLOW_CONNECTIONS false")]))
            cursor.execute(comment_on(name, note.to_text()))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))
    except Error as error:
        raise BackupError(STEP, f"{name}: {server_message(error)}") from None


def drop_database(connection: Connection, options: ConnectionOptions, name: str) -> list[str]:
    """End the sessions in a database and drop it; return warnings.

    :param options: the way to the server.
    :return: slots at publishers that its subscriptions had.
    """
    from psycopg2 import Error, sql

    try:
        subscriptions = subscriptions_of(connection, name)
        failed = release(options, name, subscriptions) if subscriptions else None
        if failed is not None:
            raise BackupError(
                "drop the database",
                f"{name} has subscriptions, which cannot be dropped: {failed}",
                hint="in it: ALTER SUBSCRIPTION ... DISABLE, SET (slot_name = NONE), DROP SUBSCRIPTION",
            )
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s AND datistemplate", [name])
            if cursor.fetchone():
                cursor.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except Error as error:
        raise BackupError("drop the database", f"{name}: {server_message(error)}") from None
    return [one.slot for one in subscriptions if one.slot is not None]


def comment_on(name: str, text: str | None) -> Composable:
    """COMMENT ON DATABASE; None removes the comment."""
    from psycopg2 import sql

    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))


def _locale(toc: Toc | None, any_locale: bool) -> str:
    """Encoding and locale as the dump's own CREATE DATABASE has them; nothing where it has none."""
    for entry in toc.entries if toc is not None else ():
        if entry.desc == "DATABASE" and (match := _CLAUSES.search(entry.defn)):
            encoding = _ENCODING.search(match[1])
            return (encoding[0] if encoding else "") if any_locale else match[1]
    return ""


def owner_of(toc: Toc | None) -> str | None:
    """Whom the database of a dump belonged to; None where it does not tell."""
    entries = toc.entries if toc is not None else ()
    return next((entry.owner for entry in entries if entry.desc == "DATABASE" and entry.owner), None)


def properties_of(toc: Toc | None, name: str) -> Iterator[Composable]:
    """Settings, grants and comment as a dump has them of its database, to be executed under that *name*."""
    from psycopg2 import sql

    if toc is None or toc.database != name:
        return
    for entry in toc.entries:
        if entry.desc == "DATABASE PROPERTIES" or (
            entry.desc in ("ACL", "COMMENT") and not entry.namespace and entry.tag.startswith("DATABASE ")
        ):
            yield sql.SQL(entry.defn)


def _like(existing: ExistingDatabase) -> Iterator[Composable]:
    from psycopg2 import sql

    row = existing.row
    if existing.tablespace != _DEFAULT_TABLESPACE:
        # Even to name the default one takes a right of its own.
        yield sql.SQL("TABLESPACE {}").format(sql.Identifier(existing.tablespace))
    yield sql.SQL("ENCODING {}").format(sql.Literal(existing.encoding))
    yield sql.SQL("LC_COLLATE {}").format(sql.Literal(row["datcollate"]))
    yield sql.SQL("LC_CTYPE {}").format(sql.Literal(row["datctype"]))
    provider = _PROVIDERS.get(row.get("datlocprovider", "c"), "libc")
    if provider == "libc":
        return
    locale = row.get("datlocale") or row.get("daticulocale")
    option = "ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"
    yield sql.SQL("LOCALE_PROVIDER {} {} {}").format(sql.SQL(provider), sql.SQL(option), sql.Literal(locale))
    if row.get("daticurules"):
        yield sql.SQL("ICU_RULES {}").format(sql.Literal(row["daticurules"]))


def carry_over(name: str, existing: ExistingDatabase | None) -> Iterator[Composable]:
    """The statements that give database *name* the settings, grants and limits of another one.

    They come with the exchange, so that the load itself runs under none of them.
    """
    from psycopg2 import sql

    target = sql.Identifier(name)
    grants = None if existing is None else existing.grants
    if existing is None or grants is None:
        yield sql.SQL("GRANT {} ON DATABASE {} TO PUBLIC").format(sql.SQL(", ".join(_DEFAULT_GRANTS)), target)
        if existing is None:
            return
    else:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(target, sql.Identifier(existing.owner))
        for grant in grants:
            role = sql.SQL("PUBLIC") if grant.role is None else sql.Identifier(grant.role)
            option = sql.SQL(" WITH GRANT OPTION" if grant.grantable else "")
            privilege = sql.SQL(grant.privilege)
            yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(privilege, target, role, option)
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(target, sql.Literal(existing.connection_limit))
    yield from set_template(name, existing, is_template=True)
    if not existing.allows_connections:
        yield sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(target)
    for setting in existing.settings:
        yield _set(target, setting)


def set_template(name: str, like: ExistingDatabase, *, is_template: bool) -> Iterator[Composable]:
    """Make database *name* a template, which nobody can drop, or an ordinary one, where *like* is a template."""
    from psycopg2 import sql

    if like.is_template:
        word = sql.SQL("true" if is_template else "false")
        yield sql.SQL("ALTER DATABASE {} IS_TEMPLATE {}").format(sql.Identifier(name), word)


def _set(target: Composable, setting: Setting) -> Composable:
    from psycopg2 import sql

    values: list[Composable] = [sql.Literal(setting.value)]
    if setting.name in _LISTS:
        found = _ELEMENT.finditer(setting.value)
        values = [
            sql.Literal((match[1] or "").replace('""', '"') if match[2] is None else match[2].strip())
            for match in found
        ]
    who = sql.SQL("ALTER DATABASE {}").format(target)
    if setting.role is not None:
        who = sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(setting.role), target)
    name = sql.SQL(".").join(map(sql.Identifier, setting.name.split(".")))
    return sql.SQL("{} SET {} TO {}").format(who, name, sql.SQL(", ").join(values or [sql.Literal("")]))
