"""Who writes: a session whose transaction has begun, and its commit.

On SQLite one transaction writes at a time, whatever asks: BEGIN IMMEDIATE, since one that starts by reading and then
writes cannot be upgraded when another wrote meanwhile and fails at once with "database is locked". Its statements take
microseconds and are asked in place, in the event loop; asked in a thread, as aiosqlite does, each of the ten steps of a
small transaction is a wake-up of that thread and one back. The commit waits for the disk, and does so in a thread.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store.engines import BUSY_SECONDS
from gql_gateway.store.failures import connecting
from gql_gateway.store.sessions import sessions_in_place

_FIRST_WAIT, _LONGEST_WAIT = 0.001, 0.05


class Writer(Protocol):
    """Gives sessions to write with. Errors of beginning are `Unavailable`; others pass."""

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session in a transaction, which is rolled back at the end where it was not committed."""

    async def commit(self, session: AsyncSession) -> None:
        """Have on the disk what the session wrote."""

    async def close(self) -> None:
        """Close every connection."""


class PooledWriter:
    """Writes to PostgreSQL, which has many writers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        async with self._sessions() as session:
            with connecting():
                await session.connection()
            yield session

    async def commit(self, session: AsyncSession) -> None:
        await session.commit()

    async def close(self) -> None:
        await self._engine.dispose()


class InPlaceWriter:
    """Writes to SQLite: the callers of this process in turn, among other processes when it is free."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions = sessions_in_place(engine)
        self._turn = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, "store")  # of its own: in the loop's a commit may stand behind slow work

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        async with self._turn:
            session = self._sessions()
            try:
                with connecting():
                    await self._begin(session.sync_session)
                yield session
            finally:
                session.sync_session.close()  # AsyncSession closes in a task of its own, and the loop goes on meanwhile

    async def commit(self, session: AsyncSession) -> None:
        """Also for a caller that is cancelled meanwhile, this lasts until the session is no longer in use."""
        committing = asyncio.get_running_loop().run_in_executor(self._disk, session.sync_session.commit)
        cancelled: asyncio.CancelledError | None = None
        while not committing.done():
            try:
                await asyncio.wait([committing])
            except asyncio.CancelledError as error:
                cancelled = error
        committing.result()
        if cancelled:
            raise cancelled

    async def close(self) -> None:
        self._disk.shutdown(wait=False)
        self._engine.dispose()

    async def _begin(self, session: Session) -> None:
        """Begin once no other process writes; SQLite's own way of waiting would hold up the event loop."""
        deadline, wait = monotonic() + BUSY_SECONDS, _FIRST_WAIT
        while True:
            try:
                session.connection()
            except OperationalError as error:
                session.rollback()
                if not _is_busy(error) or monotonic() > deadline:
                    raise
            else:
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def _is_busy(error: OperationalError) -> bool:
    return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY
