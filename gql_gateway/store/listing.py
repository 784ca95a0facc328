"""Jobs as they are shown, one or a page of them: the columns that are wanted, as light rows that cannot be written.

A statement that is made anew, and objects of a session's, take SQLAlchemy 0.7 ms of processor time for a job and 3.6 ms
for a hundred; rows of a statement that was made before take it 0.05 and 0.4 (docs/decisions/0070). Whoever asks sees
jobs whose folder exists and that are not being deleted; `owner_id=None` means everybody's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypedDict, Unpack, cast

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, func, literal, or_, select
from sqlmodel import col

from gql_gateway.core.accounts import key_of
from gql_gateway.core.order import NEWEST_FIRST, Order, OrderField, Place
from gql_gateway.core.states import JobState
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, JobLabel, table_of

_TABLE = table_of(Job)
COLUMNS: frozenset[str] = frozenset(column.name for column in _TABLE.columns)
"""Every column of a job."""
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of jobs, in its order."""

    rows: Sequence[Job]
    has_next: bool
    has_previous: bool


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


async def find(database: Database, job_id: str, *, owner_id: str | None) -> Job | None:
    """The job with this id, as an object that no session knows; None where it is not there, or another's."""
    row = await show(database, job_id, owner_id=owner_id)
    return _object(row) if row else None


async def whole(database: Database, statement: Select[Any], values: Mapping[str, Any]) -> list[Job]:
    """The jobs that a statement finds in no time with all their columns, as objects that no session knows."""
    return [_object(row) for row in await database.rows(statement, values)]


def _object(row: Any) -> Job:
    return Job(**row._mapping)  # noqa: SLF001 - a row's public name for it


async def show(
    database: Database, job_id: str, *, owner_id: str | None, columns: frozenset[str] = COLUMNS
) -> Job | None:
    """The job with this id: a row that has a job's attributes, those in `columns` and the id."""
    statement = _one(columns, owner_id is not None)
    rows = await database.rows(statement, {"job_id": job_id, "owner_id": owner_id})
    return cast("Job", rows[0]) if rows else None


async def page(
    database: Database,
    *,
    owner_id: str | None,
    columns: frozenset[str] = COLUMNS,
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
        database: where to look.
        owner_id: whose jobs; None: everybody's.
        columns: which attributes the rows have, beside those that the list is ordered by.
        first: how many from the start; wins over `last`.
        after: only jobs behind this place.
        last: how many from the end.
        before: only jobs in front of this place.
        order: of the list; newest first.
        filters: which jobs.
    """
    size = last if first is None else first
    if size is None:
        raise ValueError("A page needs `first` or `last`.")
    turned = first is None
    ends = _kind(after), _kind(before)
    statement = _listed(columns, owner_id is not None, order, ends, turned)
    if conditions := tuple(matching(filters)):
        statement = statement.where(*conditions)
    values = dict([*_bound("after", after, order), *_bound("before", before, order)], owner_id=owner_id, most=size + 1)
    # A filter or another order may have very many rows looked at, which is no work for the event loop.
    quick = not conditions and order == NEWEST_FIRST
    rows = cast("Sequence[Job]", await database.rows(statement, values, quick=quick))
    if turned:
        return Page(rows[:size][::-1], has_next=before is not None, has_previous=len(rows) > size)
    return Page(rows[:size], has_next=len(rows) > size, has_previous=after is not None)


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


def seen(owner: object | None) -> Iterable[ColumnElement[bool]]:
    """Conditions on the jobs that an owner sees, whose id this is, or a parameter; None: that anybody may see."""
    yield col(Job.prepared).is_(True)
    yield col(Job.deleted_at).is_(None)
    if owner is not None:
        yield col(Job.owner_id) == owner


def matching(filters: Filters) -> Iterable[ColumnElement[bool]]:
    """Conditions on the jobs that are wanted."""
    if (states := filters.get("states")) is not None:
        yield col(Job.state).in_(states)
    if search := filters.get("search"):
        yield col(Job.name).icontains(search, autoescape=True) | (col(Job.slurm_job_id) == search)
    if (cluster := filters.get("cluster")) is not None:
        # Under whichever account. No LIKE: SQLite's would take Local for local.
        own = key_of(cluster, "")
        yield or_(col(Job.cluster) == cluster, func.substr(col(Job.cluster), 1, len(own)) == own)
    if (since := filters.get("since")) is not None:
        yield col(Job.created_at) >= since
    if (until := filters.get("until")) is not None:
        yield col(Job.created_at) < until
    for key, value in filters.get("labels") or ():
        labelled = select(col(JobLabel.job_id)).where(col(JobLabel.key) == key, col(JobLabel.value) == value)
        yield col(Job.id).in_(labelled)


# -- statements -------------------------------------------------------------------------------------------------------


class _End(Enum):
    """What a page's end is given by."""

    OPEN = "nothing"
    JOB = "the id of a job"
    VALUE = "a value that the list is ordered by, and the id"


@lru_cache(_REMEMBERED)
def _one(columns: frozenset[str], owned: bool) -> Select[Any]:
    wanted = (_column(name) for name in sorted(columns | {"id"}))
    return select(*wanted).where(col(Job.id) == bindparam("job_id"), *seen(_owner(owned)))


@lru_cache(_REMEMBERED)
def _listed(columns: frozenset[str], owned: bool, order: Order, ends: tuple[_End, _End], turned: bool) -> Select[Any]:
    """Jobs in an order, between two ends, from the second one with `turned`."""
    key = _key(order.field)
    wanted = columns | {"id"} | ({order.field.lower()} if key is not None else set())
    after, before = ends
    statement = select(*(_column(name) for name in sorted(wanted))).where(
        *seen(_owner(owned)),
        *_beyond(key, after, "after", below=order.descends),
        *_beyond(key, before, "before", below=not order.descends),
    )
    keys = [one for one in (key, col(Job.id)) if one is not None]
    sorted_by = [one.desc() if order.descends is not turned else one.asc() for one in keys]
    return statement.order_by(*sorted_by).limit(bindparam("most", type_=Integer))


def _column(name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = _TABLE.columns[name]
    return found


def _parameter(name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = bindparam(name)
    return found


def _owner(owned: bool) -> object | None:
    return _parameter("owner_id") if owned else None


def _key(field: OrderField) -> ColumnElement[Any] | None:
    """What a list is ordered by before the id."""
    match field:
        case OrderField.CREATED_AT:
            return None
        case OrderField.NAME:
            return _column("name")
        case OrderField.ENDED_AT:
            ended = _column("ended_at")
            return func.coalesce(ended, literal(NOT_YET, ended.type))


def _beyond(key: ColumnElement[Any] | None, end: _End, name: str, *, below: bool) -> Iterable[ColumnElement[bool]]:
    """The jobs below an end of the page, or above it."""
    if end is _End.OPEN:
        return
    job_id = _parameter(name)
    beyond = col(Job.id) < job_id if below else col(Job.id) > job_id
    if key is None or end is _End.JOB:
        yield beyond
        return
    value = _parameter(f"{name}_value")
    yield or_(key < value if below else key > value, and_(key == value, beyond))


def _kind(place: Place | None) -> _End:
    if place is None:
        return _End.OPEN
    return _End.JOB if place.value is None else _End.VALUE


def _bound(name: str, place: Place | None, order: Order) -> Iterable[tuple[str, object]]:
    """Values of an end's parameters."""
    if place is None:
        return
    yield name, place.job_id
    if place.value is not None:
        ended = order.field is OrderField.ENDED_AT
        yield f"{name}_value", datetime.fromisoformat(place.value) if ended else place.value
