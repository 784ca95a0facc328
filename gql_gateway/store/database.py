"""The database: transactions that write, transactions that read, and whether its schema is the one needed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Select
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.errors import Unavailable
from gql_gateway.store import engines, events, migrations
from gql_gateway.store.failures import connecting, working
from gql_gateway.store.in_place import InPlace
from gql_gateway.store.signals import Signal, signal_of
from gql_gateway.store.writers import InPlaceWriter, PooledWriter, Writer


class Database:
    """One store: SQLite (`sqlite+aiosqlite:///file`) or PostgreSQL (`postgresql+asyncpg://…`).

    Rows stay readable after their transaction. `signal` tells that the log of events grew.
    """

    def __init__(self, url: str) -> None:
        self.is_postgresql = engines.is_postgresql(url)
        self.signal: Signal = signal_of(url)
        self._url = url
        self._writer: Writer
        self._in_place: InPlace | None = None
        if self.is_postgresql:
            engine = engines.postgresql(url)
            self._writer, self._reader = PooledWriter(engine), engines.reading_only(engine)
        else:
            self._writer, self._reader = InPlaceWriter(engines.sqlite_writer(url)), engines.sqlite_reader(url)
            self._in_place = InPlace(engines.sqlite_glance(url))
        self._read_session = async_sessionmaker(self._reader, class_=AsyncSession, expire_on_commit=False)
        self._at_once = engines.at_once(self._reader) if self.is_postgresql else self._reader

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end, rolled back by any error. Never open a second one inside.

        On SQLite its statements hold up all else that this process does: no long ones (`reading` is for those).

        Raises:
            Unavailable: the database does not answer, or broke off; then it is not known whether it committed.
        """
        topics: frozenset[str] = frozenset()
        try:
            async with self._writer.session() as session:
                with working():
                    yield session
                    topics = await events.write(session)
                    await self._writer.commit(session)
        finally:
            if topics:  # whatever became of the commit: a signal is a hint
                self.signal.grown(topics)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and sees one moment of the whole database.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._read_session() as session:
            with connecting():
                await session.connection()
            with working():
                yield session

    async def rows(self, statement: Select[Any], values: Mapping[str, Any], *, quick: bool = True) -> Sequence[Any]:
        """What one statement finds. A quick one is asked in place on SQLite, in the event loop, which waits meanwhile.

        Raises:
            Unavailable: the database does not answer.
        """
        if quick and self._in_place:
            with working():
                return self._in_place.rows(statement, values)
        async with AsyncExitStack() as stack:
            with connecting():
                connection = await stack.enter_async_context(self._at_once.connect())
            with working():
                found: Sequence[Any] = (await connection.execute(statement, values)).all()
        return found

    def stamp(self) -> object | None:
        """What was read when the stamp was the same is still so; None: that is not known (PostgreSQL)."""
        return self._in_place.stamp() if self._in_place else None

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
        with connecting():
            async with self._reader.connect() as connection:
                return await connection.run_sync(_current), head

    async def migrate(self) -> None:
        """Bring the schema to the revision that this version needs; several processes may do so at once.

        Raises:
            Unavailable: the database does not answer, or a SQLite file cannot be made there.
        """
        with connecting():
            await asyncio.to_thread(migrations.upgrade, self._url)

    async def close(self) -> None:
        """Close every connection."""
        await self.signal.close()
        if self._in_place:
            self._in_place.close()
        await self._reader.dispose()
        await self._writer.close()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
