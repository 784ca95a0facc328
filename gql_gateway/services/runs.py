"""What a user may do with a job's run: try, launch, cancel.

Nothing here submits: `launch` and `cancel` record a wish, and the watcher carries it out. They wait a bounded time for
its result, so that most callers need not ask again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode, SubmitRefused, job_not_found, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.core.states import FINAL, JobState
from gql_gateway.core.usage import Forecast
from gql_gateway.services.audit import note
from gql_gateway.services.jobs import JOB_ID, Jobs
from gql_gateway.store import jobs, listing, users, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job

log = structlog.get_logger()

_LOOK_SECONDS = 2.0
"""A bell may be lost: so long is waited for one before the store is asked again."""


class Submitting(Protocol):
    """What the watcher does for a launch that it can submit at once; for any other one, nothing."""

    async def expect(self, job_id: str) -> None:
        """Begin what takes time and does no harm if the launch does not come."""

    async def announce(self, session: AsyncSession, job: Job) -> bool:
        """Say, in the transaction that records the launch, that the job is submitted next; whether it is."""

    def hand_over(self, job: Job) -> asyncio.Future[bool]:
        """Submit what was announced, now that this is on the disk; True: what came of it is, and `job` says it."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Per user: launched jobs that have not ended. In seconds: how long `launch` and `cancel` wait for their result."""

    active_jobs: int = 1000
    answer_seconds: float = 10.0


class Runs:
    """Runs of jobs. Every method takes the caller and finds the job by the caller's rights first."""

    def __init__(
        self,
        database: Database,
        clusters: Mapping[str, Cluster],
        jobs: Jobs,
        submitting: Callable[[str], Submitting | None],
        limits: RunLimits | None = None,
    ) -> None:
        self._database = database
        self._clusters = clusters
        self._jobs = jobs
        self._submitting = submitting
        self._limits = limits or RunLimits()

    async def launch(self, identity: Identity, job_id: str | None) -> Job:
        """Ask for a job to be submitted, and wait a bounded time for Slurm's answer. Again: the same answer.

        Returns:
            The job: QUEUED or further, or LAUNCHING with the reason while the cluster is slow or away.

        Raises:
            Refused: NOT_FOUND, INVALID_STATE (cancelled before), SUBMIT_REFUSED with Slurm's words (final),
                LIMIT_EXCEEDED (active jobs).
        """
        job = await self._jobs.require(identity, job_id)
        recorded = await self._record_launch(job, identity) if job.state is JobState.CREATED else None
        deadline = self._deadline()
        if not (recorded and await self._is_told(recorded)):
            job = await self._settled(job.id, lambda row: row.state is not JobState.LAUNCHING, deadline)
        if job.state is JobState.CANCELLED and job.launched_at is None:
            raise refuse(
                ErrorCode.INVALID_STATE, "This job was cancelled before it was launched. Clone it to run it.", *JOB_ID
            )
        if job.state is JobState.FAILED and job.slurm_job_id is None:
            raise SubmitRefused(job.reason or "").at(*JOB_ID)
        return job

    async def forecast(self, identity: Identity, job_id: str | None) -> tuple[Job, Forecast]:
        """Ask Slurm what it would do with a job now, and submit nothing.

        Raises:
            Refused: NOT_FOUND, INVALID_STATE (it was launched), SUBMIT_REFUSED with Slurm's words, CLUSTER_UNAVAILABLE,
                CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        if job.state is not JobState.CREATED:
            raise refuse(ErrorCode.INVALID_STATE, f"This job is {job.state}: only a new one can be tried.", *JOB_ID)
        try:
            return job, await self._clusters[job.cluster].forecast(job.id, job.script)
        except SubmitRefused as refused:
            raise refused.at(*JOB_ID) from None

    async def _record_launch(self, job: Job, identity: Identity) -> asyncio.Future[bool] | None:
        """Record a launch; what tells when `job` has Slurm's answer, where that need not be read."""
        announced = False
        submitting = self._submitting(job.cluster)
        if submitting:
            await submitting.expect(job.id)
        async with self._database.transaction() as session:
            await users.lock(session, job.owner_id)  # two launches at once would both pass the count
            if await jobs.count_active(session, job.owner_id) >= self._limits.active_jobs:
                raise refuse(
                    ErrorCode.LIMIT_EXCEEDED,
                    f"You have {self._limits.active_jobs} launched jobs that have not ended, which is the limit.",
                    *JOB_ID,
                )
            at = datetime.now(UTC)
            if await jobs.advance(session, job, JobState.LAUNCHING, at=at, actor=identity.email, launched_at=at):
                await note(session, identity, AuditAction.LAUNCH, job)
                announced = submitting is not None and await submitting.announce(session, job)
        return submitting.hand_over(job) if submitting and announced else None

    async def _is_told(self, recorded: asyncio.Future[bool]) -> bool:
        """Whether who submits says in good time what came of it; else somebody else may know."""
        try:
            async with asyncio.timeout(min(_LOOK_SECONDS, self._limits.answer_seconds)):
                return await recorded
        except TimeoutError:
            return False

    async def cancel(self, identity: Identity, job_id: str | None) -> Job:
        """Ask for a job to be cancelled, and wait a bounded time until it ended. Again, or after its end: no change.

        Raises:
            Refused: NOT_FOUND.
        """
        job = await self._jobs.require(identity, job_id)
        at, done = datetime.now(UTC), None
        async with self._database.transaction() as session:
            if job.state is JobState.CREATED:
                reason = f"Cancelled by {identity.email} before it was launched."
                done = await jobs.advance(session, job, JobState.CANCELLED, at=at, reason=reason, actor=identity.email)
            # Also after losing the line above to a launch: the wish is then one about a launched job.
            if await wishes.ask_cancel(session, job.id, at=at, by=identity.email) or done:
                await note(session, identity, AuditAction.CANCEL, job)
        self._database.signal.ring()
        log.info("cancel asked", job=job.id, user=identity.email)
        return await self._settled(job.id, lambda row: row.state in FINAL, self._deadline())

    def _deadline(self) -> float:
        """When a caller who begins to wait now is answered, whatever is known then; by the event loop's clock."""
        return asyncio.get_running_loop().time() + self._limits.answer_seconds

    async def _settled(self, job_id: str, done: Callable[[Job], bool], deadline: float) -> Job:
        """The job once `done` says so, or as it is at the deadline."""
        async with self._database.signal.listen(job_id) as bell:
            await asyncio.sleep(0)  # whoever was woken to do it goes first
            while True:
                job = await listing.find(self._database, job_id, owner_id=None)
                if job is None:
                    raise job_not_found()
                left = deadline - asyncio.get_running_loop().time()
                if done(job) or left <= 0:
                    return job
                await bell.wait(min(left, _LOOK_SECONDS))
