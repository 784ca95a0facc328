"""Transactions: whole or not at all, many at once, and what is said when the database is away."""

import asyncio

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select, text, update
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.errors import Unavailable
from gql_gateway.store import users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Mark
from tests.store.postgresql import Server
from tests.store.rows import a_user


async def add_one(session: AsyncSession) -> None:
    """Read, then write: what SQLite refuses where the write lock is not taken first."""
    await session.exec(select(Mark.value).where(Mark.name == "count"))
    await session.exec(update(Mark).where(col(Mark.name) == "count").values(value=Mark.value + 1))


async def value(database: Database) -> int:
    async with database.reading() as session:
        return (await session.exec(select(Mark.value).where(Mark.name == "count"))).one()


@pytest.fixture
async def counting(database: Database) -> Database:
    async with database.transaction() as session:
        session.add(Mark(name="count", value=0))
    return database


async def test_many_writers_and_readers_at_once_all_succeed(counting: Database, second: Database) -> None:
    async def write(database: Database) -> None:
        async with database.transaction() as session:
            await add_one(session)

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            for database in (counting, second):
                group.create_task(write(database))
                group.create_task(value(database))
    assert await value(counting) == 200


async def test_an_error_undoes_everything(counting: Database) -> None:
    async def interrupted() -> None:
        async with counting.transaction() as session:
            await add_one(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    assert await value(counting) == 0


async def test_a_cancelled_writer_leaves_nothing_behind(counting: Database) -> None:
    entered = asyncio.Event()

    async def write() -> None:
        async with counting.transaction() as session:
            await add_one(session)
            entered.set()
            await asyncio.Event().wait()

    writer = asyncio.create_task(write())
    await entered.wait()
    others = [asyncio.create_task(write()) for _ in range(5)]
    for task in (writer, *others):
        task.cancel()
    await asyncio.gather(writer, *others, return_exceptions=True)
    async with asyncio.timeout(5), counting.transaction() as session:
        await add_one(session)
    assert await value(counting) == 1


async def test_a_writer_that_is_cancelled_at_any_moment_wrote_once_or_not_at_all(counting: Database) -> None:
    async def write() -> None:
        async with counting.transaction() as session:
            await add_one(session)

    before, outcomes = 0, set()
    for milliseconds in (*(number / 10 for number in range(40)), 10_000):
        writer = asyncio.create_task(write())
        await asyncio.wait([writer], timeout=milliseconds / 1000)
        writer.cancel()
        [said] = await asyncio.gather(writer, return_exceptions=True)
        now = await value(counting)
        outcomes.add((said is None, now - before))
        before = now
    assert outcomes <= {(True, 1), (False, 1), (False, 0)}
    assert (True, 1) in outcomes


async def test_a_reader_sees_one_moment(counting: Database, second: Database) -> None:
    async with counting.reading() as session:
        before = (await session.exec(select(Mark.value))).all()
        async with second.transaction() as other:
            await add_one(other)
        assert (await session.exec(select(Mark.value))).all() == before
    assert await value(counting) == 1


async def test_a_reader_cannot_write(counting: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"):
        async with counting.reading() as session:
            await add_one(session)


async def test_a_wrong_statement_is_a_bug_and_not_an_absence(database: Database) -> None:
    with pytest.raises(DBAPIError, match="nothing_of_the_kind"):
        async with database.transaction() as session:
            await session.exec(text("SELECT * FROM nothing_of_the_kind"))  # type: ignore[call-overload]


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:////nowhere/x.db", "postgresql+asyncpg://x@/x?host=/nowhere"])
async def test_a_database_that_is_away(database: Database) -> None:
    with pytest.raises(Unavailable):
        await database.check()
    with pytest.raises(Unavailable):
        await database.migrate()
    with pytest.raises(Unavailable):
        await a_user(database)
    with pytest.raises(Unavailable):
        await value(database)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite:///x.db", "sqlite+aiosqlite://", "postgresql://x/x"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="store"):
        Database(url)


async def test_after_losing_its_connections_it_goes_on(postgresql_url: str, postgresql: Server) -> None:
    database = Database(postgresql_url)
    user = await a_user(database)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname = '{}'"

    async def cut_off() -> None:
        async with database.transaction() as session:
            await postgresql.execute(kill.format(make_url(postgresql_url).database))
            await users.get(session, user.email)

    with pytest.raises(Unavailable):
        await cut_off()
    async with database.reading() as session:
        assert await users.get(session, user.email) == user
    await database.close()


async def test_a_full_disk_is_an_absence(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    user = await a_user(database)

    async def fill() -> None:
        async with database.transaction() as session:
            await session.exec(text("PRAGMA max_page_count=1"))  # type: ignore[call-overload]
            session.add(Mark(name="x" * 1_000_000, value=0))

    with pytest.raises(Unavailable):
        await fill()
    async with database.reading() as session:
        assert await users.get(session, user.email) == user
    await database.close()


async def test_an_error_tells_no_values(database: Database) -> None:
    """Errors are logged, and values are what users wrote: a job's environment is among them."""
    with pytest.raises(DBAPIError) as error:
        async with database.transaction() as session:
            await session.exec(text("SELECT :value FROM nowhere"), params={"value": "secret-of-a-job"})

    assert "nowhere" in str(error.value)
    assert "secret-of-a-job" not in str(error.value)
