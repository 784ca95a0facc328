"""One holder at a time, for a time."""

import asyncio

from gql_gateway.store import leases
from gql_gateway.store.database import Database


async def acquire(database: Database, holder: str, ttl: float = 60, name: str = "watcher:local") -> bool:
    async with database.transaction() as session:
        return await leases.acquire(session, name, holder, ttl)


async def test_one_holds_it_and_may_renew_it(database: Database, second: Database) -> None:
    assert await acquire(database, "a")
    assert not await acquire(second, "b")
    assert await acquire(database, "a")
    assert await acquire(second, "b", name="watcher:other")


async def test_it_ends_by_itself(database: Database, second: Database) -> None:
    assert await acquire(database, "a", ttl=0.2)
    assert not await acquire(second, "b")
    async with asyncio.timeout(5):
        while not await acquire(second, "b"):  # noqa: ASYNC110 - nobody tells when a lease ends
            await asyncio.sleep(0.02)
    assert not await acquire(database, "a")


async def test_it_can_be_given_back_by_its_holder_alone(database: Database) -> None:
    assert await acquire(database, "a")
    async with database.transaction() as session:
        await leases.release(session, "watcher:local", "b")
    assert not await acquire(database, "b")
    async with database.transaction() as session:
        await leases.release(session, "watcher:local", "a")
    assert await acquire(database, "b")


async def test_of_many_at_once_one_gets_it(database: Database, second: Database) -> None:
    results = await asyncio.gather(*(acquire((database, second)[number % 2], str(number)) for number in range(20)))
    assert sum(results) == 1


async def test_a_lease_that_is_not_renewed_can_be_taken_over(database: Database, second: Database) -> None:
    assert await acquire(database, "a", ttl=3600)
    async with second.transaction() as session:
        assert await leases.look(session, "nothing") is None
        stale = await leases.look(session, "watcher:local")
    assert stale is not None
    assert await acquire(database, "a", ttl=7200)
    async with second.transaction() as session:
        assert not await leases.take_over(session, stale, "b", 60)
        stale = await leases.look(session, "watcher:local")
        assert stale is not None
        assert await leases.take_over(session, stale, "b", 60)
        assert await leases.holds(session, "watcher:local", "b")
        assert not await leases.holds(session, "watcher:local", "a")
    assert not await acquire(database, "a")


async def test_one_that_was_renewed_meanwhile_is_not_taken_over(database: Database) -> None:
    assert await acquire(database, "a")
    async with database.transaction() as session:
        stale = await leases.look(session, "watcher:local")
    assert stale
    assert await acquire(database, "a")
    async with database.transaction() as session:
        assert not await leases.take_over(session, stale, "b", 60)
        known = await leases.look(session, "watcher:local")
        assert known
        assert await leases.take_over(session, known, "b", 60)
        assert await leases.holds(session, "watcher:local", "b")
