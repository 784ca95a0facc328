"""Carry out what was asked: submit launched jobs, one after another, and cancel. The only place that calls sbatch.

An sbatch is announced in the store before it is sent. Whatever dies then, the announcement stays, and the next pass
looks the token up in Slurm before it even thinks of a second try.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, Refused, SubmitRefused
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.states import IN_SLURM, JobState, Observation, Source
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from gql_gateway.watcher import verdict
from gql_gateway.watcher.reconcile import Recorder
from gql_gateway.watcher.verdict import Patience

log = structlog.get_logger()

RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0
CANCEL_AGAIN = timedelta(seconds=5)


class Submitter:
    """Submits and cancels for one cluster. `rate` is the most submissions a second."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        patience: Patience,
        leads: Callable[[AsyncSession], Awaitable[bool]],
        *,
        rate: float,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._patience = patience
        self._leads = leads
        self._submitted: set[str] = set()
        self._cancelled: set[str] = set()
        self._gap = 1.0 / rate
        self._recorder = Recorder(database)
        self._cancelled_at: dict[str, datetime] = {}

    async def carry_out(self) -> float | None:
        """One pass over everything that was asked; seconds until something is to be tried again, if anything is."""
        async with self._database.reading() as session:
            active = await jobs.active(session, self._cluster.name)
        waits = [await self._cancel(job) for job in active if job.state in IN_SLURM and job.cancel_requested_at]
        launching = sorted((job for job in active if job.state is JobState.LAUNCHING), key=_order)
        waits += [await self._launch(job) for job in launching]
        self._cancelled_at = {job.id: at for job in active if (at := self._cancelled_at.get(job.id))}
        return min((wait for wait in waits if wait is not None), default=None)

    def take_touched(self) -> tuple[set[str], set[str]]:
        """Jobs submitted and jobs cancelled since this was last asked, whose state will soon change."""
        touched = self._submitted, self._cancelled
        self._submitted, self._cancelled = set(), set()
        return touched

    async def _launch(self, job: Job) -> float | None:
        now = datetime.now(UTC)
        if job.submit_unknown_since:
            return await self._look_up(job, now)
        if job.cancel_requested_at:
            await self._cancel_unsubmitted(job, now)
            return None
        if job.submit_after and job.submit_after > now:
            return (job.submit_after - now).total_seconds()
        async with self._database.transaction() as session:
            begun = await self._leads(session) and await wishes.begin_submit(session, job.id, at=now)
        return await self._submit(job) if begun else None

    async def _submit(self, job: Job) -> float | None:
        try:
            slurm_job_id = await self._cluster.submit(job.id, job.script)
        except SubmitRefused as refused:
            await self._refuse(job, refused)
        except ClusterUnavailable as unavailable:
            return await self._try_later(job, unavailable)
        except ClusterTimeout as timeout:
            return await self._leave_unknown(job, timeout)
        else:
            await self._recorder.record(job, _queued(job, slurm_job_id))
            self._submitted.add(job.id)
            await asyncio.sleep(self._gap)
        return None

    async def _refuse(self, job: Job, refused: SubmitRefused) -> None:
        """Final: the same job would be refused again."""
        words = refused.problems[0].detail or str(refused)
        at = datetime.now(UTC)
        async with self._database.transaction() as session:
            await jobs.advance(
                session, job, JobState.FAILED, at=at, reason=words, submit_unknown_since=None, ended_at=at
            )
        log.info("job refused", job=job.id, cluster=job.cluster, words=words)

    async def _try_later(self, job: Job, unavailable: ClusterUnavailable) -> float:
        """Surely not submitted: the announcement is taken back, and the wait grows."""
        wait: float = min(RETRY_FIRST_SECONDS * 2**job.submit_attempts, RETRY_MOST_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        reason = f"{unavailable} Trying again."
        async with self._database.transaction() as session:
            after = datetime.now(UTC) + timedelta(seconds=wait)
            await wishes.try_later(session, job.id, after=after, reason=reason)
        log.warning("submission put off", job=job.id, cluster=job.cluster, seconds=wait, error=str(unavailable))
        return wait

    async def _leave_unknown(self, job: Job, unknown: ClusterTimeout) -> float:
        async with self._database.transaction() as session:
            reason = f"{unknown} Looking whether Slurm has the job."
            await wishes.explain(session, job.id, JobState.LAUNCHING, reason)
        log.warning("submission of unknown outcome", job=job.id, cluster=job.cluster, error=str(unknown))
        return RETRY_FIRST_SECONDS

    async def _look_up(self, job: Job, now: datetime) -> float | None:
        """Find the Slurm job of an sbatch whose outcome is unknown: adopt it, or after a while try again."""
        try:
            found = await self._cluster.find(job.id)
        except Refused as refused:
            log.warning("look-up failed", job=job.id, cluster=job.cluster, error=str(refused))
            return RETRY_FIRST_SECONDS * 2
        kept = verdict.chosen(job, found)
        if kept:
            log.info("adopted", job=job.id, slurm_job=kept.slurm_job_id, of=len(found))
            for twin in verdict.twins(job, found, kept):
                await self._cluster.cancel(twin.slurm_job_id)
            await self._recorder.record(job, kept)
            return None
        waited = now - (job.submit_unknown_since or now)
        if waited < self._patience.resubmit_after:
            return RETRY_FIRST_SECONDS
        async with self._database.transaction() as session:
            await wishes.try_later(session, job.id, after=now, reason="Slurm does not know the job; submitting again.")
        return 0.0

    async def _cancel_unsubmitted(self, job: Job, now: datetime) -> None:
        async with self._database.transaction() as session:
            reason = f"Cancelled by {job.cancel_requested_by} before it was submitted."
            await jobs.advance(session, job, JobState.CANCELLED, at=now, reason=reason, ended_at=now)

    async def _cancel(self, job: Job) -> float | None:
        """scancel, again and again until Slurm shows the job's end: its success means nothing."""
        now = datetime.now(UTC)
        last = self._cancelled_at.get(job.id)
        if last and now - last < CANCEL_AGAIN:
            return (CANCEL_AGAIN - (now - last)).total_seconds()
        try:
            await self._cluster.cancel(job.slurm_job_id or "")
        except Refused as refused:
            log.warning("cancel put off", job=job.id, cluster=job.cluster, error=str(refused))
            return RETRY_FIRST_SECONDS * 2
        self._cancelled_at[job.id] = now
        self._cancelled.add(job.id)
        return CANCEL_AGAIN.total_seconds()


def _order(job: Job) -> tuple[datetime, str]:
    return job.launched_at or job.created_at, job.id


def _queued(job: Job, slurm_job_id: str) -> Observation:
    return Observation(
        token=slurm_name(job.id),
        slurm_job_id=slurm_job_id,
        state=JobState.QUEUED,
        native_state="PENDING",
        source=Source.GATEWAY,
        observed_at=datetime.now(UTC),
    )
