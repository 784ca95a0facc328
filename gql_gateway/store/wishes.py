"""What was asked of a job and is not done yet: launch, cancel, delete, and an sbatch that was begun.

Each change is one conditional UPDATE, so that of two writers exactly one wins and neither reads what the other is
about to change. Nothing here changes a state: that is `jobs.advance`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Update, and_, bindparam, exists, or_, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import ACTIVE, IN_SLURM, JobState
from gql_gateway.store import listing
from gql_gateway.store.database import Database
from gql_gateway.store.sessions import execute
from gql_gateway.store.tables import Job, table_of

_JOBS = table_of(Job)
_BEGIN_SUBMIT = (
    update(_JOBS)
    .where(
        _JOBS.c.id == bindparam("known_id"),
        _JOBS.c.state == JobState.LAUNCHING,
        _JOBS.c.cancel_requested_at.is_(None),
        _JOBS.c.submit_unknown_since.is_(None),
    )
    .values(
        submit_unknown_since=bindparam("at"),
        submit_attempts=_JOBS.c.submit_attempts + 1,
        reason=bindparam("why"),
    )
)
_OTHERS = _JOBS.alias()
_BEGIN_SUBMIT_OF_NEXT = _BEGIN_SUBMIT.where(
    ~exists().where(
        _OTHERS.c.cluster == bindparam("known_cluster"),
        _OTHERS.c.state == JobState.LAUNCHING,
        _OTHERS.c.id != bindparam("known_id"),
        _OTHERS.c.deleted_at.is_(None),
        _OTHERS.c.cancel_requested_at.is_(None),
        _OTHERS.c.submit_unknown_since.is_(None),
    )
)
_TO_SUBMIT = (
    select(*_JOBS.c)
    .where(
        _JOBS.c.cluster == bindparam("known_cluster"),
        _JOBS.c.state == JobState.LAUNCHING,
        _JOBS.c.deleted_at.is_(None),
        or_(_JOBS.c.cancel_requested_at.is_(None), _JOBS.c.submit_unknown_since.is_not(None)),
    )
    .order_by(_JOBS.c.launched_at, _JOBS.c.id)
)


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


async def begin_submit(session: AsyncSession, job: Job, *, at: datetime, reason: str | None = None) -> bool:
    """Record that an sbatch is about to be sent, whose outcome is unknown until it is recorded, and what to say of it.

    False where the job is no longer to be launched: cancelled meanwhile, or begun by another.
    """
    begun = (await execute(session, _BEGIN_SUBMIT, known_id=job.id, at=at, why=reason)).rowcount == 1
    return begun and _note_begun(job, at, reason)


async def begin_submit_of_next(session: AsyncSession, job: Job, *, at: datetime, reason: str | None = None) -> bool:
    """The same, and False also where another job of the cluster waits to be submitted: it was launched before."""
    values = {"known_id": job.id, "known_cluster": job.cluster, "at": at, "why": reason}
    begun = (await execute(session, _BEGIN_SUBMIT_OF_NEXT, **values)).rowcount == 1
    return begun and _note_begun(job, at, reason)


def _note_begun(job: Job, at: datetime, reason: str | None) -> bool:
    """Have the object as the row is: what is recorded next is compared with it."""
    set_committed_value(job, "submit_unknown_since", at)
    set_committed_value(job, "submit_attempts", job.submit_attempts + 1)
    set_committed_value(job, "reason", reason)
    return True


async def take_back(session: AsyncSession, job_id: str, *, reason: str, announced: datetime | None = None) -> bool:
    """Record that a submission surely did not happen, and why the job waits; with `announced`, only that one."""
    same = [] if announced is None else [col(Job.submit_unknown_since) == announced]
    return await _changed(
        session,
        update(Job)
        .where(col(Job.id) == job_id, col(Job.state) == JobState.LAUNCHING, *same)
        .values(submit_unknown_since=None, reason=reason),
    )


async def to_submit(database: Database, cluster: str) -> list[Job]:
    """The launched jobs that are to be submitted, or were with unknown outcome, oldest launch first."""
    return await listing.whole(database, _TO_SUBMIT, {"known_cluster": cluster})


async def to_cancel(session: AsyncSession, cluster: str) -> list[Job]:
    """The jobs to be cancelled: those in Slurm, and those of which no sbatch was begun."""
    unsubmitted = and_(col(Job.state) == JobState.LAUNCHING, col(Job.submit_unknown_since).is_(None))
    statement = select(Job).where(
        Job.cluster == cluster,
        col(Job.cancel_requested_at).is_not(None),
        or_(col(Job.state).in_(IN_SLURM), unsubmitted),
        col(Job.deleted_at).is_(None),
    )
    return list(await session.exec(statement.order_by(col(Job.cancel_requested_at))))


async def explain_waiting(session: AsyncSession, cluster: str, reason: str) -> None:
    """Say of all jobs of a cluster that wait to be submitted why they do."""
    waiting = (
        col(Job.cluster) == cluster,
        col(Job.state) == JobState.LAUNCHING,
        col(Job.deleted_at).is_(None),
        col(Job.submit_unknown_since).is_(None),
    )
    await session.exec(update(Job).where(*waiting).values(reason=reason))


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


async def abandon(session: AsyncSession, job_id: str, *, at: datetime) -> bool:
    """Give up a job whose folder was never finished, so that nobody finishes it any more; False where it was."""
    return await _changed(
        session,
        update(Job).where(col(Job.id) == job_id, col(Job.prepared).is_(False)).values(deleted_at=at),
    )
