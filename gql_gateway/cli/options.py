"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gql_gateway.settings import Settings, load
from gql_gateway.store.database import Database

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="The configuration. Without it: GQL_GATEWAY_CONFIG, or only variables."
    ),
]


def settings_of(config: Path | None) -> Settings:
    """The configuration that a command was told to use.

    Raises:
        SettingsError: with every fault at once.
    """
    return load(config, os.environ)


async def make_ready(database: Database) -> None:
    """See that the store can be used: an SQLite file is brought up to date, PostgreSQL is only looked at.

    Raises:
        Unavailable: with the remedy.
    """
    if not database.is_postgresql:
        await database.migrate()
    await database.check()
