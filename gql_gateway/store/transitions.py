"""The one way to change a job's state: with its evidence and its event, in one transaction, by one of many writers."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import bindparam, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.errors import GatewayError
from gql_gateway.core.states import ACTIVE, FINAL, JobState, Source, may_become
from gql_gateway.store import events
from gql_gateway.store.sessions import execute
from gql_gateway.store.tables import Job, JobEvent, table_of

_STAMPS = {
    JobState.LAUNCHING: "launched_at",
    JobState.QUEUED: "queued_at",
    JobState.RUNNING: "started_at",
    **dict.fromkeys(FINAL, "ended_at"),
}
_CHUNK = 1000
_JOBS = table_of(Job)
_KNOWN_JOB = update(_JOBS).where(
    _JOBS.c.id == bindparam("known_id"), _JOBS.c.state == bindparam("known_state"), _JOBS.c.deleted_at.is_(None)
)
"""Writes the columns that it is executed with. Building a statement takes longer than executing it."""


class IllegalTransition(GatewayError):
    """No job may go from the one state to the other: a bug of the caller's."""

    def __init__(self, job: Job, new: JobState) -> None:
        super().__init__(f"Job {job.id} cannot go from {job.state} to {new}.")


class Evidence(TypedDict, total=False):
    """What is known of a job besides its state; what is not given stays as it is."""

    exit_code: int | None
    signal: int | None
    slurm_job_id: str | None
    submitted_at: datetime | None
    launched_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    expected_start_at: datetime | None
    observed_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    submit_attempts: int
    submit_unknown_since: datetime | None
    missing_since: datetime | None
    usage_due: bool


async def advance(
    session: AsyncSession,
    job: Job,
    new: JobState,
    *,
    at: datetime,
    reason: str | None = None,
    native_state: str | None = None,
    source: Source = Source.GATEWAY,
    actor: str | None = None,
    **evidence: Unpack[Evidence],
) -> JobEvent | None:
    """Bring a job from the state that the caller saw to a new one, or renew the evidence for the same one.

    `reason`, `native_state` and `source` take the place of the old ones, evidence only where it is given. The time of
    the state's beginning (`launched_at`, `queued_at`, `started_at`, `ended_at`) is `at` where nothing else is known.

    Returns:
        The event; None where the state stays the same, or where another writer changed or hid the job before.
        In each case `job` is afterwards as the database has it.

    Raises:
        IllegalTransition: no job may go from `job.state` to `new`.
    """
    old = job.state
    if new is not old and not may_become(old, new):
        raise IllegalTransition(job, new)
    values = {"state": new, "reason": reason, "native_state": native_state, "source": source, **evidence}
    stamp = _STAMPS.get(new)
    if stamp and new is not old and getattr(job, stamp) is None:
        values.setdefault(stamp, at)
    if not await _write(session, job, old, values) or new is old:
        return None
    return await events.append(session, job, previous=old, reason=reason, at=at, source=source, actor=actor)


async def confirm(session: AsyncSession, ids: Collection[str], at: datetime, source: Source) -> None:
    """Note that Slurm said again what is known of these jobs: it lists them, in the state they have."""
    waiting = list(ids)
    for start in range(0, len(waiting), _CHUNK):
        await session.exec(
            update(Job)
            .where(col(Job.id).in_(waiting[start : start + _CHUNK]), col(Job.state).in_(ACTIVE))
            .values(observed_at=at, source=source, missing_since=None)
        )


async def _write(session: AsyncSession, job: Job, old: JobState, values: dict[str, Any]) -> bool:
    """Write values to a job that is still in its old state. PostgreSQL waits here for another who writes the row."""
    changed = {name: value for name, value in values.items() if getattr(job, name) != value}
    if not changed:
        return True
    params = {"known_id": job.id, "known_state": old, **changed}
    won = (await execute(session, _KNOWN_JOB, **params)).rowcount == 1
    if not won:
        changed = await _present(session, job.id)
    for name, value in changed.items():
        set_committed_value(job, name, value)
    return won


async def _present(session: AsyncSession, job_id: str) -> dict[str, Any]:
    """The values of a job's row as they are now; nothing where it is gone."""
    row = (await session.exec(select(*_JOBS.c).where(col(Job.id) == job_id))).mappings().one_or_none()
    return dict(row) if row else {}
