"""Who leads: of all gateway processes on one store, one watches a cluster, by a lease that it renews.

A leader that was stopped for longer than its lease (a paused machine) may wake up beside its successor. So the lease
is looked at once more inside the very transaction that announces an sbatch (`holds`).
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store import leases
from gql_gateway.store.database import Database

log = structlog.get_logger()

LEASE_SECONDS = 15.0


class Leadership:
    """The lease on one cluster, for one process (`holder`)."""

    def __init__(self, database: Database, cluster: str, holder: str) -> None:
        self._database = database
        self._name = f"watch:{cluster}"
        self._holder = holder

    async def holds(self, session: AsyncSession) -> bool:
        """Whether this process leads, as the session's transaction sees it."""
        return await leases.holds(session, self._name, self._holder)

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` each time and as long as this process leads; it is cancelled when the lease is lost."""
        while True:
            if await self._renew():
                log.info("leading", lease=self._name)
                await self._lead(work)
            await asyncio.sleep(LEASE_SECONDS / 3)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(work())
        try:
            while not task.done() and await self._renew():
                await asyncio.wait([task], timeout=LEASE_SECONDS / 3)
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
                return await leases.acquire(session, self._name, self._holder, LEASE_SECONDS)
        except Exception:
            log.exception("the store does not answer", lease=self._name)
            return False

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(5), self._database.transaction() as session:
                await leases.release(session, self._name, self._holder)
        except Exception:  # it runs out by itself
            log.warning("lease not given back", lease=self._name, exc_info=True)
