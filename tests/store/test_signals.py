"""Who is woken, when, and that nothing is lost between two waits."""

import pytest

from gql_gateway.core.states import JobState
from gql_gateway.store import clusters, jobs
from gql_gateway.store.database import Database
from gql_gateway.store.signals import payload
from gql_gateway.store.tables import ClusterStatus
from tests.store.rows import NEVER, NOW, SOON, a_job, a_user, move, quiet


async def test_an_event_rings_after_its_commit(database: Database) -> None:
    job = await a_job(database)
    await database.signal.start()
    async with database.signal.listen() as bell:
        await quiet(bell)
        async with database.transaction() as session:
            await jobs.advance(session, job, JobState.LAUNCHING, at=NOW)
            assert not await bell.wait(NEVER)
        assert await bell.wait(SOON)
        assert not await bell.wait(NEVER)


async def test_what_is_no_event_rings_nobody(database: Database) -> None:
    job = await a_job(database)

    async def interrupted() -> None:
        async with database.transaction() as session:
            await jobs.advance(session, job, JobState.LAUNCHING, at=NOW)
            raise ZeroDivisionError

    await database.signal.start()
    async with database.signal.listen() as bell:
        await quiet(bell)
        async with database.transaction() as session:
            await clusters.put(session, ClusterStatus(name="local"))
        with pytest.raises(ZeroDivisionError):
            await interrupted()
        assert not await bell.wait(NEVER)


async def test_a_ring_between_two_waits_is_kept_for_every_listener(database: Database) -> None:
    async with database.signal.listen() as bell, database.signal.listen() as other:
        database.signal.ring()
        database.signal.ring()
        assert await bell.wait(NEVER)
        assert not await bell.wait(NEVER)
        assert await other.wait(NEVER)


async def test_without_start_a_process_still_hears_itself(database: Database) -> None:
    job = await a_job(database)
    async with database.signal.listen() as bell:
        await move(database, job, JobState.LAUNCHING)
        assert await bell.wait(NEVER)


async def test_a_bell_for_one_topic_rings_for_its_events_and_for_what_rings_all(database: Database) -> None:
    owner = await a_user(database)
    mine, other = await a_job(database, owner), await a_job(database, owner)
    await database.signal.start()
    async with database.signal.listen(mine.id) as bell, database.signal.listen("LAUNCHING") as launches:
        await quiet(bell)
        await quiet(launches)
        await move(database, other, JobState.LAUNCHING)
        assert await launches.wait(SOON)
        assert not await bell.wait(NEVER)
        await move(database, mine, JobState.CANCELLED)
        assert await bell.wait(SOON)
        assert not await launches.wait(NEVER)
        database.signal.ring()
        assert await bell.wait(SOON)
        assert await launches.wait(SOON)


def test_a_notification_that_would_be_too_long_rings_every_bell() -> None:
    assert payload({"b", "a"}) == "a b"
    assert payload({str(number) for number in range(10_000)}) == ""
