"""How alembic meets the database: with the gateway's own engine and tables.

From the gateway the URL comes in the configuration's attributes; by hand: `alembic -x url=sqlite+aiosqlite:///x.db …`.
"""

import asyncio
from typing import Literal

from alembic import context
from sqlalchemy import Connection, Enum, text
from sqlmodel import AutoString, UTCDateTime

from gql_gateway.store import engines
from gql_gateway.store.migrations import LOCK
from gql_gateway.store.tables import METADATA


def url() -> str:
    given = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    if not given:
        raise SystemExit("Which database? Say: alembic -x url=sqlite+aiosqlite:///gateway.db …")
    return str(given)


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write types as what they are in the database, since a migration must not change when the tables' module does."""
    if kind != "type":
        return False
    match item:
        case UTCDateTime():
            return "sa.DateTime(timezone=True)"
        case AutoString() | Enum():
            length = item.impl.length if isinstance(item, AutoString) else item.length
            return f"sa.String(length={length})" if length else "sa.String()"
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        transactional_ddl=True,  # on SQLite too, whose transactions here begin with BEGIN IMMEDIATE
        render_item=render,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":  # several gateways may migrate at once
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()


async def main() -> None:
    engine = engines.single(url())
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
