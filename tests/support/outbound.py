"""A database that would call out, and what it has called."""

from __future__ import annotations

from typing import Any

from .postgres import PostgresServer

_CALLING = """
CREATE SCHEMA net;
CREATE FUNCTION net.http_post(url text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
  PERFORM public.dblink_exec({way}, pg_catalog.format('INSERT INTO heard VALUES (%L)', url)); RETURN 1; END $$;
CREATE TABLE orders (id int PRIMARY KEY, stamp text);
INSERT INTO orders VALUES (1), (2);
CREATE FUNCTION send(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM net.http_post(what); END $$;
CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM "public" . "send"(TG_NAME); RETURN NEW; END $$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.stamp := 'here'; RETURN NEW; END $$;
CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'SELECT net.http_post($1)' USING 'x'; RETURN NEW; END $$;
CREATE TRIGGER hook AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hook();
CREATE TRIGGER "always so" AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION later();
CREATE TRIGGER for_replicas AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hook();
CREATE TRIGGER was_disabled AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hook();
CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE orders ENABLE ALWAYS TRIGGER "always so";
ALTER TABLE orders ENABLE REPLICA TRIGGER for_replicas;
ALTER TABLE orders DISABLE TRIGGER was_disabled;
CREATE RULE told AS ON UPDATE TO orders DO ALSO SELECT send('rule');
CREATE TABLE tree (a int) PARTITION BY LIST (a);
CREATE TABLE one PARTITION OF tree FOR VALUES IN (1);
CREATE TABLE two PARTITION OF tree FOR VALUES IN (2);
CREATE TRIGGER hook AFTER INSERT ON tree FOR EACH ROW EXECUTE FUNCTION hook();
ALTER TABLE two ENABLE ALWAYS TRIGGER hook;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders;
"""
_ON_DDL = """
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM send(TG_TAG); END $$;
CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
COMMENT ON EVENT TRIGGER on_ddl IS 'tells the world';
CREATE EVENT TRIGGER off_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
ALTER EVENT TRIGGER off_ddl DISABLE;
"""
"""Triggers in every state, on a table and on partitions; a rule; event triggers; and one trigger that calls nobody."""
PAUSED = {
    ("event trigger", "on_ddl"),
    ("rule", "told on public.orders"),
    ("trigger", "always so on public.orders"),
    ("trigger", "for_replicas on public.orders"),
    ("trigger", "hook on public.one"),
    ("trigger", "hook on public.orders"),
    ("trigger", "hook on public.tree"),
    ("trigger", "hook on public.two"),
}
"""What of it a restore pauses."""

_STATES = """
SELECT 'trigger', c.relname || '.' || tgname, tgenabled::text FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
  WHERE NOT tgisinternal
UNION ALL SELECT 'rule', rulename, ev_enabled::text FROM pg_rewrite WHERE oid >= 16384 AND ev_type <> '1'
UNION ALL SELECT 'event trigger', evtname, evtenabled::text FROM pg_event_trigger
UNION ALL SELECT 'subscription', subname, subenabled::text FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
  WHERE d.datname = current_database()
ORDER BY 1, 2
"""
_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"


def states(server: PostgresServer, database: str) -> list[tuple[Any, ...]]:
    """Every trigger, rule, event trigger and subscription with what the catalogue says of its state."""
    return server.query(database, _STATES)


def comment(server: PostgresServer, database: str) -> str | None:
    """The comment of a database."""
    text: str | None = server.query(database, _COMMENT)[0][0]
    return text


def make_calling(server: PostgresServer, owner: str | None = None) -> str:
    """Such a database; another one, ``<name>_heard``, hears what it calls, whatever becomes of the caller.

    :param owner: of it and of all in it, who is no superuser, and so can have no event triggers.
    """
    name = server.create_database(owner=owner)
    server.query("postgres", f"CREATE DATABASE {name}_heard")
    server.query(f"{name}_heard", "CREATE TABLE heard (what text)")
    way = (
        f"host={server.host} port={server.port} user={server.superuser} password={server.password} dbname={name}_heard"
    )
    server.query(name, "CREATE EXTENSION dblink")
    calling = _CALLING.replace("{way}", f"'{way}'")
    server.query(name, f"{calling}{_ON_DDL}" if owner is None else f'SET ROLE "{owner}";{calling}')
    called(server, name)
    return name


def use(server: PostgresServer, database: str) -> list[str]:
    """Do everything that would call out; returns what was called since the last time."""
    server.query(
        database,
        "INSERT INTO orders VALUES ((SELECT max(id) + 1 FROM orders)); UPDATE orders SET stamp = 'x' WHERE id = 1;"
        "INSERT INTO tree VALUES (1), (2); CREATE TABLE made (a int); DROP TABLE made",
    )
    return called(server, database)


def called(server: PostgresServer, database: str) -> list[str]:
    """The calls since the last time this was called."""
    return [what for (what,) in server.query(f"{database}_heard", "DELETE FROM heard RETURNING what")]


def told(report: dict[str, Any], key: str = "paused") -> set[tuple[str, str]]:
    """Kinds and names in a report."""
    return {(one["kind"], one["name"]) for one in report[key]}
