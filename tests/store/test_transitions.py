"""Every way from state to state, who wins, and what is written with it."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_gateway.core.states import FINAL, TRANSITIONS, JobState, Source, may_become
from gql_gateway.store import events, jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from tests.store.rows import NOW, a_job, a_user, move, stored, unsaved_job

LATER = NOW + timedelta(minutes=5)


async def log_of(database: Database, job: Job) -> list[tuple[JobState | None, JobState]]:
    async with database.reading() as session:
        return [
            (event.previous_state, event.state)
            for event in (await events.pages(session, [job.id], first=1000))[job.id].rows
        ]


async def test_every_pair_of_states(database: Database) -> None:
    owner = await a_user(database)
    pairs = [(old, new) for old in JobState for new in JobState]
    async with database.transaction() as session:
        made = [await jobs.add(session, unsaved_job(owner, state=old)) for old, _ in pairs]
        for job, (_, new) in zip(made, pairs, strict=True):
            with contextlib.suppress(jobs.IllegalTransition):
                await jobs.advance(session, job, new, at=LATER)
    async with database.reading() as session:
        found = {job.id: job.state for job in await jobs.get_many(session, [job.id for job in made])}
        log = {
            event.job_id: (event.previous_state, event.state)
            for event in await events.after(session, 0, owner_id=owner.id)
        }
    moved = [pair for pair in pairs if may_become(*pair)]
    assert [found[job.id] for job in made] == [new if (old, new) in moved else old for old, new in pairs]
    assert [log[job.id] for job in made if job.id in log] == moved


async def test_an_illegal_step_is_an_error(database: Database) -> None:
    job = await a_job(database, state=JobState.COMPLETED)
    async with database.transaction() as session:
        with pytest.raises(jobs.IllegalTransition, match="from COMPLETED to RUNNING"):
            await jobs.advance(session, job, JobState.RUNNING, at=LATER)


@given(wanted=st.lists(st.sampled_from(JobState), max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_walk_leaves_the_legal_steps_in_the_log(database: Database, wanted: list[JobState]) -> None:
    job = await a_job(database)
    expected: list[tuple[JobState | None, JobState]] = [(None, JobState.CREATED)]
    for new in wanted:
        state = job.state
        try:
            async with database.transaction() as session:
                await jobs.advance(session, job, new, at=LATER)
        except jobs.IllegalTransition:
            assert new not in TRANSITIONS[state]
        else:
            expected += [(state, new)] if new is not state else []
    assert await log_of(database, job) == expected
    assert (await stored(database, job)).state is expected[-1][1]


async def test_the_event_and_the_evidence_are_written_with_the_state(database: Database) -> None:
    job = await a_job(database)
    await move(database, job, JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING)
    async with database.transaction() as session:
        event = await jobs.advance(
            session,
            job,
            JobState.FAILED,
            at=LATER,
            reason="exit code 3",
            native_state="FAILED",
            source=Source.SACCT,
            exit_code=3,
            observed_at=LATER,
        )
    assert event is not None
    assert (event.previous_state, event.state, event.reason) == (JobState.RUNNING, JobState.FAILED, "exit code 3")
    assert (event.source, event.actor, event.at, event.owner_id) == (Source.SACCT, None, LATER, job.owner_id)
    found = await stored(database, job)
    assert found == job
    assert (found.exit_code, found.native_state, found.source) == (3, "FAILED", Source.SACCT)
    assert (found.launched_at, found.queued_at, found.started_at, found.ended_at) == (NOW, NOW, NOW, LATER)
    assert found.ended_at is not None
    assert found.ended_at.utcoffset() == timedelta(0)


async def test_evidence_for_the_same_state_is_no_event(database: Database) -> None:
    job = await a_job(database, state=JobState.QUEUED)
    async with database.transaction() as session:
        assert not await jobs.advance(
            session, job, JobState.QUEUED, at=LATER, reason="Priority", native_state="PENDING", source=Source.SQUEUE
        )
    found = await stored(database, job)
    assert (found.reason, found.native_state, found.source) == ("Priority", "PENDING", Source.SQUEUE)
    assert len(await log_of(database, job)) == 1


async def test_a_known_time_wins_over_the_time_of_the_event(database: Database) -> None:
    job = await a_job(database, state=JobState.RUNNING, started_at=NOW)
    async with database.transaction() as session:
        await jobs.advance(session, job, JobState.COMPLETED, at=LATER, ended_at=NOW + timedelta(seconds=7))
    assert (await stored(database, job)).ended_at == NOW + timedelta(seconds=7)


async def test_a_rollback_leaves_neither_state_nor_event(database: Database) -> None:
    job = await a_job(database)

    async def interrupted() -> None:
        async with database.transaction() as session:
            assert await jobs.advance(session, job, JobState.LAUNCHING, at=LATER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    assert (await stored(database, job)).state is JobState.CREATED
    assert len(await log_of(database, job)) == 1


async def test_of_many_writers_one_wins(database: Database, second: Database) -> None:
    job = await a_job(database, state=JobState.RUNNING)

    async def finish(store: Database, view: Job, outcome: JobState) -> bool:
        async with store.transaction() as session:
            return await jobs.advance(session, view, outcome, at=LATER) is not None

    writers = [(store, await stored(store, job), outcome) for outcome in FINAL for store in (database, second)]
    won = await asyncio.gather(*(finish(*writer) for writer in writers))
    assert won.count(True) == 1
    assert {view.state for _, view, _ in writers} == {writers[won.index(True)][2]}
    assert len(await log_of(database, job)) == 2


async def test_a_stale_view_loses_and_is_refreshed(database: Database) -> None:
    job = await a_job(database, state=JobState.QUEUED)
    stale = await stored(database, job)
    await move(database, job, JobState.RUNNING, JobState.COMPLETED)
    async with database.transaction() as session:
        assert await jobs.advance(session, stale, JobState.RUNNING, at=LATER, reason="late") is None
    assert stale.state is JobState.COMPLETED
    assert stale == await stored(database, job)


async def test_a_hidden_job_is_not_moved(database: Database) -> None:
    job = await a_job(database)
    seen = await stored(database, job)
    async with database.transaction() as session:
        assert await wishes.ask_delete(session, job.id, at=NOW)
    async with database.transaction() as session:
        assert await jobs.advance(session, seen, JobState.LAUNCHING, at=LATER) is None
    assert seen.deleted_at == NOW
    assert seen.state is JobState.CREATED


async def test_a_removed_job_is_not_moved(database: Database) -> None:
    job = await a_job(database)
    async with database.transaction() as session:
        await jobs.remove(session, job)
    async with database.transaction() as session:
        assert await jobs.advance(session, job, JobState.LAUNCHING, at=LATER) is None


async def test_confirm_leaves_final_jobs_alone(database: Database) -> None:
    owner = await a_user(database)
    running = await a_job(database, owner, state=JobState.RUNNING, missing_since=NOW)
    ended = await a_job(database, owner, state=JobState.COMPLETED)
    many = [running.id, ended.id, *(f"{number:032x}" for number in range(2500))]
    async with database.transaction() as session:
        await jobs.confirm(session, many, LATER, Source.SQUEUE)
    found = await stored(database, running)
    assert (found.observed_at, found.source, found.missing_since) == (LATER, Source.SQUEUE, None)
    assert (await stored(database, ended)).observed_at is None


async def test_writers_of_several_jobs_do_not_lock_each_other_out(database: Database, second: Database) -> None:
    """The log's lock comes last: taken with the first event, PostgreSQL would end one of these as a deadlock."""
    owner = await a_user(database)
    pairs = [(await a_job(database, owner), await a_job(database, owner)) for _ in range(10)]

    async def launch(store: Database, first: Job, other: Job) -> None:
        async with store.transaction() as session:
            await jobs.advance(session, first, JobState.LAUNCHING, at=LATER)
            await asyncio.sleep(0)
            await wishes.explain(session, other.id, JobState.CREATED, "waits")

    async with asyncio.TaskGroup() as group:
        for first, other in pairs:
            group.create_task(launch(database, first, other))
            group.create_task(launch(second, other, other))
    async with database.reading() as session:
        assert await jobs.count_active(session, owner.id) == 20
