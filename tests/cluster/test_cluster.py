"""The face of a cluster on a real Slurm, on good days and with slurmctld frozen, down and back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, Refused, SubmitRefused
from gql_gateway.core.ids import new_id, slurm_name
from gql_gateway.core.paths import parse_folder
from gql_gateway.core.spec import check_spec
from gql_gateway.core.states import FINAL, JobState, Observation
from slurm_site import SiteOptions, SlurmSite
from tests.cluster.places import config_of

HELD = "#!/bin/sh\n#SBATCH --hold\nexit 0\n"


@pytest.fixture(scope="module")
def ailing() -> Iterator[SlurmSite]:
    """A site whose controller may be stopped."""
    with SlurmSite(SiteOptions(accounting=False)) as booted:
        yield booted


@pytest.fixture
async def sick(ailing: SlurmSite) -> AsyncIterator[Cluster]:
    cluster = Cluster(config_of(ailing, command_timeout=2, submit_timeout=2))
    yield cluster
    await cluster.close()


async def seen(cluster: Cluster, job_id: str, *states: JobState) -> Observation:
    """What the queue says of a job once it is in one of these states."""
    async with asyncio.timeout(20):
        while True:
            for found in await cluster.queue():
                if found.token == slurm_name(job_id) and found.state in states:
                    return found
            await asyncio.sleep(0.05)


async def accounted(cluster: Cluster, job_id: str) -> JobState:
    """How accounting says that a job ended; slurmdbd learns it a moment after the queue."""
    for _ in range(100):
        if (found := await cluster.accounting([job_id])) and found[0].state in FINAL:
            return found[0].state
        await asyncio.sleep(0.05)
    raise AssertionError("accounting never told")


async def test_a_cluster_tells_how_it_is(cluster: Cluster, site: SlurmSite) -> None:
    report = await cluster.probe()

    assert (report.available, report.message) == (True, None)
    assert {partition.name for partition in report.partitions} == {"debug", "short", "long"}
    version = site.run(["sbatch", "--version"]).stdout
    assert report.slurm_version
    assert report.slurm_version in version


async def test_a_job_from_script_to_records(cluster: Cluster, site: SlurmSite) -> None:
    job_id = new_id()
    folder = f"tests/{job_id}"
    spec = check_spec({"name": "day", "image": site.image, "command": "echo hello; exit 3"})
    script = cluster.render_script(job_id, folder, spec)
    await cluster.prepare_job(folder, script)
    try:
        number = await cluster.submit(job_id, script)
        ended = await seen(cluster, job_id, JobState.FAILED)
        assert (ended.slurm_job_id, ended.exit_code) == (number, 3)
        record = (await cluster.end_records([folder]))[folder]
        assert (record.slurm_job_id, record.exit_code, record.started_at is not None) == (number, 3, True)
        assert await accounted(cluster, job_id) is JobState.FAILED
        assert [found.slurm_job_id for found in await cluster.find(job_id)] == [number]
        assert await cluster.script_intact(folder, sha256(script.encode()).hexdigest())
    finally:
        await cluster.remove_job(folder)


async def test_a_cancelled_job_says_so(cluster: Cluster) -> None:
    job_id = new_id()
    number = await cluster.submit(job_id, HELD)
    assert (await seen(cluster, job_id, JobState.QUEUED)).slurm_job_id == number

    await cluster.cancel(number)
    await seen(cluster, job_id, JobState.CANCELLED)
    await cluster.cancel(number)


async def test_a_refusal_is_in_slurms_words(cluster: Cluster) -> None:
    with pytest.raises(SubmitRefused) as refused:
        await cluster.submit(new_id(), "#!/bin/sh\n#SBATCH --partition=nosuch\nexit 0\n")

    assert "partition" in (refused.value.problems[0].detail or "")


async def test_a_site_without_accounts_says_so(sick: Cluster) -> None:
    assert await sick.accounting([new_id()]) is None


async def test_a_frozen_controller_leaves_the_outcome_open(sick: Cluster, ailing: SlurmSite) -> None:
    job_id = new_id()
    ailing.freeze("slurmctld")
    try:
        with pytest.raises(ClusterTimeout):
            await sick.submit(job_id, HELD)
        with pytest.raises((ClusterTimeout, ClusterUnavailable)):
            await sick.queue()
    finally:
        ailing.thaw("slurmctld")

    # Both frozen submissions of a trial became jobs; whether this one did, only the queue can tell.
    ailing.wait_ready()
    found = await sick.find(job_id)
    assert [twin.token for twin in found] in ([], [slurm_name(job_id)])
    for twin in found:
        await sick.cancel(twin.slurm_job_id)


async def test_a_controller_that_is_down_is_no_empty_queue(sick: Cluster, ailing: SlurmSite) -> None:
    ailing.stop("slurmctld")
    try:
        report = await sick.probe()
        assert (report.available, "slurmctld" in (report.message or "")) == (False, True)
        with pytest.raises((ClusterTimeout, ClusterUnavailable)):
            await sick.queue()
    finally:
        ailing.start("slurmctld")
        ailing.wait_ready()

    assert await sick.queue() is not None


async def test_each_operation_is_told_with_its_outcome(site: SlurmSite) -> None:
    told: list[tuple[str, str, str]] = []
    cluster = Cluster(config_of(site), lambda name, command, _seconds, outcome: told.append((name, command, outcome)))
    try:
        await cluster.queue()
        with pytest.raises(SubmitRefused):
            await cluster.submit(new_id(), "no script\n")
        with pytest.raises(Refused):
            await cluster.list("tests/none", parse_folder(""))
    finally:
        await cluster.close()

    assert told[:3] == [("test", "squeue", "ok"), ("test", "sbatch", "ok"), ("test", "list", "FILE_NOT_FOUND")]


async def test_a_login_node_without_slurm_is_told(site: SlurmSite) -> None:
    cluster = Cluster(config_of(site, slurm_path="/nowhere", container="/nowhere/singularity"))
    try:
        await cluster.start()
        assert (await cluster.probe()).available  # the account's own PATH is still there
    finally:
        await cluster.close()
