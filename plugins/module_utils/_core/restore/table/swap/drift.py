"""Whether what depends on a table is still what it was when the plan was made."""

from __future__ import annotations

from ....errors import PreflightError
from ..session import Session
from ..target import Target

STEP = "exchange the tables"
_CATALOGUES = (
    "pg_attrdef", "pg_constraint", "pg_policy", "pg_proc", "pg_publication_rel", "pg_rewrite", "pg_statistic_ext",
    "pg_trigger",
)  # fmt: skip

# From the table and its row type to all that depends on them; from a view's rule to the view. Not through sequences,
# on which the new table's defaults depend too.
_CLOSURE = """
WITH RECURSIVE closure (classid, objid) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, %(oid)s::oid
    UNION SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, %(type)s::oid
    UNION SELECT found.classid, found.objid FROM closure AS c, LATERAL (
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        WHERE d.refclassid = c.classid AND d.refobjid = c.objid
        UNION ALL SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
        WHERE d.classid = c.classid AND d.objid = c.objid AND d.deptype = 'i'
          AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    ) AS found
    WHERE NOT (c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid = c.objid AND s.relkind = 'S'))
)
"""
_RELATIONS = """
SELECT pg_catalog.concat_ws('|', x.relname, x.relnamespace, x.relowner, x.relacl, x.reloptions, x.relrowsecurity,
                            x.relforcerowsecurity, x.relreplident, x.reltablespace)
FROM pg_catalog.pg_class x JOIN closure ON closure.objid = x.oid
 AND closure.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
UNION ALL
SELECT pg_catalog.concat_ws('|', x.attrelid, x.attname, x.atttypid, x.atttypmod, x.attnotnull, x.attacl,
                            x.attstattarget, x.attoptions, x.attstorage)
FROM pg_catalog.pg_attribute x JOIN closure ON closure.objid = x.attrelid
 AND closure.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
UNION ALL
SELECT pg_catalog.concat_ws('|', x.classoid, x.objoid, x.objsubid, x.description)
FROM pg_catalog.pg_description x JOIN closure ON closure.objid = x.objoid AND closure.classid = x.classoid
UNION ALL
SELECT pg_catalog.concat_ws('|', x.classoid, x.objoid, x.objsubid, x.provider, x.label)
FROM pg_catalog.pg_seclabel x JOIN closure ON closure.objid = x.objoid AND closure.classid = x.classoid
"""
_ROWS = """
SELECT pg_catalog.md5(x::text) FROM pg_catalog.@ x JOIN closure
 ON closure.objid = x.oid AND closure.classid = 'pg_catalog.@'::pg_catalog.regclass
"""
_DIGEST = f"""{_CLOSURE}
SELECT pg_catalog.md5(pg_catalog.string_agg(item, E'\\n' ORDER BY item COLLATE "C")) FROM (
SELECT pg_catalog.concat_ws('|', classid, objid) AS item FROM closure
UNION ALL {_RELATIONS}
UNION ALL {" UNION ALL ".join(_ROWS.replace("@", catalogue) for catalogue in _CATALOGUES)}
) AS items
"""  # noqa: S608 - made of constants


class Watch:
    """Remembers the definitions of objects that depend on a table."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._target = target
        self._before = self._digest()

    def check(self) -> None:
        """Raise :class:`PreflightError` if one of the definitions has changed."""
        if self._digest() != self._before:
            raise PreflightError(
                STEP,
                f"somebody has changed {self._target.name}, or what depends on it, meanwhile",
                hint="nothing was changed; run again",
            )

    def _digest(self) -> str:
        given = {"oid": self._target.oid, "type": self._target.type_oid}
        return str(self._session.value(_DIGEST, given))
