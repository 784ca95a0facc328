"""State changes of jobs as they happen: the log, read by cursor, woken by a signal and saved by a slow look.

A new subscription starts with the last event of each job that is not final, in the log's own order, so that going on
behind any event received repeats nothing and misses nothing.
"""

from collections.abc import AsyncGenerator

from gql_gateway.core.errors import BadRequest, CursorExpired
from gql_gateway.core.identity import Identity
from gql_gateway.core.states import FINAL
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.tail import BATCH, Tail
from gql_gateway.services.users import Users
from gql_gateway.store import events
from gql_gateway.store.database import Database
from gql_gateway.store.events import LoggedEvent


class Changes:
    """Follows the event log for one caller at a time."""

    def __init__(self, database: Database, users: Users, jobs: Jobs) -> None:
        self._database = database
        self._users = users
        self._jobs = jobs
        self._tail = Tail(database)

    async def rest(self) -> None:
        """Wait until nothing is read for those who follow no more: the store may be closed then."""
        await self._tail.rest()

    async def follow(
        self, identity: Identity, *, job_id: str | None = None, only_one: bool = False, after: str | None = None
    ) -> AsyncGenerator[LoggedEvent]:
        """Yield what happened behind `after`, then what happens; without `after` first how things stand.

        With `only_one`, the events of job `job_id`, ending behind its final state; else of all the caller's jobs
        (an administrator's: everybody's), without end.

        Raises:
            Refused: NOT_FOUND, USER_NOT_CREATED.
            BadRequest: a malformed cursor.
            CursorExpired: the log was pruned behind this cursor, so events would be missing.
        """
        owner = None if identity.is_admin else (await self._users.require(identity)).id
        # Of the job only its id is kept: this runs for as long as somebody follows, and a row with its script is large.
        key = (await self._jobs.require(identity, job_id)).id if only_one else None
        with self._tail.follower(owner, key) as follower:
            await self._tail.ready()
            # `seen` is where to go on; `row.id` of what was yielded is what the caller goes on behind.
            rows, seen = await self._begin(owner, key, await self._check(after) if after is not None else None)
            while True:
                more = len(rows) >= BATCH
                while rows:
                    yield rows[0]
                    if rows.pop(0).state in FINAL and key:
                        return
                if follower.is_gone:
                    return
                if not more:
                    await follower.wait()
                rows, seen = await self._behind(seen, owner, key)

    async def _begin(self, owner: str | None, job_id: str | None, cursor: int | None) -> tuple[list[LoggedEvent], int]:
        """The first events, and where to go on: how things stand, or what is behind a cursor."""
        if cursor is not None:
            return await self._logged(cursor, owner, job_id)
        async with self._database.reading() as session:
            # Behind all that happened, and not only behind these: else each had to read the log at its first event.
            return await events.standing(session, owner_id=owner, job_id=job_id), await events.latest(session)

    async def _behind(self, seen: int, owner: str | None, job_id: str | None) -> tuple[list[LoggedEvent], int]:
        """What is behind a cursor, from memory or from the log, and where to go on."""
        if (rows := self._tail.behind(seen, job_id or owner)) is None:
            return await self._logged(seen, owner, job_id)
        return rows, max(seen, self._tail.last)

    async def _logged(self, seen: int, owner: str | None, job_id: str | None) -> tuple[list[LoggedEvent], int]:
        """At most `BATCH` of the log's events behind a cursor, and where to go on."""
        known = self._tail.last
        async with self._database.reading() as session:
            rows = await events.after(session, seen, owner_id=owner, job_id=job_id, limit=BATCH)
        last = rows[-1].id if rows else 0
        return rows, max(seen, last, known if len(rows) < BATCH else 0)

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
