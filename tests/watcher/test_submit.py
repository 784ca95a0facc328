"""Launches that are announced in the transaction that records them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ClusterUnavailable
from gql_gateway.core.spec import check_spec
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from gql_gateway.watcher.pace import Pace
from gql_gateway.watcher.submit import Submitter
from gql_gateway.watcher.verdict import Patience
from tests.store.rows import NOW, a_job, a_user, stored, unsaved_job

pytestmark = pytest.mark.anyio


@pytest.fixture
async def job(database: Database, cluster: Cluster) -> AsyncIterator[Job]:
    """A job with its folder, whose Slurm job waits for ever."""
    spec = check_spec({"name": "held", "image": "/opt/img/busybox.sif", "command": "true"})
    new = unsaved_job(await a_user(database))
    new.script = cluster.render_script(new.id, new.folder, spec).replace("\n", "\n#SBATCH --hold\n", 1)
    await cluster.make_user_folder(new.folder.partition("/")[0])
    await cluster.prepare_job(new.folder, new.script)
    async with database.transaction() as session:
        await jobs.add(session, new)
    yield new
    for found in await cluster.find(new.id):
        await cluster.cancel(found.slurm_job_id)


async def leads(_session: AsyncSession) -> bool:
    return True


@pytest.fixture
async def submitter(database: Database, cluster: Cluster) -> Submitter:
    submitter = Submitter(database, cluster, Patience(resubmit_after=timedelta(hours=1)), leads, Pace(1000))
    await submitter.carry_out()
    return submitter


async def launch(database: Database, job: Job, submitter: Submitter) -> None:
    async with database.transaction() as session:
        at = datetime.now(UTC)
        assert await jobs.advance(session, job, JobState.LAUNCHING, at=at, launched_at=at)
        await submitter.announce(session, job)


async def test_it_is_sent_at_once_and_once(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter
) -> None:
    await launch(database, job, submitter)
    assert (await stored(database, job)).submit_unknown_since is not None

    await submitter.carry_out()
    await submitter.carry_out()

    queued = await stored(database, job)
    assert (queued.state, queued.submit_attempts, queued.submit_unknown_since) == (JobState.QUEUED, 1, None)
    assert [found.slurm_job_id for found in await cluster.find(job.id)] == [queued.slurm_job_id]


async def test_what_is_handed_over_is_as_the_store_has_it_afterwards(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter
) -> None:
    await launch(database, job, submitter)
    recorded = submitter.hand_over(job)

    await submitter.carry_out()
    await submitter.carry_out()

    assert recorded.result()
    assert job.model_dump() == (await stored(database, job)).model_dump()
    assert [found.slurm_job_id for found in await cluster.find(job.id)] == [job.slurm_job_id]


async def test_what_is_handed_over_and_had_to_wait_is_left_to_the_store(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await launch(database, job, submitter)
    recorded = submitter.hand_over(job)
    monkeypatch.setattr("gql_gateway.watcher.submit.FRESH_SECONDS", 0.0)

    await submitter.carry_out()

    assert not recorded.result()
    assert (await stored(database, job)).state is JobState.QUEUED
    assert len(await cluster.find(job.id)) == 1


async def test_what_is_handed_over_behind_one_that_fails_is_sent_later(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_job_id: str, _script: str) -> str:
        raise ClusterUnavailable("The controller is away.")

    await launch(database, job, submitter)
    first, second = submitter.hand_over(job), submitter.hand_over(job)
    with monkeypatch.context() as patched:
        patched.setattr(cluster, "submit", away)
        assert await submitter.carry_out()
    assert not first.result()
    assert not second.result()
    assert (await stored(database, job)).state is JobState.LAUNCHING
    submitter.resume()

    await submitter.carry_out()

    assert (await stored(database, job)).state is JobState.QUEUED
    assert len(await cluster.find(job.id)) == 1


async def test_nobody_is_announced_before_one_who_waits(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter
) -> None:
    owner = await a_user(database)
    first = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW, script=job.script)
    async with database.transaction() as session:
        at = datetime.now(UTC)
        assert await jobs.advance(session, job, JobState.LAUNCHING, at=at, launched_at=at)
        assert not await submitter.announce(session, job)

    await submitter.carry_out()

    (one,), (two,) = await cluster.find(first.id), await cluster.find(job.id)
    await cluster.cancel(one.slurm_job_id)
    assert int(one.slurm_job_id) < int(two.slurm_job_id)


async def test_one_that_had_to_wait_is_sent_all_the_same_and_not_looked_for(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await launch(database, job, submitter)
    monkeypatch.setattr("gql_gateway.watcher.submit.FRESH_SECONDS", 0.0)

    await submitter.carry_out()

    queued = await stored(database, job)
    assert (queued.state, queued.submit_attempts, queued.submit_unknown_since) == (JobState.QUEUED, 2, None)
    assert [found.slurm_job_id for found in await cluster.find(job.id)] == [queued.slurm_job_id]


async def test_one_that_had_to_wait_is_left_to_whoever_leads_by_now(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await launch(database, job, submitter)
    monkeypatch.setattr("gql_gateway.watcher.submit.FRESH_SECONDS", 0.0)
    async with database.transaction() as session:
        await wishes.take_back(session, job.id, reason="another has looked for it")
        await wishes.begin_submit(session, job, at=datetime.now(UTC))

    await submitter.carry_out()

    assert (await stored(database, job)).submit_attempts == 2
    assert await cluster.find(job.id) == []


async def test_one_that_was_rolled_back_is_as_if_it_had_not_been(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter
) -> None:
    async def undone() -> None:
        async with database.transaction() as session:
            await jobs.advance(session, await stored(database, job), JobState.LAUNCHING, at=datetime.now(UTC))
            await submitter.announce(session, job)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await undone()
    await submitter.carry_out()
    assert (await stored(database, job)).state is JobState.CREATED
    await launch(database, job, submitter)
    await submitter.carry_out()

    assert (await stored(database, job)).state is JobState.QUEUED
    assert len(await cluster.find(job.id)) == 1


async def test_what_another_announced_is_looked_up_and_not_sent(
    database: Database, cluster: Cluster, job: Job, submitter: Submitter
) -> None:
    dead = Submitter(database, cluster, Patience(), leads, Pace(1000))
    await dead.carry_out()
    await launch(database, job, dead)

    await submitter.carry_out()

    assert (await stored(database, job)).state is JobState.LAUNCHING
    assert await cluster.find(job.id) == []


async def test_an_announcement_may_be_sent_by_one_alone(database: Database, job: Job, submitter: Submitter) -> None:
    await launch(database, job, submitter)
    async with database.transaction() as session:
        assert not await wishes.begin_submit(session, job, at=datetime.now(UTC))
