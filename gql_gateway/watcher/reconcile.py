"""Compare what Slurm says with what the store says, and record it: one idempotent pass, which takes no input.

The passes run one after another, by the one process that leads (see run.py). Each step is a question to the cluster
outside any transaction, a verdict (verdict.py), and a write that fails quietly where somebody else was first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from gql_gateway.cluster.cluster import Cluster, EndRecord
from gql_gateway.core.errors import Refused
from gql_gateway.core.ids import job_of, slurm_name
from gql_gateway.core.states import FINAL, IN_SLURM, JobState, Observation, Source
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from gql_gateway.store.transitions import Evidence
from gql_gateway.watcher import verdict
from gql_gateway.watcher.silence import Silences
from gql_gateway.watcher.verdict import Patience

log = structlog.get_logger()


class Recorder:
    """Writes observations: the state with its evidence, or only when it was last confirmed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, job: Job, seen: Observation) -> None:
        """Move a job to what was seen of it, where that differs; one that has ended stays as it is."""
        if job.state in FINAL:
            return
        seen = verdict.worth_telling(job, seen)
        async with self._database.transaction() as session:
            moved = await jobs.advance(
                session,
                job,
                seen.state,
                at=seen.observed_at,
                source=seen.source,
                reason=seen.reason,
                native_state=seen.native_state,
                **_evidence(seen),
            )
        if moved:
            log.info("job state", job=job.id, cluster=job.cluster, state=seen.state, slurm_job=seen.slurm_job_id)


def _evidence(seen: Observation) -> Evidence:
    """The evidence columns; what this witness does not know is left as it is."""
    evidence = Evidence(
        slurm_job_id=seen.slurm_job_id, observed_at=seen.observed_at, submit_unknown_since=None, missing_since=None
    )
    if seen.submitted_at:
        evidence["submitted_at"] = seen.submitted_at
    if seen.started_at:
        evidence["started_at"] = seen.started_at
    if seen.state in FINAL:
        evidence |= {"exit_code": seen.exit_code, "signal": seen.signal, "usage_due": True}
        if seen.ended_at:
            evidence["ended_at"] = seen.ended_at
    elif seen.expected_start_at:
        evidence["expected_start_at"] = seen.expected_start_at
    return evidence


@dataclass(frozen=True, slots=True)
class Accounts:
    """What accounting said: whether the site keeps accounts, and whether they could be asked just now."""

    seen: Sequence[Observation]
    kept: bool
    answered: bool


class Observer:
    """One poll of a cluster's queue, and a second witness for the jobs that left it."""

    def __init__(self, database: Database, cluster: Cluster, patience: Patience) -> None:
        self._database = database
        self._cluster = cluster
        self._patience = patience
        self._recorder = Recorder(database)
        self._gone = Silences()
        self._silent = Silences()

    async def observe(self) -> Mapping[str, JobState]:
        """Record what Slurm says of every job it was given.

        Returns:
            The state of each of them by token, as it is recorded now.

        Raises:
            Refused: the queue cannot be asked. Nothing was changed.
        """
        async with self._database.reading() as session:
            asked = [job for job in await jobs.active(session, self._cluster.name) if job.state in IN_SLURM]
        if not asked:
            return {}
        queue = await self._queue()
        listed = {job.id: found for job in asked if (found := verdict.chosen(job, queue))}
        await self._record_listed(asked, listed)
        for job in asked:
            if job.id in listed:
                await self._cancel_twins(job, queue, listed[job.id])
        await self._cancel_stragglers(asked, queue)
        missing = [job for job in asked if job.id not in listed]
        self._keep_silences({job.id for job in missing})
        weighed = await self._second_witness(missing) if missing else {}
        seen = listed | weighed
        return {slurm_name(job.id): seen[job.id].state if job.id in seen else job.state for job in asked}

    async def _queue(self) -> list[Observation]:
        try:
            return await self._cluster.queue()
        except Refused:
            self._keep_silences(set())
            raise

    def _keep_silences(self, job_ids: set[str]) -> None:
        self._gone.keep_only(job_ids)
        self._silent.keep_only(job_ids)

    async def _record_listed(self, asked: Sequence[Job], listed: dict[str, Observation]) -> None:
        same: list[str] = []
        for job in asked:
            if seen := listed.get(job.id):
                if _tells_nothing_new(job, seen):
                    same.append(job.id)
                elif seen.state is JobState.CANCELLED:
                    now = await self._as_it_is_now(job)
                    await self._recorder.record(now, await self._with_canceller(now, seen))
                else:
                    await self._recorder.record(job, seen)
        if same:
            at = listed[same[0]].observed_at
            async with self._database.transaction() as session:
                await jobs.confirm(session, same, at=at, source=Source.SQUEUE)

    async def _as_it_is_now(self, job: Job) -> Job:
        """The row once more: a cancel may have been asked for, and carried out, since this pass began."""
        async with self._database.reading() as session:
            return await jobs.get(session, job.id, owner_id=None) or job

    async def _with_canceller(self, job: Job, seen: Observation) -> Observation:
        """The observation, with accounting's word on who cancelled a job that nobody cancelled here."""
        if job.cancel_requested_at:
            return seen
        accounts = await self._accounts([job])
        found = verdict.chosen(job, [one for one in accounts.seen if one.slurm_job_id == seen.slurm_job_id])
        told = found.reason if found and found.state is JobState.CANCELLED else None
        return replace(seen, reason=told or "Cancelled on the cluster, not through the gateway.")

    async def _cancel_twins(self, job: Job, queue: Sequence[Observation], kept: Observation) -> None:
        for twin in verdict.twins(job, queue, kept):
            log.warning("cancelling a twin", job=job.id, slurm_job=twin.slurm_job_id, kept=kept.slurm_job_id)
            await self._cluster.cancel(twin.slurm_job_id, only_waiting=True)

    async def _cancel_stragglers(self, asked: Sequence[Job], queue: Sequence[Observation]) -> None:
        """An sbatch that was given up may arrive after all, when its job has ended: it must not run then.

        Tokens without a job here are left alone: another gateway may use the same account.
        """
        known = {job.id for job in asked}
        alive = {job_of(seen.token): seen for seen in queue if seen.state not in FINAL}
        late = {job_id: seen for job_id, seen in alive.items() if job_id not in known}
        if not late:
            return
        async with self._database.reading() as session:
            found = await jobs.get_many(session, list(late))
        # A name alone names no job: whoever has an account of their own can give theirs any.
        for job in (job for job in found if job.state in FINAL and job.cluster == self._cluster.name):
            if (straggler := late[job.id].slurm_job_id) != job.slurm_job_id:
                log.warning("cancelling a straggler", job=job.id, state=job.state, slurm_job=straggler)
                await self._cluster.cancel(straggler, only_waiting=True)

    async def _second_witness(self, missing: list[Job]) -> dict[str, Observation]:
        now = datetime.now(UTC)
        if fresh := [job.id for job in missing if job.missing_since is None]:
            async with self._database.transaction() as session:
                await wishes.miss(session, fresh, since=now)
        accounts = await self._accounts(missing)
        records = await self._cluster.end_records([job.folder for job in missing])
        weighed = {}
        for known in missing:
            job = await self._as_it_is_now(known)
            if seen := self._weigh(job, accounts, records.get(job.folder), now):
                await self._recorder.record(job, seen)
                weighed[job.id] = seen
        return weighed

    async def _accounts(self, missing: Sequence[Job]) -> Accounts:
        try:
            answer = await self._cluster.accounting([job.id for job in missing])
        except Refused as refused:
            log.warning("accounting does not answer", cluster=self._cluster.name, error=str(refused))
            return Accounts([], kept=True, answered=False)
        return Accounts(answer or [], kept=answer is not None, answered=True)

    def _weigh(self, job: Job, accounts: Accounts, record: EndRecord | None, now: datetime) -> Observation | None:
        seen = verdict.chosen(job, accounts.seen, record)
        if seen and seen.state in FINAL:
            return verdict.with_record(seen, record)
        gone = self._gone.heard_nothing(job.id)
        # The end record knows less than Slurm (not that a signal was a time limit): a late account is waited for.
        if record and (not accounts.kept or gone >= self._patience.record_after):
            return verdict.from_end_record(job, record, now)
        if not accounts.answered:
            self._silent.begin_anew(job.id)
            return None
        # Accounting that still shows a job as running which the queue has forgotten is silent, not a witness.
        silent = self._silent.heard_nothing(job.id)
        return _lost(job, now) if silent >= self._patience.lost_after else None


def _tells_nothing_new(job: Job, seen: Observation) -> bool:
    return (
        seen.state is job.state
        and seen.native_state == job.native_state
        and seen.slurm_job_id == job.slurm_job_id
        and seen.reason == job.reason
        and seen.submitted_at == job.submitted_at
        and seen.expected_start_at == job.expected_start_at
        and job.missing_since is None
    )


def _lost(job: Job, now: datetime) -> Observation:
    return Observation(
        token=slurm_name(job.id),
        slurm_job_id=job.slurm_job_id or "",
        state=JobState.LOST,
        native_state=job.native_state or "",
        source=Source.GATEWAY,
        observed_at=now,
        reason="Neither Slurm's queue nor its accounting nor the job's own end record knows how it ended.",
    )
