"""The end of the event log in memory: read once for all who follow it in this process, however many they are.

With a read of its own for each, 2,000 followers of one job asked the store 2,000 times for each of its events.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Self

import structlog

from gql_gateway.store import events, jobs
from gql_gateway.store.database import Database
from gql_gateway.store.events import LoggedEvent
from gql_gateway.store.signals import Bell

BATCH = 200
KEPT = 2_000
SLOW_LOOK_SECONDS = 5.0

log = structlog.get_logger()


class Follower:
    """One who waits for events on a topic: a job, an owner, or None for all. Follows from `with` to its end."""

    __slots__ = ("_rung", "_tail", "_waiting", "is_gone", "of_job", "topic")

    def __init__(self, tail: "Tail", topic: str | None, *, of_job: bool) -> None:
        self.topic = topic
        self.of_job = of_job
        self.is_gone = False
        """Whether this is a job that was deleted, of which nothing more can come."""
        self._tail = tail
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._tail.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._tail.leave(self)

    def ring(self) -> None:
        """Wake the follower, now or at the next wait."""
        self._rung = True
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Wait to be rung."""
        if not self._rung:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        self._rung = False


class Tail:
    """Keeps the last events, at most `kept`, while anybody follows; who is further behind reads the log."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept
        self._events: dict[str | None, list[LoggedEvent]] = {}
        """What is kept, oldest first: all of it below None, and once more below its job and its owner."""
        self._followers: dict[str | None, set[Follower]] = {}
        self._start: int | None = None
        self._reader: asyncio.Task[None] | None = None
        self._bell: Bell | None = None
        self._looked = asyncio.Event()
        self._due = 0.0
        self.last = 0
        """Everything up to this cursor was read."""

    def follower(self, owner_id: str | None, job_id: str | None) -> Follower:
        """One who is rung behind each event of a job (None: of an owner; None: of all), and when the job is gone."""
        return Follower(self, job_id or owner_id, of_job=job_id is not None)

    def enter(self, follower: Follower) -> None:
        """Begin to ring a follower."""
        self._followers.setdefault(follower.topic, set()).add(follower)
        if self._reader is None:
            self._looked.clear()
            self._reader = asyncio.create_task(self._run(), name="tail of the log")

    def leave(self, follower: Follower) -> None:
        """Ring it no more; the last one has the memory cleared."""
        self._followers[follower.topic].discard(follower)
        if not self._followers[follower.topic]:
            del self._followers[follower.topic]
        if not self._followers:
            self._forget()
            if self._bell:  # the reader goes by itself: one that is cancelled while it reads breaks its connection
                self._bell.ring()

    async def rest(self) -> None:
        """Wait until nothing is read for those who have left."""
        if self._reader and not self._followers:
            await self._reader

    async def ready(self) -> None:
        """Wait until the log was looked at, whatever came of it: a follower misses nothing that comes behind this."""
        await self._looked.wait()

    def behind(self, cursor: int, topic: str | None) -> list[LoggedEvent] | None:
        """The events on a topic behind a cursor, oldest first; None where the memory does not reach back to it."""
        if self._start is None or cursor < self._start:
            return None
        found: list[LoggedEvent] = []
        for event in reversed(self._events.get(topic, ())):
            if event.id <= cursor:
                break
            found.append(event)
        return found[::-1]

    async def _run(self) -> None:
        async with self._database.signal.listen() as bell:
            self._bell = bell
            while self._followers:
                try:
                    await self._read()
                    await self._look_for_the_gone()
                except Exception as error:  # noqa: BLE001 - whatever it is, followers must not trust the memory
                    log.warning("the log cannot be read", error=repr(error))
                    self._forget()
                finally:
                    self._looked.set()
                await bell.wait(SLOW_LOOK_SECONDS)
            self._reader = self._bell = None

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

    async def _look_for_the_gone(self) -> None:
        """Tell the followers of deleted jobs, which no event does: one look for all of them, now and then."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + SLOW_LOOK_SECONDS
        followers = [follower for same in self._followers.values() for follower in same if follower.of_job]
        async with self._database.reading() as session:
            there = await jobs.visible(session, list({follower.topic or "" for follower in followers}))
        for follower in followers:
            if follower.topic not in there:
                follower.is_gone = True
                follower.ring()

    def _take(self, rows: list[LoggedEvent]) -> None:
        for row in rows:
            for topic in _topics(row):
                self._events.setdefault(topic, []).append(row)
        while len(kept := self._events.get(None, [])) > self._kept:
            self._drop(kept[0])
        if rows:
            self.last = rows[-1].id
        self._ring({topic for row in rows for topic in _topics(row)})

    def _drop(self, oldest: LoggedEvent) -> None:
        self._start = oldest.id
        for topic in _topics(oldest):
            self._events[topic].pop(0)
            if not self._events[topic]:
                del self._events[topic]

    def _ring(self, topics: Iterable[str | None]) -> None:
        for topic in topics:
            for follower in self._followers.get(topic, ()):
                follower.ring()

    def _forget(self) -> None:
        """Nothing is known any more: followers read the log themselves until the next look succeeds."""
        self._start = None
        self._events.clear()
        self._ring(self._followers)


def _topics(event: LoggedEvent) -> tuple[str | None, ...]:
    return None, event.job_id, event.owner_id
