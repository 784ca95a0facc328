"""Submit launched jobs, one after another. The only place that calls sbatch.

An sbatch is announced in the store before it is sent. Whatever dies then, the announcement stays, and the next pass
looks the token up in Slurm before it even thinks of a second try. Where nothing stands in the way and nobody waits, the
transaction that records a launch announces it at once; the pass that it wakes then sends it, before it asks the store
who else waits.

What stands in the way of one job stands in the way of all behind it: a cluster that does not answer is asked once in
growing waits, and not once for each job that waits.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, Refused, SubmitRefused
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.states import JobState, Observation, Source
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from gql_gateway.watcher import verdict
from gql_gateway.watcher.pace import Pace
from gql_gateway.watcher.reconcile import Recorder
from gql_gateway.watcher.silence import Silences
from gql_gateway.watcher.verdict import Patience

log = structlog.get_logger()

RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 1.0
FRESH_SECONDS = 1.0
"""So long an announcement that was not sent may still be: whoever took over would not send it before, but look."""
KEPT_SECONDS = 3600.0
"""So long an announcement of ours is known as such: a pass over many jobs that it just missed takes its time."""

ASKED = "Slurm was asked to take the job and has not answered yet."


class Submitter:
    """Submits for one account on a cluster, at the pace of all together."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        patience: Patience,
        leads: Callable[[AsyncSession], Awaitable[bool]],
        pace: Pace,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._patience = patience
        self._leads = leads
        self._pace = pace
        self._recorder = Recorder(database)
        self._unknown = Silences()
        self._failures = 0
        self._rest_until = 0.0
        self._submitted = False
        self._at_work = True
        self._announced: dict[str, tuple[datetime, float]] = {}
        self._handed_over: deque[tuple[Job, asyncio.Future[bool]]] = deque()

    @property
    def _is_free(self) -> bool:
        """Whether an sbatch would be sent at once."""
        return not self._at_work and monotonic() >= self._rest_until and self._pace.is_free

    async def expect(self, job_id: str) -> None:
        """Have sbatch load for a launch that is about to be recorded, if it would be the next one, and at once."""
        if self._is_free:
            await self._cluster.expect_submission(job_id)

    async def announce(self, session: AsyncSession, job: Job) -> bool:
        """Announce a launch in the transaction that records it, if its sbatch would be the next one, and at once.

        Else nothing is done, and the launch waits for its turn.
        """
        if not self._is_free or not await self._leads(session):
            return False
        at = datetime.now(UTC)
        if not await wishes.begin_submit_of_next(session, job, at=at, reason=ASKED):
            return False
        self._pace.turn()
        now = monotonic()
        self._announced = {key: kept for key, kept in self._announced.items() if now < kept[1] + KEPT_SECONDS}
        self._announced[job.id] = at, now
        return True

    def hand_over(self, job: Job) -> asyncio.Future[bool]:
        """Give the next pass a launch whose announcement is on the disk, so that it need not ask the store for it.

        Returns:
            True once what became of the sbatch is on the disk, and `job` is as the store has it. False where the store
            is to be asked. While there is no pass there is no answer.
        """
        recorded: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._handed_over.append((job, recorded))
        return recorded

    async def carry_out(self) -> float | None:
        """One pass over every launched job, oldest launch first.

        Returns:
            Seconds until something is to be tried again, if anything is.
        """
        if (rest := self._rest_until - monotonic()) > 0:
            return rest
        self._at_work = True
        try:
            return await self._carry_out()
        finally:
            self._at_work = False
            self._give_back_handed_over()

    async def _carry_out(self) -> float | None:
        waits = []
        try:
            await self._send_handed_over()
            waiting = await wishes.to_submit(self._database, self._cluster.name)
            self._unknown.keep_only({job.id for job in waiting})
            for job in waiting:
                if not job.submit_unknown_since:
                    await self._begin(job)
                elif await self._sent_as_announced(job):
                    continue
                elif (wait := await self._look_up(job)) is not None:
                    waits.append(wait)
        except Refused as refused:
            return await self._rest(refused)
        return min(waits, default=None)

    def take_submitted(self) -> bool:
        """Whether anything was submitted since this was last asked, so that the queue has news."""
        submitted, self._submitted = self._submitted, False
        return submitted

    def resume(self) -> None:
        """Try again at the next pass: the cluster answers."""
        self._rest_until = 0.0

    async def _rest(self, refused: Refused) -> float:
        """The cluster does not answer: say so to everybody who waits, and wait longer each time."""
        wait: float = min(RETRY_FIRST_SECONDS * 2**self._failures, RETRY_MOST_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._failures += 1
        self._rest_until = monotonic() + wait
        log.warning("submissions rest", cluster=self._cluster.name, seconds=round(wait, 1), error=str(refused))
        async with self._database.transaction() as session:
            await wishes.explain_waiting(session, self._cluster.name, f"{refused} Trying again.")
        return wait

    async def _send_handed_over(self) -> None:
        """Send what was handed over; one that had to wait is left to the pass over all that the store knows of."""
        while self._handed_over:
            job, recorded = self._handed_over.popleft()
            try:
                if self._is_fresh(job):
                    del self._announced[job.id]
                    await self._submit(job)
                    _tell(recorded, known=True)
            finally:
                _tell(recorded, known=False)
            for _ in range(2):  # whoever waits for the answer goes first, and then the answer
                await asyncio.sleep(0)

    def _give_back_handed_over(self) -> None:
        """Leave what a pass could not send to the next one, which asks the store."""
        for _, recorded in self._handed_over:
            _tell(recorded, known=False)
        self._handed_over.clear()

    async def _sent_as_announced(self, job: Job) -> bool:
        """Send what `announce` announced; False where that was not here, or somebody else has taken it up since.

        One that had to wait is announced anew: another may lead by now, and will send it when it is not found for long.
        """
        fresh = self._is_fresh(job)
        at, _ = self._announced.pop(job.id, (None, 0.0))
        if at is None or at != job.submit_unknown_since:
            return False
        if fresh:
            await self._submit(job)
            return True
        async with self._database.transaction() as session:
            await wishes.take_back(session, job.id, reason=ASKED, announced=at)
        await self._begin(job)
        return True

    def _is_fresh(self, job: Job) -> bool:
        """Whether it is so short a time since `announce` announced a job that nobody else can have taken it up."""
        announced = self._announced.get(job.id)
        return announced is not None and monotonic() < announced[1] + FRESH_SECONDS

    async def _begin(self, job: Job) -> None:
        await asyncio.sleep(self._pace.turn())
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            begun = await self._leads(session) and await wishes.begin_submit(session, job, at=now, reason=ASKED)
        if begun:
            await self._submit(job)

    async def _submit(self, job: Job) -> None:
        try:
            slurm_job_id = await self._cluster.submit(job.id, job.script)
        except SubmitRefused as refused:
            await self._refuse(job, refused)
        except ClusterUnavailable as unavailable:
            await self._take_back(job, unavailable)
            raise
        except ClusterTimeout as timeout:
            await self._leave_unknown(job, timeout)
            raise
        else:
            self._failures = 0
            await self._recorder.record(job, _queued(job, slurm_job_id))
            self._submitted = True

    async def _refuse(self, job: Job, refused: SubmitRefused) -> None:
        """Final: the same job would be refused again."""
        words = refused.problems[0].detail or str(refused)
        at = datetime.now(UTC)
        async with self._database.transaction() as session:
            await jobs.advance(
                session, job, JobState.FAILED, at=at, reason=words, submit_unknown_since=None, ended_at=at
            )
        log.info("job refused", job=job.id, cluster=job.cluster, words=words)

    async def _take_back(self, job: Job, unavailable: ClusterUnavailable) -> None:
        """Surely not submitted: the announcement is taken back."""
        async with self._database.transaction() as session:
            await wishes.take_back(session, job.id, reason=f"{unavailable} Trying again.")

    async def _leave_unknown(self, job: Job, unknown: ClusterTimeout) -> None:
        async with self._database.transaction() as session:
            reason = f"{unknown} Looking whether Slurm has the job."
            await wishes.explain(session, job.id, JobState.LAUNCHING, reason)
        log.warning("submission of unknown outcome", job=job.id, cluster=job.cluster, error=str(unknown))

    async def _look_up(self, job: Job) -> float | None:
        """Find the Slurm job of an sbatch whose outcome is unknown: adopt it, or after a while try again."""
        try:
            found = await self._cluster.find(job.id)
        except Refused:
            self._unknown.begin_anew(job.id)
            raise
        self._failures = 0
        if kept := verdict.chosen(job, found):
            await self._adopt(job, found, kept)
            return None
        silent = self._unknown.heard_nothing(job.id)
        if silent < self._patience.resubmit_after:
            return min(LOOK_AGAIN_SECONDS, (self._patience.resubmit_after - silent).total_seconds())
        self._unknown.begin_anew(job.id)
        async with self._database.transaction() as session:
            await wishes.take_back(session, job.id, reason="Slurm does not know the job; submitting again.")
        return 0.0

    async def _adopt(self, job: Job, found: list[Observation], kept: Observation) -> None:
        log.info("adopted", job=job.id, slurm_job=kept.slurm_job_id, of=len(found))
        for twin in verdict.twins(job, found, kept):
            await self._cluster.cancel(twin.slurm_job_id, only_waiting=True)
        await self._recorder.record(job, kept)
        self._submitted = True


def _tell(recorded: asyncio.Future[bool], *, known: bool) -> None:
    """Say it unless it was said, or nobody waits for it any more."""
    if not recorded.done():
        recorded.set_result(known)


def _queued(job: Job, slurm_job_id: str) -> Observation:
    return Observation(
        token=slurm_name(job.id),
        slurm_job_id=slurm_job_id,
        state=JobState.QUEUED,
        native_state="PENDING",
        source=Source.GATEWAY,
        observed_at=datetime.now(UTC),
    )
