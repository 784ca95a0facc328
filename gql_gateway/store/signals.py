"""Signals: a hint that the log of events grew, or that somebody wishes something. Losing one costs time, nothing else.

On SQLite the one gateway process tells itself. On PostgreSQL the notification is part of the transaction that writes
the events (`events.write`), so it arrives after they can be seen, in every process; one connection listens.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gql_gateway.store import engines

CHANNEL = "gql_gateway"
"""PostgreSQL's name for the signal."""

_PROBE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 15.0

log = structlog.get_logger()


class Bell:
    """One listener's view: rung stays rung until `wait` has said so, so that nothing between two waits is lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the listener, now or at its next wait."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait to be rung, at most so long; whether it was."""
        if not self._rung.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


class Signal:
    """The signal of a store with one process."""

    def __init__(self) -> None:
        self._bells: set[Bell] = set()

    async def start(self) -> None:
        """Begin to listen to other processes; returns after the first try, whatever came of it."""

    async def close(self) -> None:
        """Stop listening to other processes."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Bell]:
        """A bell that is rung by everything from here on. Listen first, then read, then wait."""
        with self._hung() as bell:
            yield bell

    def ring(self) -> None:
        """Wake every listener, in every process."""
        self._ring_here()

    def grown(self) -> None:
        """Say that a transaction of this process with events was committed."""
        self._ring_here()

    def _ring_here(self) -> None:
        for bell in self._bells:
            bell.ring()

    @contextmanager
    def _hung(self) -> Iterator[Bell]:
        bell = Bell()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)


class NotifySignal(Signal):
    """The signal of a PostgreSQL store: LISTEN on one connection, made again whenever it is lost."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._engine = engines.single(url)
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._listening = False
        self._wished = False
        self._work = asyncio.Event()  # something to send, or the connection was lost

    async def start(self) -> None:
        self._task = self._task or asyncio.create_task(self._run(), name="signal")
        await self._tried.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def ring(self) -> None:
        self._ring_here()
        self._wished = True
        self._work.set()

    def grown(self) -> None:
        """Nothing while listening: the notification rings here too, and twice would wake everybody twice."""
        if not self._listening:
            self._ring_here()

    async def _run(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._connected() as connection:
                    wait = _FIRST_WAIT
                    await self._serve(connection)
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("signal lost", error=str(error), again_in_seconds=wait)
            finally:
                self._tried.set()
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            wait = min(2 * wait, _LONGEST_WAIT)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        async with self._engine.connect() as pooled:
            connection: Any = (await pooled.get_raw_connection()).driver_connection
            connection.add_termination_listener(self._lost)
            await connection.add_listener(CHANNEL, self._notified)
            self._listening = True
            self._tried.set()
            self._ring_here()  # for what was said while nobody listened
            try:
                yield connection
            finally:
                self._listening = False
                connection.terminate()

    async def _serve(self, connection: Any) -> None:
        """Send what is to be sent, and ask now and then: a peer that vanished without a word says nothing for hours."""
        while not connection.is_closed():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._work.wait()
            self._work.clear()
            wished, self._wished = self._wished, False
            statement = f"NOTIFY {CHANNEL}" if wished else "SELECT 1"
            await connection.execute(statement, timeout=_ANSWER_SECONDS)

    def _notified(self, *_: object) -> None:
        self._ring_here()

    def _lost(self, _connection: object) -> None:
        self._work.set()


def signal_of(url: str) -> Signal:
    """The signal that fits a store's URL."""
    return NotifySignal(url) if engines.is_postgresql(url) else Signal()
