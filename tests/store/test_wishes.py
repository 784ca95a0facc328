"""Of two who wish the same, one is told that it was the first."""

from datetime import timedelta

from gql_gateway.core.states import JobState
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from tests.store.rows import NOW, a_job, a_user, stored


async def test_cancel_is_asked_once_and_only_of_what_is_active(database: Database) -> None:
    owner = await a_user(database)
    created, queued = await a_job(database, owner), await a_job(database, owner, state=JobState.QUEUED)
    async with database.transaction() as session:
        assert not await wishes.ask_cancel(session, created.id, at=NOW, by="a")
        assert await wishes.ask_cancel(session, queued.id, at=NOW, by="a")
        assert not await wishes.ask_cancel(session, queued.id, at=NOW + timedelta(1), by="b")
    assert (await stored(database, queued)).cancel_requested_by == "a"


async def test_one_submission_at_a_time(database: Database) -> None:
    job = await a_job(database, state=JobState.LAUNCHING)
    async with database.transaction() as session:
        assert await wishes.begin_submit(session, job.id, at=NOW)
        assert not await wishes.begin_submit(session, job.id, at=NOW)
        assert await wishes.try_later(session, job.id, after=NOW, reason="controller away")
        assert await wishes.begin_submit(session, job.id, at=NOW)
    found = await stored(database, job)
    assert (found.submit_attempts, found.submit_unknown_since, found.reason) == (2, NOW, "controller away")
    async with database.transaction() as session:
        await wishes.try_later(session, job.id, after=NOW, reason="")
        assert await wishes.ask_cancel(session, job.id, at=NOW, by="a")
        assert not await wishes.begin_submit(session, job.id, at=NOW)


async def test_what_is_active_is_not_deleted_and_what_is_deleted_not_launched(database: Database) -> None:
    owner = await a_user(database)
    running, ended = await a_job(database, owner, state=JobState.RUNNING), await a_job(database, owner)
    async with database.transaction() as session:
        assert not await wishes.ask_delete(session, running.id, at=NOW)
        assert await wishes.ask_delete(session, ended.id, at=NOW)
        assert not await wishes.ask_delete(session, ended.id, at=NOW)
        assert await jobs.get(session, ended.id, owner_id=None) is None


async def test_a_job_is_prepared_once(database: Database) -> None:
    job = await a_job(database, prepared=False)
    async with database.transaction() as session:
        assert await wishes.prepared(session, job.id)
        assert not await wishes.prepared(session, job.id)
    assert (await stored(database, job)).prepared


async def test_explanations_and_absences_are_noted(database: Database) -> None:
    job = await a_job(database, state=JobState.QUEUED)
    async with database.transaction() as session:
        assert await wishes.explain(session, job.id, JobState.QUEUED, "Priority")
        assert not await wishes.explain(session, job.id, JobState.RUNNING, "wrong")
        await wishes.miss(session, [job.id], since=NOW)
    found = await stored(database, job)
    assert (found.reason, found.missing_since) == ("Priority", NOW)
