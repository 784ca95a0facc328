"""What is asked often is answered from an index in its order: SQLite scans no table and sorts nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.order import Place
from gql_gateway.core.states import JobState
from gql_gateway.store import accounts, events, jobs, listing, pages, tokens, users
from gql_gateway.store.database import Database
from gql_gateway.store.pages import Part
from tests.store.rows import a_user, unsaved_job

OWNER = "f" * 32
QUERIES: dict[str, Callable[[AsyncSession, Database], Awaitable[object]]] = {
    "a job": lambda _, database: listing.find(database, "x", owner_id=OWNER),
    "a page": lambda _, database: pages.page(database, OWNER, Part(first=50, after=Place("x"))),
    "a page backwards": lambda _, database: pages.page(database, OWNER, Part(last=50, before=Place("x"))),
    "a page of a state": lambda _, database: pages.page(database, OWNER, Part(first=50), states=[JobState.FAILED]),
    "everybody's page": lambda _, database: pages.page(database, None, Part(first=50, after=Place("x"))),
    "pages of several": lambda _, database: pages.pages(database, [OWNER, "x"], Part(first=50)),
    "counts": lambda session, _: jobs.count_by_state(session, owner_id=OWNER),
    "active jobs": lambda session, _: jobs.count_active(session, OWNER),
    "a key": lambda session, _: jobs.by_key(session, OWNER, "key"),
    "everybody's events": lambda session, _: events.after(session, 50, owner_id=None),
    "a user's events": lambda session, _: events.after(session, 50, owner_id=OWNER),
    "a job's events": lambda session, _: events.after(session, 50, owner_id=OWNER, job_id="x"),
    "counts of several": lambda session, _: jobs.counts_of(session, [OWNER, "x"]),
    "pages of events": lambda session, _: events.pages(session, ["x", "y"], first=50),
    "accounts with jobs": lambda session, _: accounts.used(session, "local"),
    "accounts with work": lambda session, _: accounts.busy(session, "local"),
    "a user": lambda _, database: users.look_up(database, "x"),
    "a token": lambda _, database: tokens.by_hash(database, "x"),
}


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def filled(database: Database) -> Database:
    """Enough rows, and statistics of them, for SQLite to think about its plans."""
    owner = await a_user(database)
    async with database.transaction() as session:
        for number in range(300):
            job = await jobs.add(session, unsaved_job(owner, state=list(JobState)[number % 12]))
            await events.append(session, job, previous=None, at=job.created_at)
    async with database.transaction() as session:
        await session.exec(text("ANALYZE"))  # type: ignore[call-overload]
    return database


async def test_plans(filled: Database) -> None:
    seen: list[tuple[str, Any]] = []

    assert filled._in_place
    filled._in_place._driver.set_trace_callback(lambda statement: seen.append((statement, ())))

    @event.listens_for(filled._reader.sync_engine, "before_cursor_execute")
    def remember(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append((statement, parameters))

    for name, query in QUERIES.items():
        async with filled.reading() as session:
            seen.clear()
            await query(session, filled)
            (statement, parameters), *more = [said for said in seen if said[0].startswith(("SELECT", "WITH"))]
            assert more == [], name
            connection = await session.connection()
            plan = [row[-1] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        # `keys` is what a recursive question has found so far, in memory. What is put together from several pages is
        # sorted, which are few rows.
        bad = ("SCAN", "BLOOM") if name.startswith("pages of") else ("SCAN", "BLOOM", "USE TEMP")
        assert not [step for step in plan if step.startswith(bad) and step != "SCAN keys"], (name, plan)
