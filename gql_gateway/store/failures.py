"""What a database's errors mean: that it is away for now, or that the gateway has a bug."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gql_gateway.core.errors import Unavailable

_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
# Connection, transaction rollback (deadlock), resources (disk, connections), operator, system.
_POSTGRESQL_AWAY = ("08", "40", "53", "57", "58")


@contextmanager
def connecting() -> Iterator[None]:
    """Say of every error that the database is away: nothing was asked of it yet.

    Raises:
        Unavailable: with the database's error as its cause.
    """
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _away() from error


@contextmanager
def working() -> Iterator[None]:
    """Tell a database that went away from a statement it refuses, which is a bug and passes unchanged.

    Raises:
        Unavailable: with the database's error as its cause.
    """
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _is_away(error.orig):
            raise _away() from error
        raise
    except sqlite3.Error as error:
        if _is_away(error):
            raise _away() from error
        raise


def _is_away(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_AWAY
    return str(getattr(error, "sqlstate", None)).startswith(_POSTGRESQL_AWAY)


def _away() -> Unavailable:
    return Unavailable("The gateway's database does not answer.")
