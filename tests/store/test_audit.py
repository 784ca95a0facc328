"""The audit log: newest first, of one job, of one person; entries outlive what they tell of."""

from datetime import datetime, timedelta

import pytest

from gql_gateway.core.audit import AuditAction
from gql_gateway.core.identity import Role
from gql_gateway.store import audit, jobs
from gql_gateway.store.database import Database
from gql_gateway.store.tables import GatewayAuditEntry
from tests.store.rows import NOW, a_job


async def an_entry(
    database: Database, actor: str = "ada@example.org", job_id: str | None = None, at: datetime = NOW
) -> int:
    entry = GatewayAuditEntry(
        at=at, actor=actor, role=Role.ADMIN, credential="token 1", action=AuditAction.CANCEL, job_id=job_id
    )
    async with database.transaction() as session:
        await audit.add(session, entry)
    assert entry.id is not None
    return entry.id


async def ids(database: Database, **filters: object) -> list[int | None]:
    async with database.reading() as session:
        rows = await audit.page(session, **{"first": 10, **filters})  # type: ignore[arg-type]
    return [row.id for row in rows]


async def test_pages_and_filters(database: Database) -> None:
    first = await an_entry(database, job_id="1" * 32)
    second = await an_entry(database, "bob@example.org", job_id="1" * 32)
    third = await an_entry(database)
    assert await ids(database) == [third, second, first]
    assert await ids(database, first=2) == [third, second]
    assert await ids(database, before=second) == [first]
    assert await ids(database, job_id="1" * 32) == [second, first]
    assert await ids(database, actor="ada@example.org") == [third, first]
    assert await ids(database, actor="ada@example.org", job_id="1" * 32) == [first]


async def test_an_entry_outlives_its_job(database: Database) -> None:
    job = await a_job(database)
    kept = await an_entry(database, job_id=job.id)
    async with database.transaction() as session:
        await jobs.remove(session, job)
    assert await ids(database, job_id=job.id) == [kept]


async def interrupted(database: Database) -> None:
    async with database.transaction() as session:
        entry = GatewayAuditEntry(at=NOW, actor="a@b.org", role=Role.USER, credential="", action=AuditAction.LAUNCH)
        await audit.add(session, entry)
        raise InterruptedError


async def test_an_act_that_is_not_done_leaves_no_entry(database: Database) -> None:
    with pytest.raises(InterruptedError):
        await interrupted(database)
    assert await ids(database) == []


async def test_old_entries_are_purged_and_no_number_comes_again(database: Database) -> None:
    await an_entry(database, at=NOW - timedelta(days=2))
    newest = await an_entry(database, at=NOW - timedelta(days=1))
    async with database.transaction() as session:
        assert await audit.purge(session, NOW - timedelta(days=1, hours=12), limit=1) == 1
        assert await audit.purge(session, NOW, limit=9) == 1
        assert await audit.purge(session, NOW, limit=9) == 0
    assert await an_entry(database) > newest
