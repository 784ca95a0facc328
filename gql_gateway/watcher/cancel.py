"""Cancel what was asked to be cancelled: before it was submitted in the store alone, afterwards by scancel.

Against a launch a cancel wins or loses cleanly: an sbatch is announced only for a job of which no cancel was asked
(`wishes.begin_submit`), in one statement. So a job whose cancel is seen here without such an announcement will never
be submitted, and one with it waits until it is known what became of the sbatch.
"""

from datetime import UTC, datetime
from time import monotonic

import structlog

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import Refused
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job

log = structlog.get_logger()

AGAIN_SECONDS = 5.0
"""scancel's success means nothing, so it is repeated until Slurm shows the job's end."""
RETRY_SECONDS = 2.0


class Canceller:
    """Cancels for one cluster."""

    def __init__(self, database: Database, cluster: Cluster) -> None:
        self._database = database
        self._cluster = cluster
        self._sent: dict[str, float] = {}
        self._touched: set[str] = set()

    async def carry_out(self) -> float | None:
        """One pass; seconds until something is to be tried again, if anything is."""
        async with self._database.reading() as session:
            wanted = await wishes.to_cancel(session, self._cluster.name)
        self._sent = {job.id: self._sent[job.id] for job in wanted if job.id in self._sent}
        waits = []
        for job in wanted:
            if job.state is JobState.LAUNCHING:
                await self._before_submission(job)
            else:
                waits.append(await self._scancel(job))
        return min(waits, default=None)

    def take_touched(self) -> set[str]:
        """Jobs that were cancelled since this was last asked, whose state will soon change."""
        touched, self._touched = self._touched, set()
        return touched

    async def _before_submission(self, job: Job) -> None:
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            reason = f"Cancelled by {job.cancel_requested_by} before it was submitted."
            await jobs.advance(session, job, JobState.CANCELLED, at=now, reason=reason, ended_at=now)

    async def _scancel(self, job: Job) -> float:
        left = self._sent.get(job.id, 0.0) + AGAIN_SECONDS - monotonic()
        if left > 0:
            return left
        try:
            await self._cluster.cancel(job.slurm_job_id or "")
        except Refused as refused:
            log.warning("cancel put off", job=job.id, cluster=job.cluster, error=str(refused))
            return RETRY_SECONDS
        self._sent[job.id] = monotonic()
        self._touched.add(job.id)
        return AGAIN_SECONDS
