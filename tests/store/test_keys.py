"""One secret for every process on a store, whoever asks first."""

import asyncio

from gql_gateway.store import keys
from gql_gateway.store.database import Database


async def test_all_get_the_same(database: Database, second: Database) -> None:
    async def ask(store: Database) -> str:
        async with store.transaction() as session:
            return await keys.shared(session)

    secrets = await asyncio.gather(*(ask(store) for store in (database, second) * 3))
    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 64
