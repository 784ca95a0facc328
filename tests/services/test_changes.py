"""Followers of the log: everything once and in order, from memory where it reaches, and one read for all of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import event

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.core.identity import Identity, Role
from gql_gateway.core.states import JobState
from gql_gateway.services import tail
from gql_gateway.services.accounts import Accounts
from gql_gateway.services.changes import Changes
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.tail import Tail
from gql_gateway.services.users import Users
from gql_gateway.store import wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, User
from tests.store.rows import NOW, SOON, a_job, a_user, move

ADA = Identity("ada@example.org", "Ada", Role.USER, credential="test")
ADMIN = Identity("root@example.org", "Root", Role.ADMIN, credential="test")
RUN = (JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/store.db")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def ada(database: Database) -> User:
    return await a_user(database)


@pytest.fixture
async def changes(database: Database, tmp_path: Path) -> AsyncIterator[Changes]:
    nothing = tmp_path / "none"
    clusters = {"local": Cluster(ClusterConfig("local", "127.0.0.1", 1, "nobody", nothing, nothing, "/scratch"))}
    users = Users(database, clusters, Accounts(clusters, {}))
    changes = Changes(database, users, Jobs(database, clusters, users))
    yield changes
    await changes.rest()


async def states(changes: Changes, identity: Identity, job: Job, after: str | None = None) -> list[JobState]:
    found = changes.follow(identity, job_id=job.id, only_one=True, after=after)
    return [row.state async for row in found]


async def test_many_followers_of_a_job_cost_one_read(database: Database, changes: Changes, ada: User) -> None:
    job, _other = await a_job(database, ada), await a_job(database, ada)
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def follow() -> list[JobState]:
        found = []
        async for row in changes.follow(ADA, job_id=job.id, only_one=True):
            found.append(row.state)
            begun.put_nowait(None)
        return found

    following = [asyncio.create_task(follow()) for _ in range(300)]
    async with asyncio.timeout(3 * SOON):
        for _ in following:
            await begun.get()
    reads: list[str] = []
    event.listen(
        database._reader.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: reads.append(statement) if "job_events" in statement else None,
    )
    await move(database, job, *RUN)
    async with asyncio.timeout(SOON):
        everybody = await asyncio.gather(*following)
    assert everybody == 300 * [[JobState.CREATED, *RUN]]
    assert len(reads) <= 2 * len(RUN)


async def test_everybody_gets_their_own_events_and_an_administrator_all(
    database: Database, changes: Changes, ada: User
) -> None:
    grace = await a_user(database, "grace@example.org")
    hers, other = await a_job(database, ada), await a_job(database, grace)
    mine, all_ = changes.follow(ADA), changes.follow(ADMIN)
    try:
        async with asyncio.timeout(SOON):
            assert (await anext(mine)).job_id == hers.id
            assert [(await anext(all_)).job_id for _ in range(2)] == [hers.id, other.id]
            await move(database, other, JobState.LAUNCHING)
            await move(database, hers, JobState.LAUNCHING)
            assert (await anext(mine)).job_id == hers.id
            assert [(await anext(all_)).job_id for _ in range(2)] == [other.id, hers.id]
    finally:
        await mine.aclose()
        await all_.aclose()
    await changes.rest()
    assert changes._tail._reader is None, "nobody follows, so nothing is read"


async def test_a_cursor_goes_on_behind_it(database: Database, changes: Changes, ada: User) -> None:
    job = await a_job(database, ada)
    await move(database, job, *RUN[:2])
    assert await asyncio.wait_for(first_of(changes, job, "1"), SOON) is JobState.LAUNCHING
    following = asyncio.create_task(states(changes, ADA, job, after="2"))
    await move(database, job, *RUN[2:])
    assert await asyncio.wait_for(following, SOON) == list(RUN[1:])


async def first_of(changes: Changes, job: Job, after: str) -> JobState:
    found = changes.follow(ADA, job_id=job.id, only_one=True, after=after)
    try:
        return (await anext(found)).state
    finally:
        await found.aclose()


async def test_a_user_without_running_jobs_is_told_of_nothing_old(
    database: Database, changes: Changes, ada: User
) -> None:
    await move(database, await a_job(database, ada), *RUN)
    following = changes.follow(ADA)
    told = asyncio.ensure_future(anext(following))
    fresh = await a_job(database, ada)
    assert (await asyncio.wait_for(told, SOON)).job_id == fresh.id
    await following.aclose()


async def test_following_a_job_ends_with_its_deletion(
    database: Database, changes: Changes, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "SLOW_LOOK_SECONDS", 0.05)
    gone, stays = await a_job(database, ada), await a_job(database, ada)
    ending, going_on = (changes.follow(ADA, job_id=job.id, only_one=True) for job in (gone, stays))
    for following in (ending, going_on):
        await anext(following)
    end, more = asyncio.create_task(anext(ending, None)), asyncio.create_task(anext(going_on))
    async with database.transaction() as session:
        assert await wishes.ask_delete(session, gone.id, at=NOW)
    assert await asyncio.wait_for(end, SOON) is None
    await move(database, stays, JobState.LAUNCHING)
    assert (await asyncio.wait_for(more, SOON)).state is JobState.LAUNCHING
    await going_on.aclose()


async def test_whoever_is_further_behind_than_the_memory_reads_the_log(database: Database, ada: User) -> None:
    memory = Tail(database, kept=2)
    with memory.follower(None, None) as follower:
        await memory.ready()
        job = await a_job(database, ada)
        await move(database, job, *RUN)
        async with asyncio.timeout(SOON):
            while memory.last < 5:
                await follower.wait()
        for topic in (None, job.id, ada.id):
            assert memory.behind(2, topic) is None
            assert [row.id for row in memory.behind(3, topic) or ()] == [4, 5]
            assert memory.behind(5, topic) == []
        assert memory.behind(3, "another") == []
