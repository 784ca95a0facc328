"""Jobs as they are shown: the columns that are wanted, as light rows that cannot be written; and which may be seen.

A statement that is made anew, and objects of a session's, take SQLAlchemy 0.7 ms of processor time for a job; a row of
one that was made before 0.05 (docs/decisions/0070).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypedDict, cast

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select
from sqlmodel import col

from gql_gateway.core.accounts import key_of
from gql_gateway.core.states import JobState
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, JobLabel, made, table_of

JOBS = table_of(Job)
COLUMNS: frozenset[str] = frozenset(column.name for column in JOBS.columns)
"""Every column of a job."""


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
    return made(Job, **row._asdict())


async def show(
    database: Database, job_id: str, *, owner_id: str | None, columns: frozenset[str] = COLUMNS
) -> Job | None:
    """The job with this id: a row that has a job's attributes, those in `columns` and the id."""
    statement = _one(columns, owner_id is not None)
    rows = await database.rows(statement, {"job_id": job_id, "owner_id": owner_id})
    return cast("Job", rows[0]) if rows else None


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


@lru_cache(256)
def _one(columns: frozenset[str], owned: bool) -> Select[Any]:
    wanted = (JOBS.columns[name] for name in sorted(columns | {"id"}))
    return select(*wanted).where(
        JOBS.columns["id"] == bindparam("job_id"), *seen(parameter("owner_id") if owned else None)
    )


def parameter(name: str) -> ColumnElement[Any]:
    """A value that a statement gets when it is executed."""
    found: ColumnElement[Any] = bindparam(name)
    return found
