"""The log: in order, whole, by cursor, for those who may see it."""

import asyncio
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.states import JobState
from gql_gateway.store import events, jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, JobEvent
from tests.store.postgresql import Server
from tests.store.rows import NOW, a_job, a_user, move

LAUNCH = [JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]


async def a_page(session: AsyncSession, job_id: str, *, first: int, after: int = 0) -> list[JobEvent]:
    return list((await events.pages(session, [job_id, "another"], first=first, after=after))[job_id].rows)


async def test_a_reader_by_cursor_skips_nothing_while_many_write(database: Database, second: Database) -> None:
    owner = await a_user(database)
    lines = [[await a_job(database, owner) for _ in range(3)] for _ in range(16)]
    total = 16 * 3 * (1 + len(LAUNCH))
    seen: list[int] = []

    async def write(store: Database, mine: list[Job]) -> None:
        for state in LAUNCH:
            async with store.transaction() as session:
                for job in mine:
                    assert await jobs.advance(session, job, state, at=NOW)

    async def tail() -> None:
        cursor = 0
        while len(seen) < total:
            async with database.reading() as session:
                found = await events.after(session, cursor, owner_id=owner.id)
                newest = await events.latest(session)
            seen.extend(cursor := event.id or 0 for event in found)
            assert len(found) == 200 or cursor == newest

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(tail())
        for number, mine in enumerate(lines):
            group.create_task(write((database, second)[number % 2], mine))
    assert seen == sorted(set(seen))
    async with database.reading() as session:
        assert [event.id for event in await events.after(session, 0, owner_id=None, limit=1000)] == seen


async def test_a_writer_waits_until_the_one_before_has_committed(postgresql_url: str, postgresql: Server) -> None:
    """What the test above finds by chance only: without it PostgreSQL shows cursors out of order, but seldom."""
    database = Database(postgresql_url)
    job = await a_job(database)
    async with postgresql.locked(events.LOCK, "postgres") as waiting:
        task = asyncio.create_task(move(database, job, JobState.LAUNCHING))
        await waiting()
        async with database.reading() as session:
            assert len(await a_page(session, job.id, first=5)) == 1
    await task
    async with database.reading() as session:
        assert len(await a_page(session, job.id, first=5)) == 2
    await database.close()


async def test_who_sees_what(database: Database) -> None:
    ada, bob = await a_user(database), await a_user(database, "bob@example.org")
    first, other, foreign = await a_job(database, ada), await a_job(database, ada), await a_job(database, bob)
    await move(database, first, JobState.LAUNCHING)

    async def seen(owner_id: str | None, job_id: str | None = None, cursor: int = 0, limit: int = 200) -> list[str]:
        async with database.reading() as session:
            found = await events.after(session, cursor, owner_id=owner_id, job_id=job_id, limit=limit)
        return [event.job_id for event in found]

    assert await seen(ada.id) == [first.id, other.id, first.id]
    assert await seen(bob.id) == [foreign.id]
    assert await seen(None) == [first.id, other.id, foreign.id, first.id]
    assert await seen(None, limit=2) == [first.id, other.id]
    assert await seen(ada.id, first.id) == [first.id, first.id]
    assert await seen(bob.id, first.id) == []
    async with database.reading() as session:
        page = await a_page(session, first.id, first=1)
        assert [event.state for event in page] == [JobState.CREATED]
        rest = await a_page(session, first.id, first=5, after=page[0].id or 0)
        assert [event.state for event in rest] == [JobState.LAUNCHING]
        assert await events.latest(session) == rest[0].id
    assert await seen(None, cursor=rest[0].id or 0) == []
    async with database.transaction() as session:
        assert await wishes.ask_delete(session, other.id, at=NOW)
    assert await seen(ada.id) == [first.id, first.id]


async def test_how_things_stand(database: Database) -> None:
    ada, bob = await a_user(database), await a_user(database, "bob@example.org")
    ended, waits, foreign = await a_job(database, ada), await a_job(database, ada), await a_job(database, bob)
    await move(database, waits, JobState.LAUNCHING)
    await move(database, ended, JobState.CANCELLED)

    async def standing(owner_id: str | None, job_id: str | None = None) -> list[tuple[str, JobState]]:
        async with database.reading() as session:
            found = await events.standing(session, owner_id=owner_id, job_id=job_id)
        return [(event.job_id, event.state) for event in found]

    assert await standing(ada.id) == [(waits.id, JobState.LAUNCHING)]
    assert await standing(None) == [(foreign.id, JobState.CREATED), (waits.id, JobState.LAUNCHING)]
    assert await standing(ada.id, ended.id) == [(ended.id, JobState.CANCELLED)]
    assert await standing(bob.id, ended.id) == []


async def test_purging_moves_the_horizon_and_frees_no_cursor(database: Database) -> None:
    job = await a_job(database)
    await move(database, job, JobState.LAUNCHING)
    async with database.reading() as session:
        assert await events.oldest(session) == 0
        newest = await events.latest(session)
    async with database.transaction() as session:
        assert await events.purge(session, NOW, limit=9) == 0
        assert await events.purge(session, NOW + timedelta(days=1), limit=1) == 1
        assert 0 < await events.oldest(session) < newest
        assert await events.purge(session, NOW + timedelta(days=1), limit=9) == 1
        assert await events.oldest(session) == await events.latest(session) == newest
    await move(database, job, JobState.QUEUED)
    async with database.reading() as session:
        assert await events.latest(session) > newest
        assert [event.state for event in await events.after(session, newest, owner_id=None)] == [JobState.QUEUED]


async def test_a_removed_job_takes_its_events_with_it(database: Database) -> None:
    job = await a_job(database)
    async with database.transaction() as session:
        await jobs.remove(session, job)
    async with database.reading() as session:
        assert await a_page(session, job.id, first=5) == []
