"""The last look at a cluster takes the place of the one before."""

from gql_gateway.store import clusters
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ClusterStatus
from tests.store.rows import NOW


async def test_the_last_look_counts(database: Database) -> None:
    partitions = [{"name": "compute", "nodes": 4}]
    async with database.transaction() as session:
        assert await clusters.get(session, "local") is None
        await clusters.put(session, ClusterStatus(name="other", available=False, message="refused"))
        await clusters.put(session, ClusterStatus(name="local", available=False, message="refused"))
        await clusters.put(session, ClusterStatus(name="local", available=True, checked_at=NOW, partitions=partitions))
    async with database.reading() as session:
        found = await clusters.get(session, "local")
        assert found is not None
        assert (found.available, found.message, found.checked_at) == (True, None, NOW)
        assert found.partitions == partitions
        assert [status.name for status in await clusters.every(session)] == ["local", "other"]
