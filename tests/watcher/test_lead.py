"""Who leads: one at a time, and a dead one not for longer than its lease, whatever the clocks say."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlmodel import select, update

from gql_gateway.store.database import Database
from gql_gateway.store.tables import Lease
from gql_gateway.watcher.lead import Leadership

SECONDS = 0.6


class Worker:
    """Says when it is at work."""

    def __init__(self, database: Database, name: str) -> None:
        self.leadership = Leadership(database, "local", name, SECONDS)
        self.working = asyncio.Event()
        self._task = asyncio.create_task(self.leadership.while_leading(self._work))

    async def _work(self) -> None:
        self.working.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.working.clear()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_one_leads_and_who_follows_knows_that_it_does(database: Database) -> None:
    async with asyncio.timeout(20):
        first = Worker(database, "first")
        await first.working.wait()
        second = Worker(database, "second")
        await second.leadership.another_leads.wait()
        assert not second.working.is_set()
        await first.stop()  # gives the lease back
        await second.working.wait()
        await second.stop()


async def test_a_lease_far_in_the_future_that_nobody_renews_is_taken_over(database: Database) -> None:
    """As when its holder died and then the clock was set back by a year."""
    async with database.transaction() as session:
        session.add(Lease(name="watch:local", holder="dead", expires_at=datetime.now(UTC) + timedelta(days=365)))
    async with asyncio.timeout(20):
        successor = Worker(database, "successor")
        await successor.working.wait()
        assert not successor.leadership.another_leads.is_set(), "a dead one was never seen to renew it"
        await successor.stop()


async def test_who_has_lost_the_lease_stops_working(database: Database) -> None:
    async with asyncio.timeout(20):
        worker = Worker(database, "worker")
        await worker.working.wait()
        async with database.transaction() as session:
            await session.exec(
                update(Lease).values(holder="other", expires_at=datetime.now(UTC) + timedelta(seconds=60))
            )
            assert not await worker.leadership.holds(session)
        while worker.working.is_set():  # noqa: ASYNC110 - the level that is waited for
            await asyncio.sleep(0.02)
        async with database.reading() as session:
            assert (await session.exec(select(Lease.holder))).one() == "other"
        await worker.stop()
