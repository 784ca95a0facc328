"""Which jobs a list holds, and in which order."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry

from gql_gateway.api.enums import Direction, JobState, OrderField
from gql_gateway.api.paging import given
from gql_gateway.core.errors import BadRequest, LimitExceeded
from gql_gateway.core.ids import global_id, parse_job_id
from gql_gateway.core.order import NEWEST_FIRST, Order, Place
from gql_gateway.store.pages import value_of
from gql_gateway.store.tables import Job as JobRow

_LONGEST_TEXT = 255
"""Of anything that a list is searched for: no name, cluster, label or number is longer."""
_MOST_LABELS = 32


@strawberry.input(description="A key and a value.")
class LabelInput:
    key: str = strawberry.field(
        description="1 to 63 letters, digits and `. _ / -`, beginning with a letter or digit; each once in a list."
    )
    value: str = strawberry.field(description="At most 255 characters on one line; may be empty.")


@strawberry.input(name="JobFilter", description="Conditions on jobs. A job must meet all that are given.")
class JobFilterInput:
    states: list[JobState] | None = strawberry.field(default=strawberry.UNSET, description="In any of these states.")
    cluster: str | None = strawberry.field(
        default=strawberry.UNSET, description="On this cluster, as in `Cluster.name`."
    )
    search: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="With this text in the name, whatever the case, or with this Slurm number.",
    )
    labels: list[LabelInput] | None = strawberry.field(
        default=strawberry.UNSET, description="With every one of these labels."
    )
    created_since: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Created at this time or later."
    )
    created_before: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Created before this time."
    )


@strawberry.input(description="An order of jobs. Those that are equal in `field` stand as they were created.")
class JobOrder:
    field: OrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which way.")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which of the jobs that the caller may see a list holds; None: whatever it is."""

    states: tuple[JobState, ...] | None = None
    search: str | None = None
    cluster: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: Order = field(default=NEWEST_FIRST)

    @property
    def arguments(self) -> dict[str, Any]:
        """The conditions that there are, as `services.jobs` takes them."""
        values = ((name, getattr(self, name)) for name in _CONDITIONS)
        return {name: value for name, value in values if value is not None}


_CONDITIONS = tuple(one.name for one in fields(JobFilter) if one.name != "order")

Filter = Annotated[JobFilterInput | None, strawberry.argument(name="filter", description="Only jobs that meet these.")]
OrderBy = Annotated[JobOrder | None, strawberry.argument(description="Order of the jobs; null: newest first.")]


def job_filter(
    chosen: JobFilterInput | None,
    order_by: JobOrder | None,
    *,
    states: Sequence[JobState] | None = None,
    search: str | None = None,
) -> JobFilter:
    """What a caller wants to see; a condition that is given twice must be met both times.

    Raises:
        BadRequest: a text to search for that no database takes.
    """
    wanted, order = given(chosen) or JobFilterInput(), given(order_by)
    both = [one for one in (given(states), given(wanted.states)) if one is not None]
    searched = [text for text in (given(search), given(wanted.search)) if text]
    if len(searched) > 1:
        raise BadRequest("Give `search` once: as an argument, or in `filter`.")
    return JobFilter(
        states=tuple(sorted(set.intersection(*map(set, both)))) if both else None,
        search=_text("search", searched[0]) if searched else None,
        cluster=_text("cluster", given(wanted.cluster)),
        labels=_labels(given(wanted.labels)),
        since=given(wanted.created_since),
        until=given(wanted.created_before),
        order=Order(order.field, order.direction) if order else NEWEST_FIRST,
    )


def _labels(labels: Sequence[LabelInput] | None) -> tuple[tuple[str, str], ...] | None:
    if labels and len(labels) > _MOST_LABELS:
        raise LimitExceeded(f"`labels` holds {len(labels)}; a job has at most {_MOST_LABELS}.")
    pairs = ((_text("key", one.key) or "", _text("value", one.value) or "") for one in labels or ())
    return tuple(pairs) or None


def _text(name: str, text: str | None) -> str | None:
    """A text to look for; PostgreSQL takes no NUL in one, SQLite no pattern of more than 50,000 bytes."""
    if text and "\0" in text:
        raise BadRequest(f"`{name}` has a character that none has.")
    if text and len(text) > _LONGEST_TEXT:
        raise LimitExceeded(f"`{name}` has {len(text)} characters; at most {_LONGEST_TEXT} are looked for.")
    return text


# --- cursors --------------------------------------------------------------------------------------------------------


def cursor_of(row: JobRow, order: Order) -> str:
    """A job's place in a list, for a caller to give back: its id, and the value that it is ordered by."""
    value = value_of(row, order.field)
    job_id = global_id("job", row.id)
    return job_id if value is None else f"{job_id}.{base64.urlsafe_b64encode(value.encode()).decode().rstrip('=')}"


def place(argument: str, cursor: str | None, order: Order) -> Place | None:
    """The place that a cursor stands for.

    Raises:
        BadRequest: it is none of a list in this order.
    """
    if cursor is None:
        return None
    job_id, dot, coded = cursor.partition(".")
    key = parse_job_id(job_id)
    value = _value(coded, order) if dot else None
    if key is None or (value is None) is not (order.field is OrderField.CREATED_AT):
        raise BadRequest(f"`{argument}` is no cursor of this list.")
    return Place(key, value)


def _value(coded: str, order: Order) -> str | None:
    try:
        value = base64.urlsafe_b64decode(f"{coded}{'=' * (-len(coded) % 4)}").decode()
        if order.field is OrderField.ENDED_AT and _in_utc(datetime.fromisoformat(value)) is None:
            return None
    except (ValueError, OverflowError, binascii.Error):
        return None
    return None if "\0" in value else value


def _in_utc(moment: datetime) -> datetime | None:
    """None without an offset; OverflowError where the moment is before the first or behind the last day in UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else None
