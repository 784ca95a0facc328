"""An empty store, and a cluster on the real site."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.store.database import Database
from slurm_site import SlurmSite
from tests.cluster.places import config_of


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def cluster(site: SlurmSite) -> AsyncIterator[Cluster]:
    cluster = Cluster(config_of(site, name="local"))
    yield cluster
    await cluster.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/gateway.db")
    await database.migrate()
    yield database
    await database.close()
