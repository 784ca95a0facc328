"""Who leads: of all gateway processes on one store, one watches a cluster, by a lease that it renews.

A leader that was stopped for longer than its lease (a paused machine) may wake up beside its successor. So the lease
is looked at once more inside the very transaction that announces an sbatch (`holds`).

A lease ends by the database's clock. One that its holder did not renew for its whole time, by this process's own
steady clock, is over too: a clock that was set back would else keep a dead leader in office.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store import leases
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Lease

log = structlog.get_logger()


class Leadership:
    """The lease of `seconds` on one cluster, for one process (`holder`)."""

    def __init__(self, database: Database, cluster: str, holder: str, seconds: float) -> None:
        self._database = database
        self._name = f"watch:{cluster}"
        self._holder = holder
        self._seconds = seconds
        self._other: tuple[str, datetime] | None = None
        self._other_since = 0.0
        self.another_leads = asyncio.Event()
        """Set once another process was seen to renew the lease, so that it surely is at work."""

    async def holds(self, session: AsyncSession) -> bool:
        """Whether this process leads, as the session's transaction sees it."""
        return await leases.holds(session, self._name, self._holder)

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` each time and as long as this process leads; it is cancelled when the lease is lost."""
        while True:
            if await self._renew():
                log.info("leading", lease=self._name)
                await self._lead(work)
            await asyncio.sleep(self._seconds / 3)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(work())
        try:
            while not task.done() and await self._renew():
                await asyncio.wait([task], timeout=self._seconds / 3)
            if task.done():
                task.result()
            else:
                log.warning("lease lost", lease=self._name)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._release()

    async def _renew(self) -> bool:
        try:
            async with self._database.transaction() as session:
                if await leases.acquire(session, self._name, self._holder, self._seconds):
                    return True
                return await self._take_over(session, await leases.look(session, self._name))
        except Exception:
            log.exception("the store does not answer", lease=self._name)
            return False

    async def _take_over(self, session: AsyncSession, lease: Lease | None) -> bool:
        """Take a lease that its holder has not renewed for its whole time."""
        if lease is None:
            return False
        seen = lease.holder, lease.expires_at
        if seen != self._other:
            if self._other and self._other[0] == lease.holder:
                self.another_leads.set()
            self._other, self._other_since = seen, monotonic()
        if monotonic() - self._other_since < self._seconds:
            return False
        return await leases.take_over(session, lease, self._holder, self._seconds)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(5), self._database.transaction() as session:
                await leases.release(session, self._name, self._holder)
        except Exception:  # it runs out by itself
            log.warning("lease not given back", lease=self._name, exc_info=True)
