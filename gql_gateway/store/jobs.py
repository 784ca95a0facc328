"""Jobs: adding and finding them.

Whoever asks for jobs sees those whose folder exists and that are not being deleted; `owner_id=None` means everybody's.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import ACTIVE, JobState
from gql_gateway.store import dialect
from gql_gateway.store.tables import Job
from gql_gateway.store.transitions import Evidence, IllegalTransition, advance, confirm

__all__ = [
    "Evidence",
    "Filters",
    "IllegalTransition",
    "Page",
    "abandoned",
    "active",
    "add",
    "advance",
    "by_key",
    "confirm",
    "count",
    "count_by_state",
    "get",
    "get_many",
    "page",
    "remove",
]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of jobs, newest first."""

    rows: list[Job]
    has_next: bool
    has_previous: bool


class Filters(TypedDict, total=False):
    """Which jobs: of these states (none: of none), on this cluster, with this in the name or this Slurm id."""

    states: Collection[JobState] | None
    search: str | None
    cluster: str | None


async def add(session: AsyncSession, job: Job) -> Job:
    """Add a job, or find the one that its owner added before with the same `idempotency_key`: compare the ids."""
    statement = dialect.insert(session, job).on_conflict_do_nothing(index_elements=["owner_id", "idempotency_key"])
    await session.exec(statement)
    if job.idempotency_key is not None:
        return await by_key(session, job.owner_id, job.idempotency_key) or job
    return await session.get_one(Job, job.id)


async def get(session: AsyncSession, job_id: str, *, owner_id: str | None) -> Job | None:
    """The job with this id; None where there is none, or it is another's."""
    statement = select(Job).where(Job.id == job_id, *_seen(owner_id))
    return (await session.exec(statement)).one_or_none()


async def get_many(session: AsyncSession, ids: Collection[str], *, owner_id: str | None = None) -> list[Job]:
    """The jobs with these ids, in no order, leaving out those that there are not."""
    return list(await session.exec(select(Job).where(col(Job.id).in_(ids), *_seen(owner_id))))


async def by_key(session: AsyncSession, owner_id: str, key: str) -> Job | None:
    """The job that was added with an idempotency key, also while it cannot be seen yet or any more."""
    statement = select(Job).where(Job.owner_id == owner_id, Job.idempotency_key == key)
    return (await session.exec(statement)).one_or_none()


async def page(
    session: AsyncSession,
    *,
    owner_id: str | None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    **filters: Unpack[Filters],
) -> Page:
    """A page of jobs, newest first.

    `after` and `before` are ids of jobs: ids sort by the time of making, so that jobs that are added between two pages
    shift nothing. They need not exist any more.

    Args:
        session: where to look.
        owner_id: whose jobs; None: everybody's.
        first: how many from the start; wins over `last`.
        after: only jobs older than this one.
        last: how many from the end.
        before: only jobs newer than this one.
        filters: which jobs.
    """
    statement = select(Job).where(*_matching(owner_id, filters))
    if after is not None:
        statement = statement.where(col(Job.id) < after)
    if before is not None:
        statement = statement.where(col(Job.id) > before)
    if first is None and last is not None:
        rows = list(await session.exec(statement.order_by(col(Job.id)).limit(last + 1)))
        return Page(rows[:last][::-1], has_next=before is not None, has_previous=len(rows) > last)
    if first is not None:
        rows = list(await session.exec(statement.order_by(col(Job.id).desc()).limit(first + 1)))
        return Page(rows[:first], has_next=len(rows) > first, has_previous=after is not None)
    raise ValueError("A page needs `first` or `last`.")


async def count(session: AsyncSession, *, owner_id: str | None, **filters: Unpack[Filters]) -> int:
    """How many jobs there are over all pages."""
    return (await session.exec(select(func.count()).select_from(Job).where(*_matching(owner_id, filters)))).one()


async def count_by_state(
    session: AsyncSession, *, owner_id: str | None, **filters: Unpack[Filters]
) -> dict[JobState, int]:
    """How many jobs there are in each state, over all pages, leaving out states without."""
    statement = select(Job.state, func.count()).where(*_matching(owner_id, filters)).group_by(col(Job.state))
    return {JobState(state): number for state, number in await session.exec(statement)}


async def active(session: AsyncSession, cluster: str) -> list[Job]:
    """The jobs of a cluster that were launched and have not ended, oldest launch first."""
    statement = select(Job).where(Job.cluster == cluster, col(Job.state).in_(ACTIVE), *_seen(None))
    return list(await session.exec(statement.order_by(col(Job.launched_at), col(Job.id))))


async def abandoned(session: AsyncSession, cluster: str, before: datetime) -> list[Job]:
    """The jobs of a cluster whose making or deleting began before a time and was not finished."""
    unmade = ~col(Job.prepared) & (col(Job.created_at) < before)
    undeleted = col(Job.deleted_at) < before
    return list(await session.exec(select(Job).where(Job.cluster == cluster, unmade | undeleted)))


async def remove(session: AsyncSession, job: Job) -> None:
    """Forget a job and all its events."""
    await session.exec(delete(Job).where(col(Job.id) == job.id))


def _seen(owner_id: str | None) -> Iterable[ColumnElement[bool]]:
    yield col(Job.prepared).is_(True)
    yield col(Job.deleted_at).is_(None)
    if owner_id is not None:
        yield col(Job.owner_id) == owner_id


def _matching(owner_id: str | None, filters: Filters) -> Iterable[ColumnElement[bool]]:
    yield from _seen(owner_id)
    if (states := filters.get("states")) is not None:
        yield col(Job.state).in_(states)
    if search := filters.get("search"):
        yield col(Job.name).icontains(search, autoescape=True) | (col(Job.slurm_job_id) == search)
    if (cluster := filters.get("cluster")) is not None:
        yield col(Job.cluster) == cluster
