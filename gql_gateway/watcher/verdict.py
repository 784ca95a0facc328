"""What the witnesses say of a job, weighed: pure, so that every rule of "never wrong" is one function to read.

The rules: a failed or empty answer never changes a state. Gone from the queue needs a second witness: accounting
where the site has it, or the end record that run.sh leaves. A Slurm number alone names nothing, since Slurm reuses
them: the job's name (our token) and the number together do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gql_gateway.cluster import slurm_words
from gql_gateway.cluster.cluster import EndRecord
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.states import FINAL, IN_SLURM, JobState, Observation, Source
from gql_gateway.store.tables import Job

SIGNAL_BASE = 128
CLAIM_TAKEN = 98
"""Exit status of a second copy that found the claim of the first (see cluster/script.py)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before believing in silence."""

    lost_after: timedelta = timedelta(minutes=10)
    """Both witnesses silent, while answering, for so long: LOST."""

    resubmit_after: timedelta = timedelta(seconds=30)
    """An sbatch of unknown outcome, and Slurm answering for so long that it knows no such job: submit again."""

    record_after: timedelta = timedelta(minutes=1)
    """Gone from the queue for so long, without an end in the accounts: the job's own end record is believed."""


def matching(job: Job, observations: Sequence[Observation]) -> list[Observation]:
    """What was said of this job's token, oldest submission first. A word that nobody here knows changes nothing."""
    token = slurm_name(job.id)
    as_it_was = job.state if job.state in IN_SLURM else JobState.QUEUED
    mine = [one if one.known else replace(one, state=as_it_was) for one in observations if one.token == token]
    return sorted(mine, key=lambda one: (one.submitted_at is None, one.submitted_at, int(one.slurm_job_id)))


def chosen(job: Job, observations: Sequence[Observation], record: EndRecord | None = None) -> Observation | None:
    """The Slurm job that is this job, of all that carry its token: the one that holds the claim, or runs, or is oldest.

    A twin comes about when an sbatch of unknown outcome was repeated. Only one of them gets past the claim, so it
    is never the one to let go.
    """
    mine = matching(job, observations)
    holder = record.slurm_job_id if record else None
    known = job.slurm_job_id
    for wanted in (
        lambda one: one.slurm_job_id == holder,
        lambda one: one.state in {JobState.RUNNING, JobState.SUSPENDED},
        lambda one: one.slurm_job_id == known,
        lambda one: one.state not in FINAL,
        lambda one: one.exit_code != CLAIM_TAKEN,
        lambda _: True,
    ):
        for one in mine:
            if wanted(one):
                return one
    return None


def twins(job: Job, observations: Sequence[Observation], kept: Observation) -> list[Observation]:
    """Slurm jobs with this job's token that are not the kept one and may still run."""
    return [
        one for one in matching(job, observations) if one.slurm_job_id != kept.slurm_job_id and one.state not in FINAL
    ]


def from_end_record(job: Job, record: EndRecord, now: datetime) -> Observation:
    """What run.sh itself recorded, where Slurm has forgotten the job and keeps no accounts."""
    killed = record.exit_code > SIGNAL_BASE
    state, reason = _end(job, record)
    return Observation(
        token=slurm_name(job.id),
        slurm_job_id=record.slurm_job_id,
        state=state,
        native_state=job.native_state or state.value,
        source=Source.END_RECORD,
        observed_at=now,
        reason=reason,
        exit_code=record.exit_code if not killed and (record.exit_code or state is JobState.COMPLETED) else None,
        signal=record.exit_code - SIGNAL_BASE if killed else None,
        started_at=record.started_at,
        ended_at=record.ended_at,
    )


def _end(job: Job, record: EndRecord) -> tuple[JobState, str | None]:
    """State and reason.

    A job that was told to end may still end with 0: by a handler of its own, or because Apptainer had the signal too
    and lost its child's status (seen twice in 48 cancelled jobs). Slurm calls that cancelled or timed out, never done.
    """
    killed = record.exit_code > SIGNAL_BASE
    if job.cancel_requested_at and (killed or _was_told_to_end(record, job.cancel_requested_at)):
        return JobState.CANCELLED, f"Cancelled by {job.cancel_requested_by}."
    if (killed or record.signals) and _time_is_up(job, record):
        return JobState.TIMED_OUT, "Stopped at its time limit."
    if record.signals:
        return JobState.CANCELLED, "Stopped by a signal on the cluster that the gateway did not ask for."
    if record.exit_code:
        return JobState.FAILED, _ended_by(record.exit_code)
    return JobState.COMPLETED, None


def with_record(seen: Observation, record: EndRecord | None) -> Observation:
    """What accounting says of a failure, with the exit code that run.sh itself saw.

    sacct cuts codes from 128 on: 137 is shown as `9:0`, 128 as `0:0` (22.05 and 24.11).
    """
    mine = record is not None and record.slurm_job_id == seen.slurm_job_id
    if not (mine and record and record.exit_code >= SIGNAL_BASE and seen.state is JobState.FAILED):
        return seen
    reason = slurm_words.reason_for_end("FAILED", record.exit_code, 0, "")
    return replace(seen, exit_code=record.exit_code, signal=None, reason=reason)


def _ended_by(status: int) -> str:
    if status > SIGNAL_BASE:
        return f"Ended by signal {status - SIGNAL_BASE}."
    return f"Ended with exit status {status}."


def _was_told_to_end(record: EndRecord, asked: datetime) -> bool:
    """Whether run.sh had a signal before its end; by the two clocks only where it did not count them yet."""
    return record.ended_at >= asked.replace(microsecond=0) if record.signals is None else record.signals > 0


def _time_is_up(job: Job, record: EndRecord) -> bool:
    limit: int | None = job.spec["resources"].get("time_limit_seconds")
    if not limit or record.started_at is None or record.ended_at is None:
        return False
    return record.ended_at - record.started_at >= timedelta(seconds=-(-limit // 60) * 60)


def worth_telling(job: Job, seen: Observation) -> Observation:
    """The observation with the words that only the gateway knows: who asked for a cancel."""
    if seen.state is JobState.CANCELLED and job.cancel_requested_by:
        return replace(seen, reason=f"Cancelled by {job.cancel_requested_by}.")
    return seen
