"""Uploads that were begun, until their time is over."""

from datetime import timedelta

from gql_gateway.core.ids import new_id
from gql_gateway.store import jobs, uploads
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, Upload
from tests.store.rows import NOW, a_job, a_user


async def begun(database: Database, job: Job, minutes: int) -> str:
    upload = Upload(id=new_id(), job_id=job.id, expires_at=NOW + timedelta(minutes=minutes))
    async with database.transaction() as session:
        await uploads.add(session, upload)
    return upload.id


async def test_what_expired_is_found_with_its_folder_on_its_cluster_alone(database: Database) -> None:
    owner = await a_user(database)
    job, far = await a_job(database, owner), await a_job(database, owner, cluster="far")
    later, earlier = await begun(database, job, -1), await begun(database, job, -2)
    await begun(database, job, 1)
    await begun(database, far, -1)
    async with database.reading() as session:
        found = await uploads.expired(session, "local", NOW)
    assert [(upload.id, folder) for upload, folder in found] == [(earlier, job.folder), (later, job.folder)]


async def test_they_go_one_by_one_and_with_their_job(database: Database) -> None:
    job = await a_job(database)
    first, second = await begun(database, job, -1), await begun(database, job, -1)
    async with database.transaction() as session:
        await uploads.remove(session, first)
    async with database.reading() as session:
        assert [upload.id for upload, _ in await uploads.expired(session, "local", NOW)] == [second]
    async with database.transaction() as session:
        await jobs.remove(session, job)
    async with database.reading() as session:
        assert await uploads.expired(session, "local", NOW) == []
