"""Jobs: adding and finding them.

Whoever asks for jobs sees those whose folder exists and that are not being deleted; `owner_id=None` means everybody's.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, literal, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.order import NEWEST_FIRST, Order, OrderField, Place
from gql_gateway.core.states import ACTIVE, JobState
from gql_gateway.store import dialect
from gql_gateway.store.tables import Job, JobLabel
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
    "count_active",
    "count_by_state",
    "get",
    "get_many",
    "page",
    "remove",
    "value_of",
]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of jobs, in its order."""

    rows: list[Job]
    has_next: bool
    has_previous: bool


_ACTIVE_OF = (
    select(func.count())
    .select_from(Job)
    .where(
        Job.owner_id == bindparam("owner"),
        col(Job.state).in_(ACTIVE),
        col(Job.prepared).is_(True),
        col(Job.deleted_at).is_(None),
    )
)


class Filters(TypedDict, total=False):
    """Which jobs: of these states (none: of none), on this cluster, with this in the name or this Slurm id.

    `labels` are keys and values that a job must have, all of them; it was made at `since` or later and before `until`.
    """

    states: Collection[JobState] | None
    search: str | None
    cluster: str | None
    labels: Collection[tuple[str, str]] | None
    since: datetime | None
    until: datetime | None


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
    after: Place | None = None,
    last: int | None = None,
    before: Place | None = None,
    order: Order = NEWEST_FIRST,
    **filters: Unpack[Filters],
) -> Page:
    """A page of jobs.

    `after` and `before` hold the values that the list is ordered by, so that jobs that are added between two pages
    shift nothing. The jobs need not exist any more. Ids sort by the time of making.

    Args:
        session: where to look.
        owner_id: whose jobs; None: everybody's.
        first: how many from the start; wins over `last`.
        after: only jobs behind this place.
        last: how many from the end.
        before: only jobs in front of this place.
        order: of the list; newest first.
        filters: which jobs.
    """
    statement = select(Job).where(*_matching(owner_id, filters))
    if after is not None:
        statement = statement.where(_beyond(order.field, after, below=order.descends))
    if before is not None:
        statement = statement.where(_beyond(order.field, before, below=not order.descends))
    if first is None and last is not None:
        rows = list(await session.exec(statement.order_by(*_sorted(order, turned=True)).limit(last + 1)))
        return Page(rows[:last][::-1], has_next=before is not None, has_previous=len(rows) > last)
    if first is not None:
        rows = list(await session.exec(statement.order_by(*_sorted(order, turned=False)).limit(first + 1)))
        return Page(rows[:first], has_next=len(rows) > first, has_previous=after is not None)
    raise ValueError("A page needs `first` or `last`.")


async def count_active(session: AsyncSession, owner_id: str) -> int:
    """How many jobs of a user were launched and have not ended."""
    return (await session.exec(_ACTIVE_OF, params={"owner": owner_id})).one()


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


NOT_YET = datetime(9999, 12, 31, tzinfo=UTC)
"""When a job that has not ended ends, for an order: behind all others."""


def value_of(job: Job, field: OrderField) -> str | None:
    """The value by which a job stands in a list; None where that is its id."""
    match field:
        case OrderField.CREATED_AT:
            return None
        case OrderField.NAME:
            return job.name
        case OrderField.ENDED_AT:
            return (job.ended_at or NOT_YET).isoformat()


def _column(name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = Job.__table__.columns[name]  # type: ignore[attr-defined]  # SQLModel leaves it out
    return found


def _key(field: OrderField) -> ColumnElement[Any] | None:
    match field:
        case OrderField.CREATED_AT:
            return None
        case OrderField.NAME:
            return _column("name")
        case OrderField.ENDED_AT:
            ended = _column("ended_at")
            return func.coalesce(ended, literal(NOT_YET, ended.type))


def _sorted(order: Order, *, turned: bool) -> list[ColumnElement[Any]]:
    """What to sort by, from the end with `turned`."""
    keys = [key for key in (_key(order.field), col(Job.id)) if key is not None]
    return [key.desc() if order.descends is not turned else key.asc() for key in keys]


def _beyond(field: OrderField, place: Place, *, below: bool) -> ColumnElement[bool]:
    """The jobs below a place, or above it."""
    beyond = col(Job.id) < place.job_id if below else col(Job.id) > place.job_id
    key = _key(field)
    if key is None or place.value is None:
        return beyond
    value: Any = datetime.fromisoformat(place.value) if field is OrderField.ENDED_AT else place.value
    return or_(key < value if below else key > value, and_(key == value, beyond))


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
    if (since := filters.get("since")) is not None:
        yield col(Job.created_at) >= since
    if (until := filters.get("until")) is not None:
        yield col(Job.created_at) < until
    for key, value in filters.get("labels") or ():
        labelled = select(JobLabel.job_id).where(JobLabel.key == key, JobLabel.value == value)
        yield col(Job.id).in_(labelled)
