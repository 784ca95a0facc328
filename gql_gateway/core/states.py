"""The states of a job, every allowed transition between them, and what Slurm was seen to say."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life."""

    CREATED = "CREATED"
    LAUNCHING = "LAUNCHING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAILED = "NODE_FAILED"
    LOST = "LOST"


_S = JobState

FINAL = frozenset(
    {_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.TIMED_OUT, _S.OUT_OF_MEMORY, _S.NODE_FAILED, _S.LOST},
)
IN_SLURM = frozenset({_S.QUEUED, _S.RUNNING, _S.SUSPENDED})
"""States in which Slurm has the job, so that the watcher asks for it."""

ACTIVE = IN_SLURM | {_S.LAUNCHING}
"""States of a job that was launched and has not ended."""

_ENDS = FINAL
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    _S.CREATED: frozenset({_S.LAUNCHING, _S.CANCELLED}),
    _S.LAUNCHING: IN_SLURM | _ENDS,
    # A requeued job goes back to the queue, and an administrator may hold or suspend it on the way.
    _S.QUEUED: frozenset({_S.RUNNING, _S.SUSPENDED}) | _ENDS,
    _S.RUNNING: frozenset({_S.QUEUED, _S.SUSPENDED}) | _ENDS,
    _S.SUSPENDED: frozenset({_S.QUEUED, _S.RUNNING}) | _ENDS,
    **{state: frozenset() for state in FINAL},
}


def may_become(old: JobState, new: JobState) -> bool:
    """Whether a job may go from `old` to `new`."""
    return new in TRANSITIONS[old]


class Source(StrEnum):
    """Who bore witness to a state."""

    GATEWAY = "GATEWAY"
    SQUEUE = "SQUEUE"
    SACCT = "SACCT"
    END_RECORD = "END_RECORD"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one witness said of one Slurm job.

    `token` is the Slurm job's name, our key (`gw-<job id>`). Times are aware and in UTC; `submitted_at` with
    `slurm_job_id` tells two jobs apart that got the same reused number. `exit_code` is None where a signal ended it.
    """

    token: str
    slurm_job_id: str
    state: JobState
    native_state: str
    source: Source
    observed_at: datetime
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected_start_at: datetime | None = None
    known: bool = True
    """False: Slurm's word for the state has no meaning here, so all that is told is that the job is listed."""
