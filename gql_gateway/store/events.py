"""The log of what happened to jobs: append-only, read by cursor.

A cursor is worth something only if no event becomes visible behind one that was read before. PostgreSQL hands out
numbers before the commit, so two writers that commit together can become visible in the wrong order. Events are
therefore written last in their transaction, under a lock that lasts to its end: numbers are handed out in the order
of the commits. Last, since a transaction that changes several jobs would otherwise hold this lock while it waits for
a row of another that waits for this lock.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, text
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import FINAL, JobState, Source
from gql_gateway.store import dialect
from gql_gateway.store.sessions import execute
from gql_gateway.store.signals import CHANNEL, payload
from gql_gateway.store.tables import Job, JobEvent, Mark, made, table_of


@dataclass(frozen=True, slots=True, eq=False)
class LoggedEvent:
    """An event as it is read. A row of the session's own would hold four times as much memory: 1.5 KB.

    `id` is its cursor.
    """

    id: int
    job_id: str
    owner_id: str
    previous_state: JobState | None
    state: JobState
    reason: str | None
    at: datetime
    source: Source
    actor: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of what happened to a job, oldest first."""

    rows: Sequence[LoggedEvent]
    has_next: bool


_COLUMNS = [getattr(JobEvent, field.name) for field in fields(LoggedEvent)]
_LOG = sqlalchemy.select(*_COLUMNS).order_by(col(JobEvent.id))
_PENDING = "events"
_TOPICS = "events.topics"
_HORIZON = "events.horizon"

_APPEND = insert(table_of(JobEvent))

LOCK = 0x6771_6C67
"""PostgreSQL's advisory lock of the log: any number that nothing else in the database uses."""


async def append(
    session: AsyncSession,
    job: Job,
    *,
    previous: JobState | None,
    at: datetime,
    reason: str | None = None,
    source: Source = Source.GATEWAY,
    actor: str | None = None,
) -> JobEvent:
    """Add an event that the job came into its present state; its cursor (`id`) is known after the commit."""
    event = made(
        JobEvent,
        id=None,
        job_id=job.id,
        owner_id=job.owner_id,
        previous_state=previous,
        state=job.state,
        reason=reason,
        at=at,
        source=source,
        actor=actor,
    )
    session.info.setdefault(_PENDING, []).append(event)
    session.info.setdefault(_TOPICS, set()).update(
        (job.id, job.owner_id, job.state.value, topic_of(job.cluster, job.state))
    )
    return event


def topic_of(cluster: str, state: JobState) -> str:
    """What rings when a job of one cluster, or of one account on it, comes into a state."""
    return f"{cluster}:{state}"


async def write(session: AsyncSession) -> frozenset[str]:
    """Write the transaction's events, immediately before its commit; their topics."""
    pending: list[JobEvent] = session.info.pop(_PENDING, [])
    if not pending:
        return frozenset()
    await session.flush()  # what the events refer to
    topics = frozenset(session.info.pop(_TOPICS))
    if dialect.is_postgresql(session):
        connection = await session.connection()
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock), pg_notify(:channel, :payload)"),
            {"lock": LOCK, "channel": CHANNEL, "payload": payload(topics)},
        )
    for event in pending:
        written = await execute(session, _APPEND, **event.model_dump(exclude={"id"}))
        (event.id,) = written.inserted_primary_key or (None,)
    return topics


async def after(
    session: AsyncSession, cursor: int, *, owner_id: str | None, job_id: str | None = None, limit: int = 200
) -> list[LoggedEvent]:
    """The events behind a cursor, oldest first: of one owner (None: of all), of one job (None: of all).

    Events of jobs that are hidden are hidden too.
    """
    # EXISTS, since SQLite (3.40) may scan all jobs for a join, to build a Bloom filter: 30 ms for 20,000 jobs.
    of_visible_job = exists().where(col(Job.id) == JobEvent.job_id, _visible())
    statement = _LOG.where(col(JobEvent.id) > cursor, of_visible_job)
    if owner_id is not None:
        statement = statement.where(col(JobEvent.owner_id) == owner_id)
    if job_id is not None:
        statement = statement.where(col(JobEvent.job_id) == job_id)
    return await _read(session, statement.limit(limit))


async def standing(session: AsyncSession, *, owner_id: str | None, job_id: str | None = None) -> list[LoggedEvent]:
    """How things stand: the last event of each job that has not ended, oldest first; of one job also when it has."""
    jobs = select(Job.id).where(_visible())
    if owner_id is not None:
        jobs = jobs.where(Job.owner_id == owner_id)
    jobs = jobs.where(col(Job.state).not_in(FINAL)) if job_id is None else jobs.where(Job.id == job_id)
    last = select(func.max(JobEvent.id)).where(col(JobEvent.job_id).in_(jobs)).group_by(col(JobEvent.job_id))
    return await _read(session, _LOG.where(col(JobEvent.id).in_(last)))


async def pages(session: AsyncSession, job_ids: Collection[str], *, first: int, after: int = 0) -> dict[str, EventPage]:
    """At most `first` events of each of these jobs behind a cursor, oldest first."""
    event = aliased(JobEvent)
    wanted = select(event.id).where(event.job_id == Job.id, col(event.id) > after).order_by(col(event.id))
    each = col(JobEvent.id).in_(wanted.limit(first + 1).correlate(Job))
    rows: dict[str, list[LoggedEvent]] = {job_id: [] for job_id in job_ids}
    for row in await _read(session, _LOG.join(Job, each).where(col(Job.id).in_(job_ids))):
        rows[row.job_id].append(row)
    return {job_id: EventPage(found[:first], has_next=len(found) > first) for job_id, found in rows.items()}


async def latest(session: AsyncSession) -> int:
    """The cursor behind everything that happened so far; 0 for an empty log."""
    newest = (await session.exec(select(func.max(JobEvent.id)))).one()
    return max(newest or 0, await oldest(session))


async def oldest(session: AsyncSession) -> int:
    """The lowest cursor behind which nothing is missing; a lower one has expired. 0 while nothing was purged."""
    mark = await session.get(Mark, _HORIZON)
    return mark.value if mark else 0


async def purge(session: AsyncSession, before: datetime, *, limit: int) -> int:
    """Drop events of before a time, the oldest first; how many: as many as `limit` means that there may be more."""
    old = select(JobEvent.id).where(JobEvent.at < before).order_by(col(JobEvent.at)).limit(limit)
    ids = [number for number in await session.exec(old) if number is not None]
    if ids:
        await session.exec(delete(JobEvent).where(col(JobEvent.id).in_(ids)))
        await dialect.upsert(session, Mark(name=_HORIZON, value=max(*ids, await oldest(session))))
    return len(ids)


async def _read(session: AsyncSession, statement: Select[Any]) -> list[LoggedEvent]:
    # SQLModel's type knows selections of at most four columns.
    rows: Iterable[Any] = await session.exec(statement)  # type: ignore[call-overload]
    return [LoggedEvent(*row) for row in rows]


def _visible() -> ColumnElement[bool]:
    return col(Job.prepared).is_(True) & col(Job.deleted_at).is_(None)
