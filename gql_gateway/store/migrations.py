"""Migrations: where the scripts are, what revision they lead to, and how to get there.

Alembic is not asynchronous and reads files, so everything here blocks: call it in a thread.
"""

import io
from functools import cache
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from gql_gateway.store import engines

# Alembic's context is one for the process: two upgrades in two threads took it from each other (1.20.1, KeyError).
_ONE_AT_A_TIME = Lock()
LOCK = 0x6771_6D67
"""PostgreSQL's advisory lock while migrating: any number that nothing else in the database uses."""

_PACKAGE = Path(__file__).parent.parent


def _scripts() -> Path:
    """In the wheel the scripts are part of the package, in a checkout they stand beside it."""
    shipped = _PACKAGE / "migrations"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "alembic"


def _config(url: str) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.attributes["url"] = url
    return config


@cache
def head() -> str:
    """The revision that this version of the gateway needs."""
    revision = ScriptDirectory(str(_scripts())).get_current_head()
    if revision is None:
        raise RuntimeError(f"There are no migrations in {_scripts()}.")
    return revision


def upgrade(url: str) -> None:
    """Bring a database to `head()`; several processes may try at once."""
    if not engines.is_postgresql(url):
        # Commands and environments of jobs are nobody else's business; SQLite gives its side files the same mode.
        Path(make_url(url).database or "").touch(mode=0o600)
    with _ONE_AT_A_TIME:
        command.upgrade(_config(url), "head")


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a revision; `base` is before the first."""
    with _ONE_AT_A_TIME:
        command.downgrade(_config(url), revision)


def check(url: str) -> None:
    """Compare a database at `head()` with the tables.

    Raises:
        alembic.util.CommandError: with the differences; a migration is missing.
    """
    with _ONE_AT_A_TIME:
        command.check(_config(url))
