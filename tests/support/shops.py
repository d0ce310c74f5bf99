"""A database of several owners, and roles as docs/rights.md has them for whoever restores it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .postgres import PostgresServer
from .programs import PROJECT
from .restore_runs import databases, rename

PAGE = (PROJECT / "docs" / "rights.md").read_text()
_BLOCK = re.compile(r"```sql\n(.*?)```", re.DOTALL)
_CONTENTS = """
GRANT CREATE ON SCHEMA public TO other_owner;
CREATE SCHEMA other AUTHORIZATION other_owner;
CREATE SCHEMA mixed AUTHORIZATION shop_owner;
GRANT ALL ON SCHEMA mixed TO other_owner;
SET ROLE shop_owner;
CREATE EXTENSION citext;
CREATE TABLE clients (id int PRIMARY KEY, name citext NOT NULL);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int REFERENCES clients, paid numeric);
CREATE VIEW totals AS SELECT client, sum(paid) AS paid FROM orders GROUP BY client;
CREATE MATERIALIZED VIEW stored AS SELECT * FROM totals;
CREATE STATISTICS both_of ON client, paid FROM orders;
CREATE PUBLICATION feed FOR TABLE orders;
ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON clients USING (id = 1);
GRANT SELECT ON orders TO other_owner;
GRANT REFERENCES, SELECT ON clients TO other_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO other_owner;
INSERT INTO clients SELECT i, 'client ' || i FROM generate_series(1, 20) i;
INSERT INTO orders (client, paid) SELECT 1 + i % 20, i FROM generate_series(1, 100) i;
REFRESH MATERIALIZED VIEW stored;
SELECT lo_from_bytea(700001, 'large');
SET ROLE other_owner;
CREATE TABLE other.calls (id serial PRIMARY KEY, client int REFERENCES public.clients, note text);
CREATE TABLE public.of_other (id int PRIMARY KEY);
CREATE TABLE mixed.t (id int PRIMARY KEY, v text);
CREATE STATISTICS mixed.both_of ON id, v FROM mixed.t;
INSERT INTO other.calls (client, note) SELECT i, 'hi' FROM generate_series(1, 20) i;
INSERT INTO mixed.t VALUES (1, 'x');
"""


def documented(section: str, block: int = 0) -> list[str]:
    """The statements of a block of SQL of the page."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    found = re.sub(r"^--.*\n", "", _BLOCK.findall(text)[block], flags=re.MULTILINE)
    return [statement.strip() for statement in found.split(";") if statement.strip()]


@dataclass
class Shop:
    """The database.

    :param owner: of the database and of most of what is in it.
    :param other: who owns the rest.
    """

    server: PostgresServer
    database: str
    owner: str
    other: str
    roles: list[str] = field(default_factory=list)

    def sql(self, text: str, owners: str | None = None) -> str:
        """A text of the page, or of this file, with the names of this database."""
        text = re.sub(r"\bshop_owner\b", owners or self.owner, text)
        text = re.sub(r"\bother_owner\b", self.other, text)
        return re.sub(r"\bshop\b", self.database, text)

    def role(self, statements: list[str], change: Callable[[str], str] = str) -> dict[str, str]:
        """Make the role of some statements of the page, and return how it logs in.

        :param change: what is executed instead of a statement, with its names; nothing for an empty text.
        """
        name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
        self.roles.append(name)
        for statement in statements:
            named = self.sql(statement, f"{self.owner}, {self.other}").replace("change me", password)
            changed = change(re.sub(r"\bmobul_\w+", name, named))
            if changed:
                self.server.query(self.database, changed)
        return {"login_user": name, "login_password": password}

    @property
    def template(self) -> str:
        """What the database is called while copies of it have its name."""
        return f"of_{self.database}"

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Within the block the database has the name of :attr:`template`."""
        rename(self.server, self.database, self.template)
        try:
            yield
        finally:
            rename(self.server, self.template, self.database)

    @contextmanager
    def copied(self) -> Iterator[Shop]:
        """A copy of the database that is set aside, by its name, gone with its roles after the block."""
        copy = Shop(self.server, self.database, self.owner, self.other)
        try:
            self.server.create_database(copy.database, template=self.template, owner=self.owner)
            yield copy
        finally:
            copy.close(owners=False)

    def close(self, *, owners: bool = True) -> None:
        """Drop every version of the database, the roles that were made for it, and the owners if they are to go."""
        for name in databases(self.server, self.database):
            for role in self.roles:
                self.server.query(name, f"DROP OWNED BY {role} CASCADE")
        self._drop_databases()
        # Memberships in an owner go with it, whoever has granted them.
        if owners:
            self._drop_owners()
        for role in self.roles:
            self.server.query("postgres", f"DROP OWNED BY {role}; DROP ROLE {role}")

    def drop(self) -> None:
        """Drop every version of the database, and the owners."""
        self._drop_databases()
        self._drop_owners()

    def _drop_owners(self) -> None:
        self.server.query("postgres", f"DROP ROLE IF EXISTS {self.owner}, {self.other}")

    def _drop_databases(self) -> None:
        for name in databases(self.server, self.database):
            self.server.query("postgres", f"ALTER DATABASE {name} IS_TEMPLATE false")
            self.server.drop_database(name)


@contextmanager
def shop_of_two(server: PostgresServer) -> Iterator[Shop]:
    """One on *server*, gone with all of its roles after the block."""
    token = secrets.token_hex(4)
    shop = Shop(server, f"shop_{token}", f"owner_{token}", f"other_{token}")
    try:
        server.query("postgres", f"CREATE ROLE {shop.owner}; CREATE ROLE {shop.other}")
        server.create_database(shop.database, owner=shop.owner)
        server.psql(shop.database, shop.sql(_CONTENTS))
        yield shop
    finally:
        shop.close()
