"""How much a user may put on a cluster, and how many transfers they may have at once.

What a folder holds is measured on the cluster, by allocated bytes, and remembered for a minute; what arrives through
this process meanwhile is added as it comes. What a running job writes is seen at the next measure, and not stopped:
a limit on that is the cluster's own quota.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.store.tables import Job

_REMEMBERED_SECONDS = 60.0
_MEASURE_SECONDS = 5.0
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Bytes in one job's folder and in all of a user's on one cluster (None: not measured); transfers of one user.

    A transfer waits `patience` seconds for one of the same user's to end before it is refused.
    """

    job_bytes: int = 2**40
    user_bytes: int | None = None
    transfers: int = 6
    patience: float = 30.0


@dataclass(slots=True)
class _Use:
    """Bytes that a folder was seen to hold, and what came since."""

    at: float
    size: int


class Room:
    """Knows what is left, for every user."""

    def __init__(self, clusters: Mapping[str, Cluster], limits: RoomLimits | None = None) -> None:
        self._clusters = clusters
        self._limits = limits or RoomLimits()
        self._uses: dict[tuple[str, str], _Use] = {}
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(self._limits.transfers)
        )

    @asynccontextmanager
    async def transfer(self, identity: Identity) -> AsyncIterator[None]:
        """Count a transfer of bytes for as long as it runs; without this, one user's few slow ones keep out all.

        Raises:
            Refused: LIMIT_EXCEEDED where as many of the same user's run and none ends.
        """
        slot = self._slots[identity.email]
        try:
            async with asyncio.timeout(self._limits.patience):
                await slot.acquire()
        except TimeoutError:
            words = f"You have {self._limits.transfers} transfers running, which is the limit: wait for one to end."
            raise refuse(ErrorCode.LIMIT_EXCEEDED, words) from None
        try:
            yield
        finally:
            slot.release()

    async def admit(self, job: Job, size: int = 1) -> None:
        """Let `size` more bytes into a job's folder.

        Raises:
            Refused: LIMIT_EXCEEDED with the limit, and what the cluster says where it is away.
        """
        for folder, limit, words in self._rules(job):
            use = await self._use(job.cluster, folder)
            if use.size + size > limit:
                # Something may have been deleted since.
                use = await self._measured(job.cluster, folder)
            if use.size + size > limit:
                raise _full(words, limit)

    async def counted(self, job: Job, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, added to what the folder holds.

        Raises:
            Refused: LIMIT_EXCEEDED as soon as one comes that has no room.
        """
        rules = [(await self._use(job.cluster, folder), limit, words) for folder, limit, words in self._rules(job)]
        async for chunk in chunks:
            for use, limit, words in rules:
                use.size += len(chunk)
                if use.size > limit:
                    raise _full(words, limit)
            yield chunk

    def _rules(self, job: Job) -> list[tuple[str, int, str]]:
        rules = [(job.folder, self._limits.job_bytes, "This job's folder")]
        if self._limits.user_bytes is not None:
            rules.append((job.folder.partition("/")[0], self._limits.user_bytes, "Your folder on this cluster"))
        return rules

    async def _use(self, cluster: str, folder: str) -> _Use:
        use = self._uses.get((cluster, folder))
        if use and time.monotonic() - use.at < _REMEMBERED_SECONDS:
            return use
        return await self._measured(cluster, folder)

    async def _measured(self, cluster: str, folder: str) -> _Use:
        size = await self._clusters[cluster].usage(folder, _MEASURE_SECONDS)
        if len(self._uses) >= _KEPT:
            self._uses.clear()
        use = self._uses[cluster, folder] = _Use(time.monotonic(), size)
        return use


def _full(words: str, limit: int) -> Refused:
    return refuse(
        ErrorCode.LIMIT_EXCEEDED,
        f"{words} has room for {limit} bytes, which is the limit: delete what you no longer need.",
        detail=f"At most {limit} bytes.",
    )
