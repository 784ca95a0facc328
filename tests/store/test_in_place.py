"""What SQLite is asked in place is what SQLAlchemy would read, and is known to be stale as soon as it is."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, func, select
from sqlmodel import col

from gql_gateway.core.errors import Unavailable
from gql_gateway.core.states import JobState
from gql_gateway.store.database import Database
from gql_gateway.store.in_place import InPlace
from gql_gateway.store.tables import METADATA, Job, table_of
from tests.store.rows import NOW, a_job, a_user, unsaved_job


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def in_place(database: Database) -> InPlace:
    assert database._in_place
    return database._in_place


async def turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"created_at": datetime(1970, 1, 1, tzinfo=UTC), "ended_at": datetime.max.replace(tzinfo=UTC)},
        {"peak_memory": 2**62, "cpu_seconds": 0.1, "exit_code": 0, "deleted_at": NOW.replace(microsecond=1)},
        {"state": JobState.TIMED_OUT, "usage_due": True, "name": "'; \x00 é 𝄞", "spec": {"a": [None, 1.5, {"é": "x"}]}},
    ],
)
async def test_it_reads_what_sqlalchemy_reads(database: Database, values: dict[str, Any]) -> None:
    owner = await a_user(database)
    await a_job(database, owner)
    async with database.transaction() as session:
        session.add(unsaved_job(owner, **values))
    for name, table in METADATA.tables.items():
        statement = select(*table.columns).order_by(*table.primary_key)
        usual = await database.rows(statement, {}, quick=False)
        assert [row._asdict() for row in await database.rows(statement, {})] == [row._asdict() for row in usual], name
    (job, _) = await database.rows(select(*table_of(Job).columns).order_by(col(Job.id)), {})
    assert job.created_at.tzinfo is UTC


async def test_values_are_bound_as_sqlalchemy_binds_them(database: Database) -> None:
    jobs = table_of(Job)
    job = await a_job(database, created_at=NOW.replace(microsecond=7), state=JobState.FAILED)
    same = [jobs.columns[name] == bindparam(name) for name in ("created_at", "state", "prepared")]
    statement = select(jobs.columns["id"]).where(*same, jobs.columns["name"] == "water")
    values = {"created_at": job.created_at, "state": job.state, "prepared": True}
    assert [row.id for row in await database.rows(statement, values)] == [job.id]
    assert not await database.rows(statement, values | {"state": JobState.QUEUED})
    with pytest.raises(KeyError):
        await database.rows(statement, {"state": job.state})


async def test_the_stamp_is_another_one_after_each_change(
    database: Database, second: Database, in_place: InPlace
) -> None:
    stamps = [in_place.stamp()]
    for number, store in enumerate((database, second, database)):
        await a_user(store, f"user{number}@example.org")
        await turn()
        stamps.append(in_place.stamp())
    assert None not in stamps
    assert len(set(stamps)) == len(stamps)


async def test_a_new_connection_never_has_the_stamp_of_an_old_one(database: Database, in_place: InPlace) -> None:
    """SQLite counts anew for each connection, so its number alone would be the same before and after a change."""
    before = in_place.stamp()
    in_place.close()
    await a_user(database)
    assert in_place.stamp() != before


async def test_a_store_that_cannot_be_read_is_away_and_not_a_bug(database: Database, in_place: InPlace) -> None:
    in_place.close()
    file = database._reader.url.database
    assert file
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("DELETE FROM job_events")  # in this mode it keeps every lock from its first write on
    with pytest.raises(Unavailable):
        await database.rows(select(*table_of(Job).columns), {})
    assert in_place.stamp() is None
    other.close()
    assert await database.rows(select(*table_of(Job).columns), {}) == []


async def test_a_statement_that_sqlite_refuses_is_a_bug(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        await database.rows(select(func.no_such(col(Job.id)).label("x")), {})
