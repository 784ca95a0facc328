"""Signals: a hint that the log of events grew, or that somebody wishes something. Losing one costs time, nothing else.

Each event rings by its topics: the job, its owner, its new state, this state on its cluster. Whoever waits for one job
is not woken by others': with one bell for all, 64 callers that launched at once had the store asked 64 times for each
of their events.

On SQLite the one gateway process tells itself. On PostgreSQL the notification is part of the transaction that writes
the events (`events.write`), so it arrives after they can be seen, in every process; one connection listens.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gql_gateway.store import engines

CHANNEL = "gql_gateway"
"""PostgreSQL's name for the signal."""

PAYLOAD_BYTES = 8000
"""PostgreSQL takes less than that with a notification."""

_PROBE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 15.0

log = structlog.get_logger()


class Bell:
    """One listener's view: rung stays rung until `wait` has said so, so that nothing between two waits is lost."""

    def __init__(self, topic: str | None) -> None:
        self._topic = topic
        self._rung = asyncio.Event()

    def ring(self, topics: Collection[str] | None = None) -> None:
        """Wake the listener, now or at its next wait, where its topic is among these (None: whatever it is)."""
        if self._topic is None or topics is None or self._topic in topics:
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
    async def listen(self, topic: str | None = None) -> AsyncIterator[Bell]:
        """A bell that is rung by everything from here on, or by one topic. Listen first, then read, then wait."""
        with self._hung(topic) as bell:
            yield bell

    def ring(self) -> None:
        """Wake every listener, in every process."""
        self._ring_here()

    def grown(self, topics: Collection[str]) -> None:
        """Say that a transaction of this process with events on these topics was committed."""
        self._ring_here(topics)

    def _ring_here(self, topics: Collection[str] | None = None) -> None:
        for bell in self._bells:
            bell.ring(topics)

    @contextmanager
    def _hung(self, topic: str | None) -> Iterator[Bell]:
        bell = Bell(topic)
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

    def grown(self, topics: Collection[str]) -> None:
        """Nothing while listening: the notification rings here too, and twice would wake everybody twice."""
        if not self._listening:
            self._ring_here(topics)

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

    def _notified(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        self._ring_here(frozenset(payload.split()) or None)

    def _lost(self, _connection: object) -> None:
        self._work.set()


def payload(topics: Collection[str]) -> str:
    """What a notification carries; nothing, which rings every bell, where it would be too long."""
    text = " ".join(sorted(topics))
    return text if len(text) < PAYLOAD_BYTES else ""


def signal_of(url: str) -> Signal:
    """The signal that fits a store's URL."""
    return NotifySignal(url) if engines.is_postgresql(url) else Signal()
