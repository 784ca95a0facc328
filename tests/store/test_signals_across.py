"""The signal between processes, through PostgreSQL, also after its connection was lost."""

import pytest
from sqlalchemy.engine import make_url

from gql_gateway.core.states import JobState
from gql_gateway.store.database import Database
from tests.store.postgresql import Server
from tests.store.rows import NEVER, SOON, a_job, move, quiet

KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid != pg_backend_pid()"
)


@pytest.fixture
def url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def name(url: str) -> str:
    return make_url(url).database or ""


async def test_another_process_hears_events_and_rings(database: Database, second: Database) -> None:
    job = await a_job(database)
    await second.signal.start()
    await database.signal.start()
    async with second.signal.listen() as bell:
        await quiet(bell)
        await move(database, job, JobState.LAUNCHING)
        assert await bell.wait(SOON)
        assert not await bell.wait(NEVER)
        database.signal.ring()
        assert await bell.wait(SOON)


async def test_it_listens_again_after_its_connection_was_killed(
    database: Database, second: Database, postgresql: Server, name: str
) -> None:
    job = await a_job(database)
    await second.signal.start()
    async with second.signal.listen() as bell:
        await quiet(bell)
        await postgresql.execute(KILL, database=name)
        assert await bell.wait(SOON)  # it listens again, and what was said meanwhile is to be looked for
        await quiet(bell)
        await move(database, job, JobState.LAUNCHING)
        assert await bell.wait(SOON)


async def test_it_starts_while_the_database_is_away(
    database: Database, second: Database, postgresql: Server, name: str
) -> None:
    job = await a_job(database)
    await postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", database="template1")
    await second.signal.start()
    async with second.signal.listen() as bell:
        assert not await bell.wait(NEVER)
        await postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", database="template1")
        assert await bell.wait(SOON)
        await move(database, job, JobState.LAUNCHING)
        assert await bell.wait(SOON)
