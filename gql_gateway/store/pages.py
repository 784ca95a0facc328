"""Pages of jobs, in an order and between two of them, of one owner or of several at once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Unpack, cast

from sqlalchemy import ColumnElement, FromClause, Integer, Select, and_, bindparam, func, literal, or_, select

from gql_gateway.core.order import NEWEST_FIRST, Order, OrderField, Place
from gql_gateway.store.database import Database
from gql_gateway.store.listing import COLUMNS, JOBS, Filters, matching, parameter, seen
from gql_gateway.store.tables import Job, User, table_of


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list of jobs, and what of them.

    `first` from the start, which wins over `last` from the end, `after` one place and `before` another. Places hold the
    values that the list is ordered by, so that jobs that are added between two pages shift nothing, and the jobs need
    not exist any more. Ids sort by the time of making. `columns` are the attributes that the rows have, beside those
    that the list is ordered by.

    Raises:
        ValueError: neither `first` nor `last`.
    """

    first: int | None = None
    after: Place | None = None
    last: int | None = None
    before: Place | None = None
    order: Order = NEWEST_FIRST
    columns: frozenset[str] = COLUMNS

    def __post_init__(self) -> None:
        if self.first is None and self.last is None:
            raise ValueError("A page needs `first` or `last`.")

    @property
    def size(self) -> int:
        """Jobs on the page at most."""
        return (self.last or 0) if self.first is None else self.first


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of jobs, in its order."""

    rows: Sequence[Job]
    has_next: bool
    has_previous: bool


async def page(database: Database, owner_id: str | None, part: Part, **filters: Unpack[Filters]) -> Page:
    """A page of an owner's jobs; None: of everybody's."""
    asked = _asked(part)
    statement = _listed(asked, owner_id is not None)
    conditions = tuple(matching(filters))
    # A filter or another order may have very many rows looked at, which is no work for the event loop.
    quick = not conditions and asked.order == NEWEST_FIRST
    values = {**_values(part), "owner_id": owner_id}
    rows = await database.rows(statement.where(*conditions) if conditions else statement, values, quick=quick)
    return _page(part, cast("Sequence[Job]", rows))


async def pages(
    database: Database, owner_ids: Collection[str], part: Part, **filters: Unpack[Filters]
) -> dict[str, Page]:
    """A page of the jobs of each of these owners, by one statement."""
    asked = _asked(part)
    statement = _listed_of_each(asked, tuple(matching(filters)))
    values = {**_values(part), "owner_ids": list(owner_ids)}
    rows: dict[str, list[Job]] = {owner_id: [] for owner_id in owner_ids}
    for row in await database.rows(statement, values, quick=False):
        rows[row.owner_id].append(cast("Job", row))
    return {owner_id: _page(part, found) for owner_id, found in rows.items()}


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


# -- statements -------------------------------------------------------------------------------------------------------

_MOST = bindparam("most", type_=Integer)


class _End(Enum):
    """What a page's end is given by."""

    OPEN = "nothing"
    JOB = "the id of a job"
    VALUE = "a value that the list is ordered by, and the id"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a statement for a page is made for; the values come later. `turned`: from the end."""

    columns: frozenset[str]
    order: Order
    after: _End
    before: _End
    turned: bool


def _asked(part: Part) -> _Asked:
    own = {"id"} if part.order.field is OrderField.CREATED_AT else {"id", part.order.field.lower()}
    return _Asked(part.columns | own, part.order, _end(part.after), _end(part.before), part.first is None)


def _end(place: Place | None) -> _End:
    if place is None:
        return _End.OPEN
    return _End.JOB if place.value is None else _End.VALUE


def _values(part: Part) -> dict[str, object]:
    values: dict[str, object] = {"most": part.size + 1}
    for name, place in (("after", part.after), ("before", part.before)):
        if place is not None:
            dated = place.value is not None and part.order.field is OrderField.ENDED_AT
            values |= {
                name: place.job_id,
                f"{name}_value": datetime.fromisoformat(place.value or "") if dated else place.value,
            }
    return values


def _page(part: Part, rows: Sequence[Job]) -> Page:
    """The page that rows make up: one more of them than the page has tells that there are others."""
    more = len(rows) > part.size
    if part.first is None:
        return Page(rows[: part.size][::-1], has_next=part.before is not None, has_previous=more)
    return Page(rows[: part.size], has_next=more, has_previous=part.after is not None)


@lru_cache(256)
def _listed(asked: _Asked, owned: bool) -> Select[Any]:
    """Jobs in an order, between two ends."""
    wanted = (JOBS.columns[name] for name in sorted(asked.columns))
    owner = parameter("owner_id") if owned else None
    return _ordered(select(*wanted).where(*seen(owner), *_between(asked)), JOBS, asked).limit(_MOST)


def _listed_of_each(asked: _Asked, conditions: Collection[ColumnElement[bool]]) -> Select[Any]:
    """The same for each of several owners, each by the index of an owner's jobs, which no window function uses."""
    owner, shown = table_of(User), JOBS.alias("shown")
    inside = select(JOBS.columns["id"]).where(*seen(owner.columns["id"]), *_between(asked), *conditions)
    each = shown.columns["id"].in_(_ordered(inside, JOBS, asked).limit(_MOST).correlate(owner))
    wanted = (shown.columns[name] for name in sorted(asked.columns | {"owner_id"}))
    statement = select(*wanted).select_from(owner.join(shown, each))
    named = owner.columns["id"].in_(bindparam("owner_ids", expanding=True))
    return _ordered(statement.where(named), shown, asked)


def _between(asked: _Asked) -> Iterable[ColumnElement[bool]]:
    yield from _beyond(asked, asked.after, "after", below=asked.order.descends)
    yield from _beyond(asked, asked.before, "before", below=not asked.order.descends)


def _ordered(statement: Select[Any], table: FromClause, asked: _Asked) -> Select[Any]:
    keys = [key for key in (_key(asked.order.field, table), table.columns["id"]) if key is not None]
    descends = asked.order.descends is not asked.turned
    return statement.order_by(*(key.desc() if descends else key.asc() for key in keys))


def _beyond(asked: _Asked, end: _End, name: str, *, below: bool) -> Iterable[ColumnElement[bool]]:
    """The jobs below an end of the page, or above it."""
    if end is _End.OPEN:
        return
    own, job_id = JOBS.columns["id"], parameter(name)
    beyond = own < job_id if below else own > job_id
    key = _key(asked.order.field, JOBS)
    if key is None or end is _End.JOB:
        yield beyond
        return
    value = parameter(f"{name}_value")
    yield or_(key < value if below else key > value, and_(key == value, beyond))


def _key(field: OrderField, table: FromClause) -> ColumnElement[Any] | None:
    """What a list is ordered by before the id."""
    match field:
        case OrderField.CREATED_AT:
            return None
        case OrderField.NAME:
            return table.columns["name"]
        case OrderField.ENDED_AT:
            ended = table.columns["ended_at"]
            return func.coalesce(ended, literal(NOT_YET, ended.type))
