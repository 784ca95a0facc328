"""The end of the event log in memory: read once for all who follow it in this process, however many they are.

With a read of its own for each, 2,000 followers of one job asked the store 2,000 times for each of its events.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import structlog

from gql_gateway.store import events
from gql_gateway.store.database import Database
from gql_gateway.store.tables import JobEvent

BATCH = 200
KEPT = 2_000
SLOW_LOOK_SECONDS = 5.0

log = structlog.get_logger()


class Follower:
    """One who waits for events on a topic: a job, an owner, or None for all."""

    def __init__(self, topic: str | None) -> None:
        self.topic = topic
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the follower, now or at the next wait."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait to be rung, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Tail:
    """Keeps the last events, at most `kept`, while anybody follows; who is further behind reads the log."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept
        self._events: deque[JobEvent] = deque()
        self._followers: dict[str | None, set[Follower]] = {}
        self._start: int | None = None
        self._reader: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self.last = 0
        """Everything up to this cursor was read."""

    @asynccontextmanager
    async def following(self, topic: str | None) -> AsyncIterator[Follower]:
        """A follower that is rung behind each event on its topic from here on, when it can be had from memory."""
        with self._registered(topic) as follower:
            if self._reader is None:
                self._looked.clear()
                self._reader = asyncio.create_task(self._run(), name="tail of the log")
            await self._looked.wait()
            yield follower

    @contextmanager
    def _registered(self, topic: str | None) -> Iterator[Follower]:
        follower = Follower(topic)
        self._followers.setdefault(topic, set()).add(follower)
        try:
            yield follower
        finally:
            self._followers[topic].discard(follower)
            if not self._followers[topic]:
                del self._followers[topic]
            if not self._followers and self._reader:
                self._reader.cancel()
                self._reader = None
                self._forget()

    def behind(self, cursor: int, *, owner_id: str | None, job_id: str | None) -> list[JobEvent] | None:
        """The events behind a cursor, oldest first; None where the memory does not reach back to it."""
        if self._start is None or cursor < self._start:
            return None
        found: list[JobEvent] = []
        for event in reversed(self._events):
            if (event.id or 0) <= cursor:
                break
            if (owner_id is None or event.owner_id == owner_id) and (job_id is None or event.job_id == job_id):
                found.append(event)
        return found[::-1]

    async def _run(self) -> None:
        async with self._database.signal.listen() as bell:
            while True:
                try:
                    await self._read()
                except Exception as error:  # noqa: BLE001 - whatever it is, followers must not trust the memory
                    log.warning("the log cannot be read", error=repr(error))
                    self._forget()
                finally:
                    self._looked.set()
                await bell.wait(SLOW_LOOK_SECONDS)

    async def _read(self) -> None:
        if self._start is None:
            async with self._database.reading() as session:
                self._start = self.last = await events.latest(session)
        more = True
        while more:
            async with self._database.reading() as session:
                rows = await events.after(session, self.last, owner_id=None, limit=BATCH)
            self._take(rows)
            more = len(rows) == BATCH

    def _take(self, rows: list[JobEvent]) -> None:
        self._events.extend(rows)
        while len(self._events) > self._kept:
            self._start = self._events.popleft().id
        if rows:
            self.last = rows[-1].id or self.last
        topics = {topic for row in rows for topic in (row.job_id, row.owner_id)}
        self._ring({*topics, None} if topics else ())

    def _ring(self, topics: Iterable[str | None]) -> None:
        for topic in topics:
            for follower in self._followers.get(topic, ()):
                follower.ring()

    def _forget(self) -> None:
        """Nothing is known any more: followers read the log themselves until the next look succeeds."""
        self._start = None
        self._events.clear()
        self._ring(self._followers)
