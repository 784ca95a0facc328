"""Engines: how each database is spoken to, so that the floors above need not know which one it is.

SQLite has one writer at a time (writers.py), and a write transaction begins as one. Readers have connections of their
own, which in WAL mode neither wait nor make wait.
"""

from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECONDS = 30
"""How long a statement waits for another process's write on SQLite, and a task for a connection."""

_READERS = 4
_GLANCE_SECONDS = 1.0
_POSTGRESQL = {
    "pool_size": 20,
    "max_overflow": 0,  # a connection beyond the pool would be closed after each use
    "pool_timeout": BUSY_SECONDS,
    "pool_pre_ping": True,  # a connection that died in the pool is noticed before it is used
    "connect_args": {
        "timeout": 10,
        "server_settings": {
            "application_name": "gql-gateway",
            "statement_timeout": f"{BUSY_SECONDS}s",
            # A gateway that froze in a transaction holds locks that others wait for. Ours never wait for a network.
            "idle_in_transaction_session_timeout": "15s",
        },
    },
}
_QUIET: dict[str, Any] = {"hide_parameters": True}
"""An error's text holds no values: it is logged, and a job's environment may be among them."""
_DRIVERS = {"postgresql+asyncpg": True, "sqlite+aiosqlite": False}


def is_postgresql(url: str) -> bool:
    """Whether a store's URL names PostgreSQL; else it is SQLite.

    Raises:
        ValueError: it is neither, or goes by another driver.
    """
    driver = make_url(url).drivername
    if driver not in _DRIVERS:
        raise ValueError(f"The store's URL begins with {driver}: it must be one of {', '.join(_DRIVERS)}.")
    return _DRIVERS[driver]


def postgresql(url: str) -> AsyncEngine:
    """The engine of a PostgreSQL store, to write with."""
    return create_async_engine(url, **_QUIET, **_POSTGRESQL)


def reading_only(engine: AsyncEngine) -> AsyncEngine:
    """The same for transactions that only read. Each sees one moment of the whole database."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def at_once(reader: AsyncEngine) -> AsyncEngine:
    """PostgreSQL's for one statement, which is a transaction by itself: the server is asked once, and not thrice."""
    return reader.execution_options(isolation_level="AUTOCOMMIT")


def sqlite_reader(url: str) -> AsyncEngine:
    """The engine of an SQLite store's readers that may take long. Each sees one moment of the whole database."""
    return _sqlite(url, "BEGIN", ["query_only=ON"], pool_size=_READERS, max_overflow=0)


def sqlite_glance(url: str) -> Engine:
    """An engine of an SQLite store that reads in the caller's own thread, each statement by itself (in_place.py)."""
    return _in_place(url, None, ["query_only=ON"], _GLANCE_SECONDS, poolclass=NullPool)


def sqlite_writer(url: str) -> Engine:
    """An engine of an SQLite store that writes in the caller's own thread, and never waits for another process."""
    return _in_place(url, "BEGIN IMMEDIATE", ["journal_mode=WAL"], 0, pool_size=1, max_overflow=0)


def single(url: str) -> AsyncEngine:
    """An engine without a pool, for one connection that lives its own life."""
    if is_postgresql(url):
        return create_async_engine(url, **_QUIET, poolclass=NullPool)
    return _sqlite(url, "BEGIN IMMEDIATE", ["journal_mode=WAL"], poolclass=NullPool)


def _in_place(url: str, begin: str | None, pragmas: list[str], seconds: float, **pool: Any) -> Engine:
    # A commit is waited for in another thread than the statements before it (writers.py).
    arguments = {"timeout": seconds, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(_file(url).set(drivername="sqlite"), connect_args=arguments, **_QUIET, **pool)
    _prepare(engine, begin, pragmas)
    return engine


def _sqlite(url: str, begin: str, pragmas: list[str], **pool: Any) -> AsyncEngine:
    if pool.get("poolclass") is None:
        pool["pool_timeout"] = 2 * BUSY_SECONDS
    arguments = {"timeout": BUSY_SECONDS, "isolation_level": None}  # None: transactions begin where we say
    engine = create_async_engine(_file(url), connect_args=arguments, **_QUIET, **pool)
    _prepare(engine.sync_engine, begin, pragmas)
    return engine


def _prepare(engine: Engine, begin: str | None, pragmas: list[str]) -> None:
    """Have every connection set up, and every transaction begun, in our way; None: not at all."""
    # FULL: a commit is on the disk when it returns. NORMAL may forget the last ones when the machine loses power, and
    # a launch that was answered must not be forgotten.
    settings = [*pragmas, "synchronous=FULL", "foreign_keys=ON"]

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    if begin is not None:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)


def _file(url: str) -> URL:
    parsed = make_url(url)
    if parsed.database in {None, "", ":memory:"}:
        raise ValueError("The store must be a file: readers and the writer have connections of their own.")
    return parsed
