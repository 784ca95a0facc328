"""Jobs: adding, finding and counting them.

Whoever asks for jobs sees those whose folder exists and that are not being deleted; `owner_id=None` means everybody's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Unpack

import sqlalchemy
from sqlalchemy import bindparam, delete, func, insert, literal
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import ACTIVE, JobState
from gql_gateway.store import dialect
from gql_gateway.store.listing import Filters, matching, seen
from gql_gateway.store.sessions import execute
from gql_gateway.store.tables import Job, JobLabel, table_of
from gql_gateway.store.transitions import Evidence, IllegalTransition, advance, confirm

__all__ = [
    "Evidence",
    "IllegalTransition",
    "abandoned",
    "active",
    "add",
    "advance",
    "by_key",
    "confirm",
    "count_active",
    "count_by_state",
    "counts_of",
    "get",
    "get_many",
    "remove",
    "visible",
]

_CHUNK = 1000
"""Ids in one statement; databases limit how many it takes."""


_JOBS = table_of(Job)
# From the index alone: what is active is neither without its folder nor hidden. And its states are single parameters,
# for SQLAlchemy writes the text of a list of them anew each time.
_ACTIVE_OF = (
    sqlalchemy.select(func.count())
    .select_from(_JOBS)
    .where(
        _JOBS.c.owner_id == bindparam("owner"),
        _JOBS.c.state.in_([literal(state, _JOBS.c.state.type) for state in sorted(ACTIVE)]),
    )
)


async def add(session: AsyncSession, job: Job) -> Job:
    """Add a job, or find the one that its owner added before with the same `idempotency_key`: compare the ids."""
    statement = dialect.insert(session, job).on_conflict_do_nothing(index_elements=["owner_id", "idempotency_key"])
    await session.exec(statement)
    if job.idempotency_key is not None:
        known = await by_key(session, job.owner_id, job.idempotency_key)
        if known and known.id != job.id:
            return known
    if labels := job.spec.get("labels"):
        await session.exec(insert(JobLabel).values([{"job_id": job.id, **label} for label in labels]))
    return await session.get_one(Job, job.id)


async def get(session: AsyncSession, job_id: str, *, owner_id: str | None) -> Job | None:
    """The job with this id; None where there is none, or it is another's."""
    statement = select(Job).where(Job.id == job_id, *seen(owner_id))
    return (await session.exec(statement)).one_or_none()


async def get_many(session: AsyncSession, ids: Collection[str], *, owner_id: str | None = None) -> list[Job]:
    """The jobs with these ids, in no order, leaving out those that there are not."""
    return list(await session.exec(select(Job).where(col(Job.id).in_(ids), *seen(owner_id))))


async def visible(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Those of these ids whose jobs can be seen: that were not deleted."""
    found: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        found.update(await session.exec(select(Job.id).where(col(Job.id).in_(chunk), *seen(None))))
    return found


async def by_key(session: AsyncSession, owner_id: str, key: str) -> Job | None:
    """The job that was added with an idempotency key, also while it cannot be seen yet or any more."""
    statement = select(Job).where(Job.owner_id == owner_id, Job.idempotency_key == key)
    return (await session.exec(statement)).one_or_none()


async def count_active(session: AsyncSession, owner_id: str) -> int:
    """How many jobs of a user were launched and have not ended."""
    number: int = (await execute(session, _ACTIVE_OF, owner=owner_id)).scalar_one()
    return number


async def count_by_state(
    session: AsyncSession, *, owner_id: str | None, **filters: Unpack[Filters]
) -> dict[JobState, int]:
    """How many jobs there are in each state, over all pages, leaving out states without."""
    statement = select(Job.state, func.count()).where(*seen(owner_id), *matching(filters)).group_by(col(Job.state))
    return {JobState(state): number for state, number in await session.exec(statement)}


async def counts_of(
    session: AsyncSession, owner_ids: Collection[str], **filters: Unpack[Filters]
) -> dict[str, dict[JobState, int]]:
    """The same of each of these owners."""
    wanted = (col(Job.owner_id).in_(owner_ids), *seen(None), *matching(filters))
    statement = select(Job.owner_id, Job.state, func.count()).where(*wanted).group_by(col(Job.owner_id), col(Job.state))
    counts: dict[str, dict[JobState, int]] = {owner_id: {} for owner_id in owner_ids}
    for owner_id, state, number in await session.exec(statement):
        counts[owner_id][JobState(state)] = number
    return counts


async def active(session: AsyncSession, cluster: str) -> list[Job]:
    """The jobs of a cluster that were launched and have not ended, oldest launch first."""
    statement = select(Job).where(Job.cluster == cluster, col(Job.state).in_(ACTIVE), *seen(None))
    return list(await session.exec(statement.order_by(col(Job.launched_at), col(Job.id))))


async def abandoned(session: AsyncSession, cluster: str, before: datetime) -> list[Job]:
    """The jobs of a cluster whose making or deleting began before a time and was not finished."""
    unmade = ~col(Job.prepared) & (col(Job.created_at) < before)
    undeleted = col(Job.deleted_at) < before
    return list(await session.exec(select(Job).where(Job.cluster == cluster, unmade | undeleted)))


async def remove(session: AsyncSession, job: Job) -> None:
    """Forget a job and all its events."""
    await session.exec(delete(Job).where(col(Job.id) == job.id))
