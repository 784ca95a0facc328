"""What was asked of a job and is not done yet: launch, cancel, delete, and an sbatch that was begun.

Each is one conditional UPDATE, so that of two writers exactly one wins and neither reads what the other is about to
change. Nothing here changes a state: that is `jobs.advance`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Update, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import ACTIVE, JobState
from gql_gateway.store.tables import Job


async def _changed(session: AsyncSession, statement: Update) -> bool:
    result: CursorResult[Any] = await session.exec(statement)
    return result.rowcount == 1


async def ask_cancel(session: AsyncSession, job_id: str, *, at: datetime, by: str) -> bool:
    """Record that a launched job shall be cancelled; False where it was asked before or the job is not active."""
    return await _changed(
        session,
        update(Job)
        .where(col(Job.id) == job_id, col(Job.cancel_requested_at).is_(None), col(Job.state).in_(ACTIVE))
        .values(cancel_requested_at=at, cancel_requested_by=by),
    )


async def begin_submit(session: AsyncSession, job_id: str, *, at: datetime) -> bool:
    """Record that an sbatch is about to be sent, whose outcome is unknown until it is recorded.

    False where the job is no longer to be launched: cancelled meanwhile, or begun by another.
    """
    return await _changed(
        session,
        update(Job)
        .where(
            col(Job.id) == job_id,
            col(Job.state) == JobState.LAUNCHING,
            col(Job.cancel_requested_at).is_(None),
            col(Job.submit_unknown_since).is_(None),
        )
        .values(submit_unknown_since=at, submit_attempts=Job.submit_attempts + 1),
    )


async def try_later(session: AsyncSession, job_id: str, *, after: datetime, reason: str) -> bool:
    """Record that a submission surely did not happen, when to try again, and why it waits."""
    return await _changed(
        session,
        update(Job)
        .where(col(Job.id) == job_id, col(Job.state) == JobState.LAUNCHING)
        .values(submit_unknown_since=None, submit_after=after, reason=reason),
    )


async def explain(session: AsyncSession, job_id: str, state: JobState, reason: str) -> bool:
    """Say why a job waits in its state, without changing it."""
    return await _changed(
        session, update(Job).where(col(Job.id) == job_id, col(Job.state) == state).values(reason=reason)
    )


async def miss(session: AsyncSession, job_ids: list[str], *, since: datetime | None) -> None:
    """Record since when Slurm's queue does not list these jobs; None: it lists them again."""
    await session.exec(update(Job).where(col(Job.id).in_(job_ids)).values(missing_since=since))


async def prepared(session: AsyncSession, job_id: str) -> bool:
    """Make a job visible: its folder exists. False where that was done before."""
    return await _changed(
        session,
        update(Job)
        .where(col(Job.id) == job_id, col(Job.prepared).is_(False), col(Job.deleted_at).is_(None))
        .values(prepared=True),
    )


async def ask_delete(session: AsyncSession, job_id: str, *, at: datetime) -> bool:
    """Hide a job whose folder is about to go; False where it is active or hidden already."""
    return await _changed(
        session,
        update(Job)
        .where(col(Job.id) == job_id, col(Job.deleted_at).is_(None), col(Job.state).not_in(ACTIVE))
        .values(deleted_at=at),
    )
