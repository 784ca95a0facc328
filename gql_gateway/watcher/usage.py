"""Ask accounting once what ended jobs used, many with one question, and keep the answer in the store."""

from datetime import UTC, datetime, timedelta

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.ids import slurm_name
from gql_gateway.store import usage
from gql_gateway.store.database import Database

AT_ONCE = 100
"""Jobs in one question: as many names as one sacct takes (cluster/slurm.py)."""

GIVE_UP = timedelta(hours=1)
"""slurmdbd takes a while to hear of an end. What it does not know by then it never will."""


class Bookkeeper:
    """Keeps the books of one cluster."""

    def __init__(self, database: Database, cluster: Cluster) -> None:
        self._database = database
        self._cluster = cluster

    async def carry_out(self) -> bool:
        """One question about the jobs that ended lately; whether there may be more to ask.

        Raises:
            Refused: accounting cannot be asked now.
        """
        async with self._database.reading() as session:
            due = await usage.due(session, self._cluster.name, AT_ONCE)
        if not due:
            return False
        answer = await self._cluster.used_by([job.id for job in due])
        known = answer or {}
        async with self._database.transaction() as session:
            for job in due:
                if found := known.get((slurm_name(job.id), job.slurm_job_id or "")):
                    await usage.record(session, job.id, found)
            # A site without accounts is not asked again; one that is late is, for a while.
            late = None if answer is None else datetime.now(UTC) - GIVE_UP
            await usage.give_up(session, self._cluster.name, late)
        return True
