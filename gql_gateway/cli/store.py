"""`migrate`: the schema of the gateway's own records."""

import asyncio

import typer

from gql_gateway.cli.options import Config, settings_of
from gql_gateway.settings import Settings
from gql_gateway.store.database import Database


def migrate(config: Config = None) -> None:
    """Bring the store's schema to what this version needs.

    `serve` does it by itself for SQLite. For PostgreSQL run it once before starting a newer version; the processes of
    the version before may go on meanwhile.
    """
    asyncio.run(_migrate(settings_of(config)))


async def _migrate(settings: Settings) -> None:
    database = Database(settings.store.database)
    try:
        before, head = await database.revision()
        await database.migrate()
    finally:
        await database.close()
    typer.echo(f"The store is at {head}." if before == head else f"The store was at {before or 'nothing'}, now {head}.")
