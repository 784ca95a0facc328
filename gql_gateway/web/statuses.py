"""How the clusters are, as the watcher of whichever process leads wrote it down: asking costs the clusters nothing."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from gql_gateway.core.errors import ErrorCode, refuse
from gql_gateway.store import clusters
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ClusterStatus

LOOK_SECONDS = 5.0
LEAST_SECONDS = 1.0
"""Between two changes of a cluster that are told."""


class Statuses:
    """The clusters called `names`, in that order."""

    def __init__(self, database: Database, names: Sequence[str]) -> None:
        self._database = database
        self._names = names

    async def statuses(self) -> list[ClusterStatus]:
        """Every cluster as it was last seen; one that nobody looked at yet is not available, and says so.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._database.reading() as session:
            known = {status.name: status for status in await clusters.every(session)}
        return [known.get(name) or _unseen(name) for name in self._names]

    async def follow(self, name: str) -> AsyncGenerator[ClusterStatus]:
        """A cluster as it is, and again each time that it differs.

        Raises:
            Refused: NOT_FOUND, there is no such cluster.
        """
        if name not in self._names:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such cluster.", "name")
        shown: ClusterStatus | None = None
        async with self._database.signal.listen("clusters") as bell:
            while True:
                seen = next(status for status in await self.statuses() if status.name == name)
                if shown is None or _looks(seen) != _looks(shown):
                    yield seen
                    shown = seen
                await bell.wait(LOOK_SECONDS)
                await asyncio.sleep(LEAST_SECONDS)


def _looks(status: ClusterStatus) -> dict[str, object]:
    """What a watcher of a cluster sees of it, but for the time."""
    return status.model_dump(exclude={"checked_at"})


def _unseen(name: str) -> ClusterStatus:
    return ClusterStatus(name=name, available=False, message="Nobody has looked at this cluster yet.")
