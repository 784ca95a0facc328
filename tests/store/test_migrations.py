"""The migrations make the tables, from nothing, on both databases, whoever else migrates at the same time."""

import asyncio
import stat
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import text

from gql_gateway.core.errors import Unavailable
from gql_gateway.store import engines, migrations
from gql_gateway.store.database import Database
from tests.store.postgresql import Server


@pytest.fixture
async def empty_postgresql(postgresql: Server) -> AsyncIterator[str]:
    await postgresql.execute("CREATE DATABASE empty TEMPLATE template0")
    yield postgresql.url("empty")
    await postgresql.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/gateway.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"empty_{request.param}")
    return found


async def execute(url: str, statement: str) -> None:
    engine = engines.single(url)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_up_from_nothing_and_down_again(database: Database, url: str) -> None:
    assert (await database.revision())[0] is None
    await database.migrate()
    assert await database.revision() == (migrations.head(), migrations.head())
    await database.migrate()
    await asyncio.to_thread(migrations.downgrade, url, "base")
    assert (await database.revision())[0] is None
    await database.migrate()
    await database.check()


async def test_the_migrations_make_what_the_tables_say(database: Database, url: str) -> None:
    await database.migrate()
    await asyncio.to_thread(migrations.check, url)
    await execute(url, "ALTER TABLE jobs ADD COLUMN forgotten INTEGER")
    with pytest.raises(CommandError, match="forgotten"):
        await asyncio.to_thread(migrations.check, url)


async def test_several_processes_may_migrate_a_file_at_once(empty_sqlite: str) -> None:
    program = "import sys; from gql_gateway.store.migrations import upgrade; print(); input(); upgrade(sys.argv[1])"
    others = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_sqlite, stdin=PIPE, stdout=PIPE)
        for _ in range(2)
    ]
    for other in others:
        assert other.stdout
        await other.stdout.readline()
    await asyncio.gather(*(other.communicate(b"go\n") for other in others))
    assert [other.returncode for other in others] == [0, 0]


async def test_threads_may_migrate_at_once(database: Database, second: Database) -> None:
    await asyncio.gather(database.migrate(), second.migrate())
    await database.check()


async def test_a_migration_waits_for_another(empty_postgresql: str, postgresql: Server) -> None:
    database = Database(empty_postgresql)
    async with postgresql.locked(migrations.LOCK, "empty") as waiting:
        task = asyncio.create_task(database.migrate())
        await waiting()
        assert (await database.revision())[0] is None
    await task
    await database.check()
    await database.close()


async def test_a_database_that_is_behind_says_so_with_the_remedy(database: Database) -> None:
    with pytest.raises(Unavailable, match=f"needs {migrations.head()}") as caught:
        await database.check()
    assert caught.value.detail == "Run `gql-gateway migrate`."


async def test_a_database_that_is_ahead_says_so(database: Database, url: str) -> None:
    await database.migrate()
    await execute(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Unavailable, match="9999") as caught:
        await database.check()
    assert caught.value.detail == "Run a newer gateway."


def test_a_file_is_its_owners_alone(empty_sqlite: str, tmp_path: Path) -> None:
    migrations.upgrade(empty_sqlite)
    assert stat.S_IMODE((tmp_path / "gateway.db").stat().st_mode) == 0o600
