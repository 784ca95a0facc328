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
        assert await wishes.begin_submit(session, job, at=NOW)
        assert not await wishes.begin_submit(session, job, at=NOW)
        assert await wishes.take_back(session, job.id, reason="controller away")
        assert await wishes.begin_submit(session, job, at=NOW, reason="asked")
    found = await stored(database, job)
    assert (found.submit_attempts, found.submit_unknown_since, found.reason) == (2, NOW, "asked")
    async with database.transaction() as session:
        await wishes.take_back(session, job.id, reason="")
        assert await wishes.ask_cancel(session, job.id, at=NOW, by="a")
        assert not await wishes.begin_submit(session, job, at=NOW)


async def test_nobody_is_next_while_another_waits(database: Database) -> None:
    owner = await a_user(database)
    waiting, job = [await a_job(database, owner, state=JobState.LAUNCHING) for _ in range(2)]
    await a_job(database, owner, state=JobState.LAUNCHING, cluster="other")
    async with database.transaction() as session:
        assert not await wishes.begin_submit_of_next(session, job, at=NOW)
        assert await wishes.begin_submit(session, waiting, at=NOW)
        assert await wishes.begin_submit_of_next(session, job, at=NOW, reason="asked")
    assert job.model_dump() == (await stored(database, job)).model_dump()


async def test_a_cancel_wins_against_a_submission_or_waits_for_its_outcome(database: Database) -> None:
    owner = await a_user(database)
    early, late = [await a_job(database, owner, state=JobState.LAUNCHING) for _ in range(2)]
    async with database.transaction() as session:
        assert await wishes.begin_submit(session, late, at=NOW)
        for job in (early, late):
            assert await wishes.ask_cancel(session, job.id, at=NOW, by="a")
        assert not await wishes.begin_submit(session, early, at=NOW)
        assert [job.id for job in await wishes.to_cancel(session, "local")] == [early.id]
    assert [job.id for job in await wishes.to_submit(database, "local")] == [late.id]
    async with database.transaction() as session:
        await wishes.take_back(session, late.id, reason="")
        assert {job.id for job in await wishes.to_cancel(session, "local")} == {early.id, late.id}
    assert await wishes.to_submit(database, "local") == []


async def test_why_all_who_wait_do(database: Database) -> None:
    owner = await a_user(database)
    waiting, announced = [await a_job(database, owner, state=JobState.LAUNCHING) for _ in range(2)]
    elsewhere = await a_job(database, owner, state=JobState.LAUNCHING, cluster="other")
    async with database.transaction() as session:
        await wishes.begin_submit(session, announced, at=NOW)
        await wishes.explain_waiting(session, "local", "away")
    reasons = [(await stored(database, job)).reason for job in (waiting, announced, elsewhere)]
    assert reasons == ["away", None, None]


async def test_who_finishes_a_job_and_who_sweeps_it_exclude_each_other(database: Database) -> None:
    owner = await a_user(database)
    finished, swept = [await a_job(database, owner, prepared=False) for _ in range(2)]
    async with database.transaction() as session:
        assert await wishes.prepared(session, finished.id)
        assert not await wishes.abandon(session, finished.id, at=NOW)
        assert await wishes.abandon(session, swept.id, at=NOW)
        assert not await wishes.prepared(session, swept.id)


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


async def test_what_is_to_be_done(database: Database) -> None:
    owner = await a_user(database)
    late = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW + timedelta(1))
    early = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW)
    begun = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW + timedelta(2))
    queued = await a_job(database, owner, state=JobState.QUEUED)
    await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW, cluster="other")
    async with database.transaction() as session:
        assert await wishes.begin_submit(session, begun, at=NOW)
        for job in (queued, begun, late):
            assert await wishes.ask_cancel(session, job.id, at=NOW, by="a")
        await wishes.explain_waiting(session, "local", "controller away")
    assert [job.id for job in await wishes.to_submit(database, "local")] == [early.id, begun.id]
    async with database.reading() as session:
        assert {job.id for job in await wishes.to_cancel(session, "local")} == {late.id, queued.id}
    assert (await stored(database, early)).reason == "controller away"
    assert (await stored(database, begun)).reason is None


async def test_an_unfinished_job_is_given_up_once_it_is_not_prepared(database: Database) -> None:
    owner = await a_user(database)
    unmade, made = await a_job(database, owner, prepared=False), await a_job(database, owner)
    async with database.transaction() as session:
        assert await wishes.abandon(session, unmade.id, at=NOW)
        assert not await wishes.prepared(session, unmade.id)
        assert not await wishes.abandon(session, made.id, at=NOW)
