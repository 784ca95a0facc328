"""What a user uploaded, and dropped again."""

from datetime import timedelta

from gql_gateway.store import inputs
from gql_gateway.store.database import Database
from tests.store.rows import NOW, a_job


async def test_uploads_are_listed_once_and_forgotten_with_their_folder(database: Database) -> None:
    job = await a_job(database)
    async with database.transaction() as session:
        for path in ("b/2", "a", "b/1", "b_", "a"):
            await inputs.add(session, job.id, path, at=NOW)
        await inputs.add(session, job.id, "a", at=NOW + timedelta(1))
    async with database.transaction() as session:
        assert set(await inputs.paths(session, job.id)) == {"a", "b/1", "b/2", "b_"}
        await inputs.forget(session, job.id, "b")
        assert set(await inputs.paths(session, job.id)) == {"a", "b_"}
        assert await inputs.paths(session, "another") == []
