"""What was left half done goes, and nothing else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.parts import Part, PartState
from gql_gateway.core.ids import new_id
from gql_gateway.core.paths import parse
from gql_gateway.store import uploads
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Upload
from gql_gateway.watcher.sweep import Sweeper
from slurm_site import SlurmSite
from tests.cluster.places import JobFolder, job_folder, stream
from tests.store.rows import a_job

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


@pytest.fixture
async def job(cluster: Cluster, site: SlurmSite) -> AsyncIterator[JobFolder]:
    async with job_folder(cluster, site) as folder:
        yield folder


async def begun(database: Database, cluster: Cluster, job: JobFolder, expires_at: datetime) -> Part:
    part = Part(new_id(), parse("in.bin"), 10, None, overwrite=True)
    async with database.transaction() as session:
        await uploads.add(session, Upload(id=part.part_id, job_id=job.job_id, expires_at=expires_at))
    await cluster.parts.begin(job.name, part)
    await cluster.parts.append(job.name, part, 0, stream(b"12345"), atomic=False)
    return part


async def test_uploads_go_when_their_time_is_over(database: Database, cluster: Cluster, job: JobFolder) -> None:
    now = datetime.now(UTC)
    await a_job(database, id=job.job_id, folder=job.name)
    await begun(database, cluster, job, now - HOUR)
    kept = await begun(database, cluster, job, now + HOUR)
    await Sweeper(database, cluster).sweep()
    assert [entry.name for entry in job.incoming.iterdir()] == [f"part-{kept.part_id}"]
    assert (await cluster.parts.progress(job.name, kept)).state is PartState.OPEN
    async with database.reading() as session:
        assert [upload.id for upload, _ in await uploads.expired(session, "local", now + 2 * HOUR)] == [kept.part_id]


async def test_a_folder_that_is_gone_keeps_no_upload(database: Database, cluster: Cluster, job: JobFolder) -> None:
    await a_job(database, id=job.job_id, folder=job.name)
    await begun(database, cluster, job, datetime.now(UTC) - HOUR)
    await cluster.remove_job(job.name)
    await Sweeper(database, cluster).sweep()
    async with database.reading() as session:
        assert not await uploads.expired(session, "local", datetime.now(UTC))
