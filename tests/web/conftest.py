"""What the tests of the web floor share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gql_gateway.store.database import Database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    store = Database(f"sqlite+aiosqlite:///{tmp_path}/gateway.db")
    await store.migrate()
    yield store
    await store.close()
