"""What of one table calls out while rows are put into it, in a database that is in use, and what keeps it from that."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ...errors import PreflightError
from ...postgres.archive import TocEntry, object_name
from ...postgres.foreign_code import RESTRICTION, knows_restriction
from ...postgres.types import Cursor
from ...texts import bounded_list
from .calls import FIND_CALLS
from .forecast import Forecast
from .muting import giving_back_script, muting_script
from .statements import in_block

_CATALOGUES = {
    name: f"'pg_catalog.pg_{name}'::pg_catalog.regclass"
    for name in (
        *("amproc", "attrdef", "cast", "class", "constraint", "opclass", "operator", "proc", "rewrite"),
        "statistic_ext",
    )
}
_UP = """
      SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
        AND d.classid = {rewrite} JOIN {below} ON d.refclassid = {class} AND d.refobjid = {below}.oid
        WHERE r.ev_class <> {below}.oid""".replace("{rewrite}", _CATALOGUES["rewrite"]).replace(
    "{class}", _CATALOGUES["class"]
)
_FIND = f"""{FIND_CALLS}
  WITH RECURSIVE tables (oid) AS (
    SELECT pg_catalog.current_setting('mobul.relation')::oid
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tables ON tables.oid = i.inhparent
  ),
  trees (oid) AS (
    SELECT oid FROM tables UNION SELECT relid FROM tables, pg_catalog.pg_partition_ancestors(tables.oid)
  ),
  means (classid, objid) AS (
    SELECT {_CATALOGUES["proc"]}::oid, k.oid::oid FROM pg_catalog.jsonb_object_keys(calling) AS k (oid)
    UNION
    SELECT next.classid, next.objid FROM means CROSS JOIN LATERAL (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
      WHERE d.refclassid = means.classid AND d.refobjid = means.objid
        AND d.classid IN ({_CATALOGUES["amproc"]}, {_CATALOGUES["cast"]}, {_CATALOGUES["operator"]})
      UNION ALL
      SELECT {_CATALOGUES["opclass"]}, o.oid FROM pg_catalog.pg_amproc a
      JOIN pg_catalog.pg_opclass o ON o.opcfamily = a.amprocfamily
      WHERE means.classid = {_CATALOGUES["amproc"]} AND a.oid = means.objid
      UNION ALL
      SELECT {_CATALOGUES["opclass"]}, o.oid FROM pg_catalog.pg_amop a
      JOIN pg_catalog.pg_opclass o ON o.opcfamily = a.amopfamily
      WHERE means.classid = {_CATALOGUES["operator"]} AND a.amopopr = means.objid
    ) AS next
  ),
  direct AS (
    SELECT d.classid, d.objid FROM means
    JOIN pg_catalog.pg_depend d ON d.refclassid = means.classid AND d.refobjid = means.objid
  ),
  kinds (oid) AS (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN tables ON a.attrelid = tables.oid WHERE NOT a.attisdropped
    UNION
    SELECT next.oid FROM kinds CROSS JOIN LATERAL (
      SELECT pg_catalog.unnest(ARRAY[t.typbasetype, t.typelem]) AS oid FROM pg_catalog.pg_type t WHERE t.oid = kinds.oid
      UNION ALL
      SELECT a.atttypid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
      WHERE t.oid = kinds.oid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT r.rngsubtype FROM pg_catalog.pg_range r
      WHERE kinds.oid IN (r.rngtypid, (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid)
    ) AS next WHERE next.oid <> 0
  ),
  readers (oid) AS (SELECT oid FROM tables UNION {_UP.replace("{below}", "readers")}),
  loud (oid) AS (
    SELECT o FROM pg_catalog.unnest(outside) AS o
    UNION SELECT r.ev_class FROM direct JOIN pg_catalog.pg_rewrite r
      ON direct.classid = {_CATALOGUES["rewrite"]} AND direct.objid = r.oid
  ),
  louder (oid) AS (SELECT oid FROM loud UNION {_UP.replace("{below}", "louder")})
  SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c) ORDER BY c.name), '[]') INTO entry FROM (
    SELECT 'constraint ' || o.conname AS name, o.contype IN ('p', 'u', 'x') AS stored
    FROM direct JOIN pg_catalog.pg_constraint o ON direct.classid = {_CATALOGUES["constraint"]} AND direct.objid = o.oid
    WHERE o.conrelid IN (SELECT oid FROM tables) OR o.contypid IN (SELECT oid FROM kinds)
    UNION
    SELECT 'partition key of ' || c.relname, true
    FROM direct JOIN pg_catalog.pg_class c ON direct.classid = {_CATALOGUES["class"]} AND direct.objid = c.oid
    WHERE c.relkind = 'p' AND c.oid IN (SELECT oid FROM trees)
    UNION
    SELECT 'column ' || a.attname, true
    FROM direct JOIN pg_catalog.pg_attrdef f ON direct.classid = {_CATALOGUES["attrdef"]} AND direct.objid = f.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE f.adrelid IN (SELECT oid FROM tables) AND a.attgenerated <> ''
    UNION
    SELECT 'index ' || c.relname, true
    FROM direct JOIN pg_catalog.pg_index i ON direct.classid = {_CATALOGUES["class"]} AND direct.objid = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid IN (SELECT oid FROM tables)
    UNION
    SELECT 'statistics ' || s.stxname, false
    FROM direct JOIN pg_catalog.pg_statistic_ext s
      ON direct.classid = {_CATALOGUES["statistic_ext"]} AND direct.objid = s.oid
    WHERE s.stxrelid IN (SELECT oid FROM tables)
    UNION
    SELECT 'materialized view ' || c.relname, NULL::bool
    FROM readers JOIN louder USING (oid) JOIN pg_catalog.pg_class c USING (oid)
    WHERE c.relkind = 'm' AND c.relispopulated
  ) AS c;
  PERFORM pg_catalog.set_config('mobul.calls', entry::text, true);
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class TableCalls:
    """What the server would call out for.

    :param checked: needs no answer.
    :param stored: stores what it is answered.
    :param views: materialized views on the table that only a call can fill.
    """

    checked: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    views: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of all objects that would call out."""
        return [*self.checked, *self.stored, *self.views]

    @property
    def analyzed(self) -> bool:
        """Whether the table's statistics can be collected without a call."""
        return not any(name.lower().startswith(("index ", "statistics ")) for name in self.names)

    def refuse_stored(self, table: str, *, refreshes: bool) -> None:
        """Refuse what would be wrong without a call.

        :param refreshes: whether materialized views on the table are filled, too.
        :raises PreflightError: naming it.
        """
        if wrong := [*self.stored, *(self.views if refreshes else ())]:
            raise PreflightError(
                "check the table",
                f"to fill it the server would have to call out, which a restore does not allow: {table} has "
                f"{bounded_list(wrong)}",
                hint="nothing was touched; outbound: active allows the call",
            )

    def before(self, server_version_num: int) -> Iterator[str]:
        """The statements in a transaction from which on nothing calls out."""
        if self.names:
            if knows_restriction(server_version_num):
                yield f"SET LOCAL {RESTRICTION} TO 'foreign-table'"
            yield muting_script(raising=not self.checked, needed=self.names)

    def after(self) -> Iterator[str]:
        """The statements that restore the functions' own bodies."""
        if self.names:
            yield giving_back_script()


NO_CALLS = TableCalls()


def find_table_calls(execute: Callable[[str], Cursor], oid: int) -> TableCalls:
    """Look at one table of the database, its partitions and heirs among it, in one transaction.

    :param execute: runs a statement in it.
    """
    execute(f"SET LOCAL mobul.relation TO '{oid:d}'")
    execute(in_block(_FIND))
    row = execute("SELECT pg_catalog.current_setting('mobul.calls')").fetchone()
    found = [] if row is None else json.loads(row[0])
    checked, stored, views = (
        tuple(one["name"] for one in found if one["stored"] is kind) for kind in (False, True, None)
    )
    return TableCalls(checked, stored, views)


def foreseen_calls(forecast: Forecast, made: Collection[TocEntry]) -> TableCalls:
    """The same of a table that is gone, told by what of a dump is made."""
    names = set(map(object_name, made))
    return TableCalls(
        checked=tuple(name for name in forecast.checked if name in names),
        stored=tuple(name for name in forecast.stored if name in names),
        views=tuple(
            object_name(one)
            for one in made
            if one.desc == "MATERIALIZED VIEW" and (one.namespace, one.tag) in forecast.views
        ),
    )
