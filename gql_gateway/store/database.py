"""The database: transactions that write, transactions that read, and whether its schema is the one needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.errors import Unavailable
from gql_gateway.store import engines, events, migrations
from gql_gateway.store.signals import Signal, signal_of


class Database:
    """One store: SQLite (`sqlite+aiosqlite:///file`) or PostgreSQL (`postgresql+asyncpg://…`).

    Rows stay readable after their transaction. `signal` tells that the log of events grew.
    """

    def __init__(self, url: str, *, echo: bool = False) -> None:
        self.is_postgresql = engines.is_postgresql(url)
        self.signal: Signal = signal_of(url)
        self._url = url
        self._writer = engines.writing(url, echo=echo)
        self._reader = engines.reading(url, self._writer, echo=echo)
        self._write_session = async_sessionmaker(self._writer, class_=AsyncSession, expire_on_commit=False)
        self._read_session = async_sessionmaker(self._reader, class_=AsyncSession, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end, rolled back by any error. Never open a second one inside.

        Raises:
            Unavailable: the database does not answer, or broke off; then it is not known whether it committed.
        """
        async with _translated(), self._write_session() as session:
            await session.connection()
            yield session
            grew = await events.write(session)
            await session.commit()
        if grew:
            self.signal.grown()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and sees one moment of the whole database.

        Raises:
            Unavailable: the database does not answer.
        """
        async with _translated(), self._read_session() as session:
            await session.connection()
            yield session

    async def check(self) -> None:
        """See that the database answers and has the schema that this version needs.

        Raises:
            Unavailable: with the reason and the remedy.
        """
        current, head = await self.revision()
        if current != head:
            raise Unavailable(
                f"The database is at revision {current or 'none'}, this gateway needs {head}.",
                detail="Run `gql-gateway migrate`." if current is None or current < head else "Run a newer gateway.",
            )

    async def revision(self) -> tuple[str | None, str]:
        """Revision of the database (None: empty), and the one this version needs.

        Raises:
            Unavailable: the database does not answer.
        """
        head = await asyncio.to_thread(migrations.head)
        async with _translated(), self._reader.connect() as connection:
            await connection.execute(text("SELECT 1"))
            return await connection.run_sync(_current), head

    async def migrate(self) -> None:
        """Bring the schema to the revision that this version needs; several processes may do so at once."""
        async with _translated():
            await asyncio.to_thread(migrations.upgrade, self._url)

    async def close(self) -> None:
        """Close every connection."""
        await self.signal.close()
        await self._reader.dispose()
        await self._writer.dispose()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Say a database's silence in the gateway's own words; what it says of a statement stays a bug's traceback."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout) as error:
        raise Unavailable("The gateway's database does not answer.", detail=None) from error
