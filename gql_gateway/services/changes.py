"""State changes of jobs as they happen: the log, read by cursor, woken by a signal and saved by a slow look.

A new subscription starts with the last event of each job that is not final, in the log's own order, so that going on
behind any event received repeats nothing and misses nothing.
"""

from collections.abc import AsyncGenerator

from gql_gateway.core.errors import BadRequest, CursorExpired
from gql_gateway.core.identity import Identity
from gql_gateway.core.states import FINAL
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.tail import BATCH, SLOW_LOOK_SECONDS, Tail
from gql_gateway.services.users import Users
from gql_gateway.store import events
from gql_gateway.store.database import Database
from gql_gateway.store.tables import JobEvent


class Changes:
    """Follows the event log for one caller at a time."""

    def __init__(self, database: Database, users: Users, jobs: Jobs) -> None:
        self._database = database
        self._users = users
        self._jobs = jobs
        self._tail = Tail(database)

    async def follow(
        self, identity: Identity, *, job_id: str | None = None, only_one: bool = False, after: str | None = None
    ) -> AsyncGenerator[JobEvent]:
        """Yield what happened behind `after`, then what happens; without `after` first how things stand.

        With `only_one`, the events of job `job_id`, ending behind its final state; else of all the caller's jobs
        (an administrator's: everybody's), without end.

        Raises:
            Refused: NOT_FOUND, USER_NOT_CREATED.
            BadRequest: a malformed cursor.
            CursorExpired: the log was pruned behind this cursor, so events would be missing.
        """
        owner = None if identity.is_admin else (await self._users.require(identity)).id
        job = await self._jobs.require(identity, job_id) if only_one else None
        key = job.id if job else None
        async with self._tail.following(key or owner) as follower:
            # `seen` is where to go on; `row.id` of what was yielded is what the caller goes on behind.
            rows, seen = await self._begin(owner, key, await self._check(after) if after is not None else None)
            while True:
                for row in rows:
                    yield row
                    if key and row.state in FINAL:
                        return
                if key and not rows and await self._is_gone(identity, key):
                    return
                if len(rows) < BATCH:
                    await follower.wait(SLOW_LOOK_SECONDS)
                rows, seen = await self._behind(seen, owner, key)

    async def _begin(self, owner: str | None, job_id: str | None, cursor: int | None) -> tuple[list[JobEvent], int]:
        """The first events, and where to go on: how things stand, or what is behind a cursor."""
        if cursor is not None:
            return await self._logged(cursor, owner, job_id)
        async with self._database.reading() as session:
            rows = await events.standing(session, owner_id=owner, job_id=job_id)
            return rows, (rows[-1].id or 0) if rows else await events.latest(session)

    async def _behind(self, seen: int, owner: str | None, job_id: str | None) -> tuple[list[JobEvent], int]:
        """What is behind a cursor, from memory or from the log, and where to go on."""
        if (rows := self._tail.behind(seen, owner_id=owner, job_id=job_id)) is None:
            return await self._logged(seen, owner, job_id)
        return rows, max(seen, self._tail.last)

    async def _logged(self, seen: int, owner: str | None, job_id: str | None) -> tuple[list[JobEvent], int]:
        """At most `BATCH` of the log's events behind a cursor, and where to go on."""
        known = self._tail.last
        async with self._database.reading() as session:
            rows = await events.after(session, seen, owner_id=owner, job_id=job_id, limit=BATCH)
        last = (rows[-1].id or 0) if rows else 0
        return rows, max(seen, last, known if len(rows) < BATCH else 0)

    async def _is_gone(self, identity: Identity, job_id: str) -> bool:
        return await self._jobs.get(identity, job_id) is None

    async def _check(self, after: str) -> int:
        cursor = parse_cursor(after)
        async with self._database.reading() as session:
            pruned = await events.oldest(session)
        if cursor < pruned:
            raise CursorExpired("The event log no longer reaches back to this cursor: start again without `after`.")
        return cursor


def parse_cursor(text: str) -> int:
    """The event behind which to go on.

    Raises:
        BadRequest: where `text` is no cursor of an event.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - digits of a 63-bit number
        raise BadRequest("`after` is no cursor of an event.")
    return int(text)
