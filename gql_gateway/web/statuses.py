"""How the clusters are, as the watcher of whichever process leads wrote it down: asking costs the clusters nothing."""

from collections.abc import Sequence

from gql_gateway.store import clusters
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ClusterStatus


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


def _unseen(name: str) -> ClusterStatus:
    return ClusterStatus(name=name, available=False, message="Nobody has looked at this cluster yet.")
